import StoreFormat
import SnapshotModel
import TestKit
import MergeKit

extension HistoryRun {
    func revert(_ pick: Int, withSafety: Bool) throws {
        guard let target = snapshot(pick), let content = oracle.snapshots[target] else { return }
        let request = revertRequest(to: target, withSafety: withSafety)
        inFlight = .revert(content: content, safety: request.safety?.id)
        let mustRefuse = refusesRevert(withSafety: withSafety)
        var outcome: RevertOutcome?
        let isDone = try permits("reverting to \(target)", mustRefuse: mustRefuse) {
            outcome = try engine.revert(request)
        }
        if isDone { try noteRevert(request, content, outcome) }
    }

    func revertRequest(to target: SnapshotID, withSafety: Bool) -> RevertRequest {
        let safety = SnapshotID(rawValue: newID())
        return RevertRequest(
            id: RevertID(rawValue: newID()), target: target,
            safety: withSafety
                ? SnapshotRequest(id: safety, description: SnapshotDescription(kind: .safety)) : nil
        )
    }

    /// - Parameter clone: what a clone's area has, chunk by chunk.
    func noteRevert(
        _ request: RevertRequest, _ content: [ChunkPattern.Version], _ outcome: RevertOutcome?,
        clone: [Int: ChainModel.Content] = [:]
    ) throws {
        if let safety = request.safety?.id { oracle.takeSnapshot(safety) }
        oracle.become(content)
        if let target = ordinals[request.target] {
            chain?.revert(to: target, withSafety: request.safety != nil, clone: clone)
            if let safety = request.safety?.id { ordinals[safety] = chain?.newest }
        }
        if let safety = request.safety?.id { try noteManifest(outcome?.safety, safety) }
        try checkPlanBytes(of: outcome, request)
    }

    private func checkPlanBytes(of outcome: RevertOutcome?, _ request: RevertRequest) throws {
        guard let outcome, outcome.safety?.id == request.safety?.id else {
            throw TortureFailure("revert \(request.id) answered with another safety snapshot")
        }
        guard let chain else { return }
        let planned = chain.plan.count * history.chunkBytes
        guard outcome.planBytes == planned else {
            throw TortureFailure("revert \(request.id) plans \(outcome.planBytes), not \(planned)")
        }
    }

    /// Whether a merge has nothing left to copy and waits for a step to end it.
    var isMergeEnding: Bool { chain?.plan.isEmpty == true && engine.mergeProgress() != nil }

    func refusesRevert(withSafety: Bool) -> Bool? {
        isMergeEnding ? nil : chain?.refusesRevert(withSafety: withSafety)
    }

    func revertBySteps(_ pick: Int, isUndone: Bool) throws {
        guard let target = snapshot(pick), let content = oracle.snapshots[target] else { return }
        let request = revertRequest(to: target, withSafety: true)
        inFlight = .revert(content: content, safety: request.safety?.id)
        var outcome: RevertOutcome?
        let isDone = try permits(
            "reverting to \(target) by steps", mustRefuse: refusesRevert(withSafety: true)
        ) {
            outcome = try commitBySteps(isUndone: isUndone) { try $0.prepareRevert(request) }.revert
        }
        guard isDone else { return }
        guard !isUndone else {
            oracle.flush()
            return
        }
        try noteRevert(request, content, outcome)
    }

    // MARK: the merge

    func merge(_ chunks: Int) throws {
        _ = try engine.mergeStep(byteLimit: chunks * history.chunkBytes)
        try followMerge()
    }

    /// Merges in the chain model what the engine has merged, as its journal says.
    func followMerge() throws {
        guard var chain else { return }
        let unmerged = try unmergedChunks()
        for chunk in chain.plan.keys.sorted() where !unmerged.contains(chunk) {
            chain.mergeChunk(chunk)
        }
        self.chain = chain
    }

    private func unmergedChunks() throws -> Set<Int> {
        let chunks = try StoreReader(folder: disk).unmergedChunks()
        return Set(chunks.ranges.flatMap { $0.map(\.rawValue) })
    }

    /// The plan on disk must be the chain model's, chunk by chunk.
    func checkPlan() throws {
        guard let chain else { return }
        let unmerged = try unmergedChunks()
        let expected = Set(chain.plan.keys)
        guard unmerged == expected else {
            let (extra, lost) = (unmerged.subtracting(expected), expected.subtracting(unmerged))
            throw TortureFailure(
                "the merge's plan has chunks \(extra.sorted()) too many and lacks \(lost.sorted())")
        }
        guard engine.mergeProgress() != nil || expected.isEmpty else {
            throw TortureFailure("no merge runs, and \(expected.count) chunks are left")
        }
    }

    func cancelMerge() throws {
        let progress = engine.mergeProgress()
        guard let progress else {
            let isDone = try permits("cancelling no merge", mustRefuse: true) {
                _ = try engine.cancelMerge(RevertID(rawValue: newID()))
            }
            precondition(!isDone, "refusal was checked")
            return
        }
        let goal = progress.safetyID.flatMap { id in oracle.snapshots[id].map { (id, $0) } }
        if let goal { inFlight = .revert(content: goal.1, safety: nil) }
        let mustRefuse = goal == nil ? true : refusesRevert(withSafety: false)
        let isDone = try permits("cancelling the merge", mustRefuse: mustRefuse) {
            _ = try engine.cancelMerge(RevertID(rawValue: newID()))
        }
        guard isDone, let goal else { return }
        oracle.become(goal.1)
        if let ordinal = ordinals[goal.0] { chain?.revert(to: ordinal, withSafety: false) }
    }

    /// Drives a merge to its end.
    func finishMerge() throws {
        let ending = endingClone
        try engine.resumeMerge()
        for _ in 0...2 * history.chunkCount {
            if case .progressed = try engine.mergeStep(byteLimit: 8 * history.chunkBytes) {
                continue
            }
            break
        }
        guard engine.mergeProgress() == nil else {
            throw TortureFailure(
                "the merge does not end: \(String(describing: engine.mergeProgress()))")
        }
        if let ending { noteEnd(of: ending) }
    }
}
