import SnapshotModel
import Stream
import System
import Testing

@testable import Manager

@Suite("What is being sent stays, and what it builds on")
struct SendingHoldTests {
    /// Calls back in mid-stream.
    private final class WatchedSink: StreamSink {
        private var onFirst: (() -> Void)?

        init(_ onFirst: @escaping () -> Void) { self.onFirst = onFirst }

        func write(_ bytes: RawSpan) throws(Problem) {
            onFirst?()
            onFirst = nil
        }
    }

    @Test(
        "neither a sent snapshot nor its base, nor one between them, is deleted or pruned meanwhile"
    )
    func held() throws {
        let scene = try StreamScene()
        let ids = try (0..<4).map { try scene.snapshot(UInt8($0 + 1), $0..<$0 + 4) }
        var refusals: [String] = []
        let sink = WatchedSink {
            for id in ids[..<3] {
                do {
                    _ = try scene.fixture.nextCommand().deletions.delete(
                        ["\(id)"], isDryRun: false)
                } catch { refusals.append(Problem(error).message) }
            }
            do {
                _ = try scene.fixture.nextCommand().volumes.remove(
                    "a", keepsStore: false, isDryRun: false)
            } catch { refusals.append(Problem(error).message) }
        }
        _ = try scene.manager.sends.send(SendRequest("\(ids[2])", base: "\(ids[0])"), to: sink)
        #expect(refusals.count == 4)
        #expect(refusals.allSatisfy { $0.contains("is being sent") }, "\(refusals)")
        #expect(try scene.ids("a") == ids)
        // When it is over, they may go.
        _ = try scene.manager.deletions.delete(["\(ids[1])"], isDryRun: false)
        #expect(try FileFolder(path: scene.fixture.folder + "/state/sending").list("").isEmpty)
    }

    @Test("what a sender has left that was killed holds nothing")
    func killed() throws {
        let scene = try StreamScene()
        let ids = try (0..<2).map { try scene.snapshot(UInt8($0 + 1), $0..<$0 + 4) }
        _ = try scene.send(ids[1], from: ids[0])
        let folder = FileFolder(path: scene.fixture.folder + "/state/sending")
        try folder.writeFile(
            "left-over", Array(#"{"version":1,"volume":"a","snapshots":[\#(ids[0])]}"#.utf8))
        _ = try scene.manager.deletions.delete(["\(ids[0])"], isDryRun: false)
        #expect(try scene.ids("a") == [ids[1]])
    }

    @Test("a plan of many small steps is what each of them is")
    func plan() throws {
        let scene = try StreamScene()
        let ids = try (0..<5).map { try scene.snapshot(UInt8($0 + 1), $0 * 4..<$0 * 4 + 2) }
        let report = try scene.manager.sends.preview(
            SendRequest("\(ids[4])", base: "\(ids[0])"))
        #expect(report.snapshots.map(\.changedBytes) == Array(repeating: 8192, count: 4))
    }
}
