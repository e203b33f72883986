import StoreFormat
import SnapshotModel
import TestKit
import MergeKit

extension HistoryRun {
    /// Reads everything again and compares it with the oracle.
    func verify() throws {
        let found = try reader.observe(engine)
        let expected = oracle.expectation(during: .nothing, afterPowerCut: false)
        if let reason = expected.mismatch(found) { throw TortureFailure(reason) }
        for (id, view, content) in views {
            let cells = try reader.cells(of: view)
            if let reason = AllowedCells(exact: content).mismatch(cells) {
                throw TortureFailure("an open view of \(id): \(reason)")
            }
        }
    }

    /// The engine knows of the volume what its store tells, and that is what was done.
    func verifyState() throws {
        if let reason = try engine.stateMismatch() { throw TortureFailure(reason) }
        let state = engine.volumeState
        let (found, expected) = (Set(state.readable.map(\.id)), Set(oracle.snapshots.keys))
        guard found == expected else {
            throw TortureFailure(
                "by the volume's state, \(found.sorted()) can be read, not \(expected.sorted())")
        }
        guard let revert = state.revert else { return }
        let rest = try StoreReader(folder: disk).unmergedChunks().count
        guard revert.mergedChunks == revert.record.planChunkCount - rest,
            (revert.phase == .merged) == (rest == 0 && revert.mergedChunks != 0)
        else {
            throw TortureFailure("\(rest) chunks are not merged, and the state says \(revert)")
        }
    }

    /// What needs not be looked at after every step: holes, and the areas' maps.
    func verifyClosely() throws {
        try reader.checkExtents(
            byteCount: volumeBytes, content: oracle.current, what: "extents of the volume"
        ) { try engine.extents(in: $0, limit: $1) }
        // What follows asks the areas.
        try engine.drainWriteBack()
        if let (id, content) = oracle.snapshots.min(by: { $0.key < $1.key }) {
            let view = try engine.openView(of: id)
            defer { view.close() }
            try reader.checkExtents(
                byteCount: view.byteCount, content: content, what: "extents of snapshot \(id)"
            ) { try view.extents(in: $0, limit: $1) }
        }
        try checkCloneExtents()
        try checkCloneFolders()
        try checkChain()
        try checkMaps()
        try checkStored()
        try checkIndex()
    }

    /// Who only has the store answers what the engine answers.
    private func checkStored() throws {
        let volume = StoredVolume(Store(folder: disk), try StoreReader(folder: disk).state())
        let open = Set(views.map(\.0))
        for status in engine.snapshots() {
            let id = status.manifest.id
            guard !status.manifest.isDeleted, !open.contains(id) else { continue }
            guard try volume.previewRevert(to: id) == engine.previewRevert(to: id),
                (try? volume.previewDelete([id])) == (try? engine.previewDelete([id]))
            else { throw TortureFailure("the store and the engine differ about snapshot \(id)") }
        }
        let found = volume.snapshots().map { [$0.manifest.ordinal.rawValue, $0.exceptionCount] }
        let known = engine.snapshots().map { [$0.manifest.ordinal.rawValue, $0.exceptionCount] }
        guard found == known else {
            throw TortureFailure("the store has exceptions \(found), the engine \(known)")
        }
    }

    /// The maps of the index say what the areas say, and these are what they were.
    private func checkIndex() throws {
        let findings = try StoreVerifier.check(
            store: disk, origin: disk.origin(), readData: false, repair: false,
            indexShape: Self.indexShape)
        // One that is of no use is no fault: where a removal has failed, the folder is still there.
        let faults = findings.filter { $0.severity != .note }
        for finding in faults where "\(finding.object) \(finding.message)".contains("index/") {
            throw TortureFailure("\(finding.object): \(finding.message)")
        }
        try checkSeals()
    }

    /// What is sealed is what the areas hold, whatever came since.
    private func checkSeals() throws {
        guard disk.operations.isMultiple(of: 3) else { return }
        let findings = try StoreVerifier.scrubAll(disk, repair: false) {}
        for finding in findings where finding.severity == .damage {
            throw TortureFailure("\(finding.object): \(finding.message)")
        }
    }

    /// The chain model must agree with the plain arrays, or it is no oracle.
    private func checkChain() throws {
        guard let chain else { return }
        try checkView("the volume", oracle.current) { chain.top($0) }
        for (id, content) in oracle.snapshots {
            guard let ordinal = ordinals[id] else { continue }
            try checkView("snapshot \(id)", content) { chain.view(ordinal, $0) }
        }
    }

    private func checkView(
        _ what: String, _ content: [ChunkPattern.Version],
        _ view: (Int) -> [ChunkPattern.Version]
    ) throws {
        let perChunk = history.cellsPerChunk
        for chunk in 0..<history.chunkCount {
            let cells = chunk * perChunk..<min((chunk + 1) * perChunk, content.count)
            guard view(chunk).prefix(cells.count) == content[cells] else {
                throw TortureFailure("the chain model is wrong about chunk \(chunk) of \(what)")
            }
        }
    }

    /// Each area holds exactly the exceptions that the chain model put there: no copy too many.
    private func checkMaps() throws {
        guard let chain else { return }
        let store = try StoreReader(folder: disk)
        for (ordinal, chunks) in chain.recorded {
            guard let stored = storeOrdinals[ordinal] else { continue }
            // Without a live snapshot up to it, nobody will ever read the area.
            guard chain.live.contains(where: { $0 <= ordinal }) else { continue }
            let map = try store.chunkMap(of: stored)
            let found = Set(map.chunks.ranges.flatMap { $0.map(\.rawValue) })
            guard found == chunks else {
                let (extra, lost) = (found.subtracting(chunks), chunks.subtracting(found))
                throw TortureFailure(
                    "area \(ordinal) has exceptions \(extra.sorted()) too many and lacks "
                        + "\(lost.sorted())")
            }
        }
    }
}
