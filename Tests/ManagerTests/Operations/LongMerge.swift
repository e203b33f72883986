import MergeKit
import SnapshotModel
import System

@testable import Manager

/// Volumes with a merge each that takes as long as it is let, and operations that run them in threads.
struct LongMerge {
    let fixture: ManagerFixture

    /// - Parameter limits: how many bytes a second each volume's merge may copy.
    init(_ limits: KeyValuePairs<String, Int>) throws {
        fixture = try ManagerFixture()
        for (volume, limit) in limits {
            try fixture.makeVolume(volume)
            try fixture.write(1, to: 0..<8, of: volume)
            let id = try fixture.snapshot(volume)[0]
            try fixture.write(2, to: 0..<ManagerFixture.chunkCount, of: volume)
            _ = try fixture.manager.reverts.revert("\(id)", RevertOptions(waits: false))
            _ = try fixture.manager.merges.throttle([volume], bytesPerSecond: limit)
        }
    }

    /// Runs the merge of a volume to its end, in a thread.
    func start(_ volume: String, _ operation: Operation) -> Run {
        let run = Run()
        var operation = operation
        operation.onProgress = { progress in run.progress.change { $0 = progress } }
        let manager = fixture.manager.performing(operation)
        run.thread = BackgroundThread.start(name: "merge-\(volume)") {
            do { _ = try manager.merges.resume([volume]) } catch {
                run.problem.withLock { $0 = Problem(error) }
            }
        }
        return run
    }

    final class Run: @unchecked Sendable {
        let progress = Monitored<OperationProgress?>(nil)
        let problem = Monitored<Problem?>(nil)
        /// Set before anybody else has the run.
        fileprivate var thread: BackgroundThread?

        /// Waits until something was merged.
        func hasBegun() -> OperationProgress? {
            progress.wait { progress in
                guard case .bytes(let bytes) = progress?.amount, bytes.doneBytes > 0 else {
                    return nil
                }
                return progress
            }
        }

        /// Waits for the end; nil when all went well.
        func end() -> Problem? {
            thread?.join()
            return problem.withLock { $0 }
        }
    }
}
