import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit

extension HistoryRun {
    /// Carries out one step, and tells the oracle what was acknowledged.
    func perform(_ step: HistoryStep) throws {
        let ending = endingClone
        endingClones = Set([ending].compactMap(\.self))
        try carryOut(step)
        noteEnd(after: step, of: ending)
        inFlight = .nothing
        // At once, and not in the background: each step of a history is read with its index.
        while engine.extendIndex() {}
        // What fails is tried again after the next step.
        while (try? engine.sealStep(byteLimit: 1 << 20)) == true {}
    }

    private func carryOut(_ step: HistoryStep) throws {
        if step.asksAreas { try engine.drainWriteBack() }
        switch step {
        case .write(let cell, let count, let isForced):
            try write(cell..<cell + count, version: newVersion(), isForced: isForced)
        case .zero(let cell, let count, let isForced):
            try write(cell..<cell + count, version: 0, isForced: isForced)
        case .flush: try flush()
        case .snapshot: try takeSnapshot()
        case .setSnapshot(let isUndone): try takeSnapshotBySteps(isUndone: isUndone)
        case .delete(let pick): try delete(pick)
        case .collect: try collect()
        case .fold(let chunks): try fold(chunks: chunks)
        case .revert(let pick, let withSafety): try revert(pick, withSafety: withSafety)
        case .setRevert(let pick, let isUndone): try revertBySteps(pick, isUndone: isUndone)
        case .merge(let chunks): try merge(chunks)
        case .cancelMerge: try cancelMerge()
        case .pauseMerge: try engine.pauseMerge()
        case .resumeMerge: try engine.resumeMerge()
        case .openView(let pick): try openView(pick)
        case .closeView(let pick): closeView(pick)
        case .resize(let pick): try resize(pick)
        case .makeClone(let pick): try makeClone(pick)
        case .makeCloneOfClone(let pick, let isReadOnly, let isLarger):
            try makeCloneOfClone(pick, isReadOnly: isReadOnly, isLarger: isLarger)
        case .writeClone(let pick, let cell, let count, let isForced, let isZero):
            let version = isZero ? 0 : newVersion()
            try writeClone(pick, cell..<cell + count, version: version, isForced: isForced)
        case .flushClone(let pick, let isClosed): try flushClone(pick, isClosed: isClosed)
        case .deleteClone(let pick, let isOpen): try deleteClone(pick, isOpen: isOpen)
        case .promoteClone(let pick, let isOpen): try promoteClone(pick, isOpen: isOpen)
        case .revertWith(let pick, let withSafety, let ends, let isUndone):
            try revertWith(pick, withSafety: withSafety, ends: ends, isUndone: isUndone)
        case .reopen(let isClean):
            try reopen(cleanly: isClean)
            if isClean { oracle.flush() }
        }
    }

    // MARK: the volume

    private func write(
        _ cells: Range<Int>, version: ChunkPattern.Version, isForced: Bool
    ) throws {
        // A step of a shortened or continued history may lie outside of this volume.
        let cells = cells.clamped(to: 0..<oracle.cellCount)
        guard !cells.isEmpty else { return }
        inFlight = .write(cells: cells, version: version)
        let size = history.cellBytes
        let bytes = cells.lowerBound * size..<cells.upperBound * size
        let holes = version == 0 ? try holes(in: cells) : []
        if version == 0 {
            try engine.zero(bytes, forceUnitAccess: isForced)
        } else {
            let content = history.pattern.bytes(version: version, cells: cells)
            try engine.write(
                content.span.bytes, at: bytes.lowerBound, forceUnitAccess: isForced)
        }
        oracle.write(cells, version: version, isDurable: isForced)
        try writeChain(cells, version, holes: holes)
    }

    private func chunks(touching cells: Range<Int>) -> ClosedRange<Int> {
        let perChunk = history.cellsPerChunk
        return cells.lowerBound / perChunk...(cells.upperBound - 1) / perChunk
    }

    /// A chunk's part of some cells.
    private func part(of cells: Range<Int>, in chunk: Int) -> Range<Int> {
        let first = chunk * history.cellsPerChunk
        return cells.clamped(to: first..<first + history.cellsPerChunk)
    }

    /// The chunks that have nothing but a hole in these cells. Of one that is not merged yet it is not
    /// known before it is.
    private func holes(in cells: Range<Int>) throws -> Set<Int> {
        let size = history.cellBytes
        return try Set(
            chunks(touching: cells).filter { chunk in
                let part = part(of: cells, in: chunk)
                let bytes = part.lowerBound * size..<part.upperBound * size
                return try chain?.plan[chunk] == nil && disk.origin().firstData(in: bytes) == nil
            })
    }

    private func writeChain(
        _ cells: Range<Int>, _ version: ChunkPattern.Version, holes: Set<Int>
    ) throws {
        for chunk in chunks(touching: cells) {
            let part = part(of: cells, in: chunk)
            let isHole = try holes.contains(chunk) || mayBeHole(chunk, part, version)
            let first = chunk * history.cellsPerChunk
            chain?.write(chunk, isHole: isHole) { content in
                for cell in part { content[cell - first] = version }
            }
        }
    }

    /// Whether zeroes of a chunk that was merged for them were merged as a hole: the area says so.
    private func mayBeHole(
        _ chunk: Int, _ part: Range<Int>, _ version: ChunkPattern.Version
    ) throws -> Bool {
        guard version == 0, let chain, chain.plan[chunk] != nil, let newest = chain.newest,
            let stored = storeOrdinals[newest]
        else { return false }
        let first = chunk * history.cellsPerChunk
        guard part.allSatisfy({ chain.top(chunk)[$0 - first] == 0 }) else { return false }
        return try !StoreReader(folder: disk).chunkMap(of: stored).contains(ChunkIndex(chunk))
    }

    /// Another size, up to a quarter more than the volume had at first.
    private func resize(_ pick: Int) throws {
        let sectorCells = Geometry.sectorBytes / history.cellBytes
        let sectors = 1 + pick % (history.cellCount / sectorCells * 5 / 4 + 1)
        let cellCount = sectors * sectorCells
        inFlight = .resize(cellCount: cellCount)
        let isMerging = chain.map { !$0.plan.isEmpty }
        let isDone = try permits("resizing", mustRefuse: isMergeEnding ? nil : isMerging) {
            try engine.resize(to: cellCount * history.cellBytes)
        }
        guard isDone else { return }
        oracle.resize(to: cellCount)
        // The chain model knows one size only.
        chain = nil
    }

    private func flush() throws {
        try engine.flush()
        oracle.flush()
    }

    // MARK: snapshots

    private func request(_ id: SnapshotID, kind: SnapshotKind = .manual) -> SnapshotRequest {
        SnapshotRequest(id: id, description: SnapshotDescription(kind: kind))
    }

    private var isFull: Bool { oracle.snapshots.count >= history.snapshotsMaximum }

    private func noteSnapshot(_ manifest: SnapshotManifest?, _ id: SnapshotID) throws {
        oracle.takeSnapshot(id)
        if let ordinal = chain?.snapshot() { ordinals[id] = ordinal }
        try noteManifest(manifest, id)
    }

    /// Checks what the engine says of a snapshot that it has just taken.
    func noteManifest(_ manifest: SnapshotManifest?, _ id: SnapshotID) throws {
        guard let manifest, manifest.id == id, manifest.volumeBytes == volumeBytes else {
            throw TortureFailure(
                "snapshot \(id) answered with another manifest: \(String(describing: manifest))")
        }
        if let ordinal = ordinals[id] { storeOrdinals[ordinal] = manifest.ordinal }
    }

    private func takeSnapshot() throws {
        guard !isFull else { return }
        let id = SnapshotID(rawValue: newID())
        inFlight = .snapshot(id)
        let outcome = try engine.takeSnapshot(request(id))
        try noteSnapshot(outcome.manifest, id)
    }

    private func takeSnapshotBySteps(isUndone: Bool) throws {
        guard !isFull else { return }
        let id = SnapshotID(rawValue: newID())
        inFlight = .snapshot(id)
        let outcome = try commitBySteps(isUndone: isUndone) { try $0.prepareSnapshot(request(id)) }
        if isUndone { oracle.flush() } else { try noteSnapshot(outcome.snapshot?.manifest, id) }
    }

    /// Prepare, hold, commit, perhaps take it back, release.
    func commitBySteps(
        isUndone: Bool, prepare: (Barrier) throws -> Void
    ) throws -> (snapshot: SnapshotOutcome?, revert: RevertOutcome?) {
        let barrier = engine.beginBarrier()
        defer { barrier.releaseIO() }
        try prepare(barrier)
        try barrier.holdIO()
        let outcome = try barrier.commit()
        if isUndone { try barrier.rollBack() }
        return outcome
    }

    private func delete(_ pick: Int) throws {
        guard let id = snapshot(pick) else { return }
        let isRead = views.contains { $0.id == id } || isCloned(id)
        let mustRefuse = chain.map { isRead || $0.target == ordinals[id] }
        inFlight = .delete(id)
        var (preview, report): (DeleteReport?, DeleteReport?)
        let isDone = try permits(
            "deleting \(id)", mustRefuse: isRead ? true : isMergeEnding ? nil : mustRefuse
        ) {
            preview = try engine.previewDelete([id])
            report = try engine.delete([id])
        }
        guard isDone else { return }
        try checkDelete(id, preview: preview, report: report)
        oracle.snapshots[id] = nil
        if let ordinal = ordinals[id] { _ = chain?.delete(ordinal) }
        ordinals[id] = nil
    }

    private func checkDelete(
        _ id: SnapshotID, preview: DeleteReport?, report: DeleteReport?
    ) throws {
        guard let chain, let ordinal = ordinals[id] else { return }
        let freed = chain.entriesNeeded(onlyBy: [ordinal]) * history.chunkBytes
        guard preview?.freedBytes == freed, report?.freedBytes == freed else {
            throw TortureFailure(
                "deleting \(id) frees \(freed) bytes; previewed as \(preview?.freedBytes ?? -1), "
                    + "reported as \(report?.freedBytes ?? -1)")
        }
    }

    private func collect() throws {
        _ = try engine.collect()
        try checkEmptied()
        guard !isMergeEnding else {
            // The safety snapshot's area still grows for the engine, and not for the model.
            chain = nil
            return
        }
        _ = chain?.collect()
        try checkFolders()
    }

    private func fold(chunks: Int) throws {
        var hasFolded = false
        while try engine.fold(byteLimit: chunks * history.chunkBytes) { hasFolded = true }
        guard !isMergeEnding else {
            // For the engine a merge goes on.
            if hasFolded { throw TortureFailure("areas were folded during a merge") }
            return
        }
        let isExpected = chain?.fold() ?? hasFolded
        guard isExpected == hasFolded || disk.capacityBytes == nil else {
            // There was no room for it.
            chain = nil
            return
        }
        guard isExpected == hasFolded else {
            throw TortureFailure("areas were \(hasFolded ? "" : "not ")folded, against the model")
        }
        if hasFolded { _ = chain?.collect() }
        if hasFolded { try checkFolders() }
    }

    /// After a collection no area may be left that nobody needs.
    private func checkFolders() throws {
        guard let chain else { return }
        let found = Set(engine.snapshots().map(\.manifest.ordinal))
        let expected = Set(chain.areas.keys.compactMap { storeOrdinals[$0] })
        guard found == expected else {
            throw TortureFailure(
                "after a collection there are areas \(found.sorted()), not \(expected.sorted())")
        }
    }

    /// When no snapshot is left, the store holds no exception, and no space for any.
    private func checkEmptied() throws {
        guard oracle.snapshots.isEmpty, engine.mergeProgress() == nil else { return }
        let status = try engine.status()
        let count = status.snapshots.reduce(0) { $0 + $1.exceptionCount }
        // The disk gives whole pages, and does not take back one that the file's end cuts.
        let cutPage = history.chunkBytes < 4096 ? 4096 : 0
        let isEmpty = status.storeBytes <= max(4096, 2 * history.chunkBytes) + cutPage
        guard count == 0, isEmpty || mayHaveLeftOvers else {
            throw TortureFailure(
                "without a snapshot there are \(count) exceptions and \(status.storeBytes) bytes in "
                    + "the store")
        }
    }

    private func openView(_ pick: Int) throws {
        guard let id = snapshot(pick), views.count < 3, let content = oracle.snapshots[id] else {
            return
        }
        views.append((id, try engine.openView(of: id), content))
    }

    private func closeView(_ pick: Int) {
        guard !views.isEmpty else { return }
        views.remove(at: pick % views.count).view.close()
    }
}

extension HistoryStep {
    /// Whether what it does depends on what is in the areas, and not in the log of first writes.
    fileprivate var asksAreas: Bool {
        switch self {
        case .collect, .fold, .delete: true
        default: false
        }
    }
}
