internal import System
internal import MergeKit
internal import SnapshotModel
internal import VolumeAccess

/// Waits for a merge to end: looks on when the upkeep runs it, else runs it itself.
struct MergeWait {
    private let engine: LiveEngine
    private let isRunByUpkeep: Bool

    private static let lookMilliseconds = 50

    init(host: VolumeHost) {
        engine = host.engine
        isRunByUpkeep = host.upkeep != nil
    }

    /// Returns when no merge runs. `.refused` when it is paused and nobody else could resume it,
    /// `.failed` when an error stopped it, `.interrupted` when the client has gone.
    func run(for client: any RequestClient) throws(Problem) {
        while let merge = engine.mergeProgress() {
            guard !client.isGone else { throw Problem(.interrupted, "the client went away") }
            client.report(
                TransferProgress(
                    doneBytes: merge.mergedBytes, totalBytes: merge.planBytes, rate: merge.rate))
            if isRunByUpkeep { try look(at: merge) } else { try step(merge) }
        }
    }

    private func look(at merge: MergeProgress) throws(Problem) {
        guard merge.state != .failed else {
            throw Problem(
                .failed,
                "the merge of snapshot \(merge.targetID) stopped: "
                    + (merge.failure ?? "its reason is not known"),
                hint: "it is tried again by itself; watch it with: \(.mergeStatus())")
        }
        BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
    }

    private func step(_ merge: MergeProgress) throws(Problem) {
        guard merge.state != .paused else {
            throw Problem(
                .refused, "the merge of snapshot \(merge.targetID) is paused",
                hint: "let it go on: \(.mergeResume())")
        }
        _ = try engine.mergeStep(byteLimit: ImageUpkeep.mergeStepBytes)
    }
}
