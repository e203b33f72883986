import Control
import ImageDriver
import StoreFormat
import VolumeAccess
import SnapshotModel
import Testing

@Suite("Export names and served volumes")
struct ExportNameTests {
    private func snapshot(
        _ id: Int64, name: String? = nil, isDeleted: Bool = false
    ) -> SnapshotManifest {
        SnapshotManifest(
            ordinal: SnapshotOrdinal(rawValue: Int(id)), id: SnapshotID(rawValue: id),
            volumeBytes: 0, takenAt: Timestamp(stored: 0),
            description: SnapshotDescription(name: name), isDeleted: isDeleted)
    }

    private func code(_ reference: String, _ snapshots: [SnapshotManifest]) -> Problem.Code? {
        do throws(Problem) {
            _ = try ExportName.resolve(reference, among: snapshots)
            return nil
        } catch {
            return error.code
        }
    }

    @Test(
        "A name is printed as it is read",
        arguments: ["data", "data@42", "data@before", "data@a@b", "", "@", "data@"])
    func roundTrip(text: String) { #expect(ExportName(text).description == text) }

    @Test("What follows the first @ is the snapshot")
    func parts() {
        #expect(ExportName("data").snapshot == nil)
        #expect(ExportName("data@a@b").volume == "data")
        #expect(ExportName("data@a@b").snapshot == "a@b")
    }

    @Test("A snapshot is found by its id, and by its name when only one has it")
    func resolve() throws {
        let snapshots = [snapshot(1, name: "a"), snapshot(2, name: "b"), snapshot(3, name: "1")]
        #expect(try ExportName.resolve("2", among: snapshots).rawValue == 2)
        #expect(try ExportName.resolve("b", among: snapshots).rawValue == 2)
        #expect(try ExportName.resolve("1", among: snapshots).rawValue == 1)
    }

    @Test("An unknown, deleted or ambiguous snapshot is an error")
    func unresolved() {
        let snapshots = [
            snapshot(1, name: "a"), snapshot(2, name: "a"),
            snapshot(3, name: "c", isDeleted: true),
        ]
        #expect(code("9", snapshots) == .notFound)
        #expect(code("", snapshots) == .notFound)
        #expect(code("c", snapshots) == .notFound)
        #expect(code("3", snapshots) == .notFound)
        #expect(code("a", snapshots) == .ambiguous)
    }

    @Test("A volume to serve is printed as it is read, colons in its path and all")
    func argument() throws {
        let argument = try VolumeArgument("data:/a:b/c d")
        #expect(argument.name == "data")
        #expect(argument.storePath == "/a:b/c d")
        #expect(argument.description == "data:/a:b/c d")
    }

    @Test(
        "What names no volume and store is refused",
        arguments: ["", "data", ":/a", "data:", "data:a", "a b:/c", "a@1:/c", "/a:/b"])
    func badArgument(text: String) {
        #expect(throws: Problem.self) { try VolumeArgument(text) }
    }
}
