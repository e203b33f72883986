import MergeKit
import SnapshotModel
import StoreFormat
import TestKit

// Reverts that take a clone's content, and what becomes of the clone.
extension HistoryRun {
    private var mergingClone: RevertClone? { engine.volumeState.revert?.record.clone }

    /// Whether a merge copies from a clone: nobody may write to it.
    func isMerging(_ name: String) -> Bool { mergingClone?.name == name }

    /// The clone that ends with the merge that runs.
    var endingClone: String? { mergingClone.flatMap { $0.ends ? $0.name : nil } }

    func revertWith(_ pick: Int, withSafety: Bool, ends: Bool, isUndone: Bool) throws {
        guard let name = clone(pick), let known = oracle.clones[name], let target = known.base
        else {
            return
        }
        let request = revertRequest(to: target, withSafety: withSafety)
        let use = CloneUse(name: name, ends: ends)
        let content = known.current
        inFlight = .revert(content: content, safety: request.safety?.id)
        // With nothing to be merged it ends at once.
        if ends { endingClones.insert(name) }
        let isOpen = openClones[name] != nil
        let isLarger = known.cellCount != oracle.snapshots[target]?.count
        var outcome: RevertOutcome?
        let isDone = try permits(
            "reverting with clone \(name)",
            mustRefuse: isLarger ? true : refusesRevert(withSafety: withSafety)
        ) {
            outcome = try commitBySteps(isUndone: isUndone) {
                try $0.prepareRevert(request, with: use, overrulesClients: isOpen)
            }.revert
        }
        guard isDone else { return }
        oracle.clones[name]?.flush()
        guard !isUndone else {
            oracle.flush()
            return
        }
        let written = try cloneChunks(name, content)
        try noteRevert(request, content, outcome, clone: written)
        if ends, hasEnded(name) { noteEnd(of: name) }
    }

    /// What a clone's area has, chunk by chunk.
    private func cloneChunks(
        _ name: String, _ content: [ChunkPattern.Version]
    ) throws -> [Int: ChainModel.Content] {
        let reader = try StoreReader(folder: disk)
        // It may have ended already, when nothing was to be merged.
        guard let record = try reader.clones().first(where: { $0.name == name }) else { return [:] }
        let perChunk = history.cellsPerChunk
        let chunks = try reader.changedChunks(of: record).ranges.flatMap { $0.map(\.rawValue) }
        return chunks.reduce(into: [:]) { result, chunk in
            let cells = content[chunk * perChunk..<min((chunk + 1) * perChunk, content.count)]
            result[chunk] = cells + Array(repeating: 0, count: perChunk - cells.count)
        }
    }

    /// What a crash now may leave, and what may be gone by then.
    func expectation(
        afterPowerCut: Bool, optional: [SnapshotID: [ChunkPattern.Version]] = [:],
        optionalClones: [String: AllowedCells] = [:]
    ) -> CrashExpectation {
        let ending = oracle.clones.filter { endingClones.contains($0.key) }
            .merging(unfinishedEnds) { known, _ in known }
            .mapValues { $0.allowed(afterPowerCut: afterPowerCut) }
        return oracle.expectation(
            during: inFlight, afterPowerCut: afterPowerCut, optional: optional,
            optionalClones: optionalClones.merging(ending) { known, _ in known })
    }

    /// Notes the clone that has ended with a merge; one that a revert has taken the place of ends none.
    func noteEnd(after step: HistoryStep, of ending: String?) {
        endingClones = []
        switch step {
        case .revert, .setRevert, .revertWith, .cancelMerge: return
        default: break
        }
        if let ending, hasEnded(ending) { noteEnd(of: ending) }
    }

    /// Whether a merge has ended that a clone ends with, or has begun to and failed: it goes on with that later.
    private func hasEnded(_ name: String) -> Bool {
        engine.mergeProgress() == nil || !engine.readableClones.contains { $0.name == name }
    }

    /// A merge has ended, and the clone with it, unless the disk had no room for that.
    func noteEnd(of name: String) {
        let goesOn = engine.warnings.contains { $0.description.contains("clone \(name) ") }
        guard !goesOn else { return }
        openClones.removeValue(forKey: name)?.close()
        // An end that failed half-way goes on later; who opens the volume before may see the clone again.
        unfinishedEnds[name] = engine.mergeProgress() == nil ? nil : oracle.clones[name]
        oracle.clones[name] = nil
    }
}
