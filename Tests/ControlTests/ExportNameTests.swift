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

    /// The ids of the pair that a name names; nil for one snapshot's, or with what it ends.
    private func pair(_ text: String, _ snapshots: [SnapshotManifest]) -> [Int64]? {
        guard let pair = try? SnapshotPair(text, among: snapshots) else { return nil }
        return [pair.older.id.rawValue, pair.newer.id.rawValue]
    }

    private func pairCode(_ text: String, _ snapshots: [SnapshotManifest]) -> Problem.Code? {
        #expect(throws: Problem.self) { try SnapshotPair(text, among: snapshots) }?.code
    }

    @Test("Two snapshots are named by ids or names, which may have dots themselves")
    func pairs() throws {
        let snapshots = [
            snapshot(1, name: "a."), snapshot(2, name: "b"), snapshot(3, name: "1..2"),
            snapshot(4, name: ".c"), snapshot(5, name: "x"), snapshot(6, name: "x"),
            snapshot(7, name: "gone", isDeleted: true),
        ]
        #expect(pair("1..4", snapshots) == [1, 4])
        #expect(pair("a...b", snapshots) == [1, 2])
        #expect(pair("b...c", snapshots) == [2, 4])
        // A snapshot's own name comes first; its number names the pair all the same.
        #expect(try SnapshotPair("1..2", among: snapshots) == nil)
        #expect(pair("a...2", snapshots) == [1, 2])
        #expect(pair("1..2..4", snapshots) == [3, 4])
        #expect(try SnapshotPair("b", among: snapshots) == nil)
        #expect(try SnapshotPair("..", among: snapshots) == nil)
        #expect(pairCode("2..1", snapshots) == .usage)
        #expect(pairCode("2..2", snapshots) == .usage)
        #expect(pairCode("1..9", snapshots) == .notFound)
        #expect(pairCode("1..gone", snapshots) == .notFound)
        #expect(pairCode("1..x", snapshots) == .ambiguous)
        let dotted = [
            snapshot(1, name: "a"), snapshot(2, name: "a."), snapshot(3, name: ".b"),
            snapshot(4, name: "b"),
        ]
        #expect(pairCode("a...b", dotted) == .ambiguous)
        #expect(try SnapshotPair(String(repeating: ".", count: 4096), among: snapshots) == nil)
    }

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
