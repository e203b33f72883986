import Control
import ImageDriver
import StoreFormat
import VolumeAccess
import FoundationEssentials
import SnapshotModel
import Testing

@Suite("Exporting a snapshot")
struct SnapshotExportTests {
    /// A client that goes away when it has heard of progress.
    private final class ImpatientClient: RequestClient {
        private(set) var isGone = false

        func report(_ progress: TransferProgress) { isGone = true }
    }

    private func withSnapshot(
        _ body: (LocalSession, VolumeHost, TestVolume) throws -> Void
    ) throws {
        let volume = try TestVolume()
        let host = try volume.open()
        try host.engine.fill(9, count: TestVolume.byteCount)
        let session = LocalSession(host: host, ownsHost: true)
        defer { session.close() }
        _ = try session.perform(.snapshot(.test(1)))
        try FileManager.default.createDirectory(
            atPath: volume.folder + "/out", withIntermediateDirectories: false)
        try body(session, host, volume)
    }

    private func files(_ volume: TestVolume) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: volume.folder + "/out")
    }

    @Test("The file holds the snapshot, and nothing else is left")
    func complete() throws {
        try withSnapshot { session, _, volume in
            let path = volume.folder + "/out/snapshot.raw"
            let reply = try session.perform(.export(SnapshotID(rawValue: 1), path: path))
            #expect(reply == .exported(bytes: TestVolume.byteCount))
            let content = FileManager.default.contents(atPath: path)
            #expect(content == Data(repeating: 9, count: TestVolume.byteCount))
            let left = try files(volume)
            #expect(left == ["snapshot.raw"])
        }
    }

    @Test("A file that exists is refused and stays as it is")
    func exists() throws {
        try withSnapshot { session, _, volume in
            let path = volume.folder + "/out/mine"
            try Data([1, 2, 3]).write(to: URL(filePath: path))
            let problem = #expect(throws: Problem.self) {
                try session.perform(.export(SnapshotID(rawValue: 1), path: path))
            }
            #expect(problem?.code == .exists)
            #expect(FileManager.default.contents(atPath: path) == Data([1, 2, 3]))
            let left = try files(volume)
            #expect(left == ["mine"])
        }
    }

    @Test("A file that appears during the export is not replaced")
    func appears() throws {
        try withSnapshot { session, _, volume in
            let path = volume.folder + "/out/mine"
            let problem = #expect(throws: Problem.self) {
                try session.perform(.export(SnapshotID(rawValue: 1), path: path)) { _ in
                    try? Data([1]).write(to: URL(filePath: path))
                }
            }
            #expect(problem?.code == .exists)
            #expect(FileManager.default.contents(atPath: path) == Data([1]))
            let left = try files(volume)
            #expect(left == ["mine"])
        }
    }

    @Test("An export whose client goes away leaves nothing")
    func clientGone() throws {
        try withSnapshot { _, host, volume in
            let session = LocalSession(host: host, ownsHost: false)
            defer { session.close() }
            let problem = #expect(throws: Problem.self) {
                try session.perform(
                    .export(SnapshotID(rawValue: 1), path: volume.folder + "/out/x"),
                    for: ImpatientClient())
            }
            #expect(problem?.code == .interrupted)
            let left = try files(volume)
            #expect(left == [])
        }
    }

    @Test("A path that is not absolute is refused", arguments: ["x", "./x", "", "/", "/tmp/"])
    func relative(path: String) throws {
        try withSnapshot { session, _, _ in
            let problem = #expect(throws: Problem.self) {
                try session.perform(.export(SnapshotID(rawValue: 1), path: path))
            }
            #expect(problem?.code == .usage)
        }
    }

    @Test("A folder that does not exist is named")
    func noFolder() throws {
        try withSnapshot { session, _, volume in
            let problem = #expect(throws: Problem.self) {
                try session.perform(
                    .export(SnapshotID(rawValue: 1), path: volume.folder + "/none/x"))
            }
            #expect(problem?.code == .notFound)
            #expect(problem?.message.contains(volume.folder + "/none") == true)
        }
    }
}
