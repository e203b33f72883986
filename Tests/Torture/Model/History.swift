import TestKit

/// A volume's shape and what is done to it: everything follows from the seed.
struct History: Hashable, Sendable {
    let seed: UInt64
    let chunkBytes: Int
    let volumeBytes: Int
    /// The unit of content; below 512 bytes, requests are not aligned to sectors.
    let cellBytes: Int
    /// Whether first writes are answered from the log.
    let hasWriteBack: Bool
    /// No snapshot is taken while so many are live.
    let snapshotsMaximum: Int
    var steps: [HistoryStep]

    var cellsPerChunk: Int { chunkBytes / cellBytes }
    var cellCount: Int { volumeBytes / cellBytes }
    var chunkCount: Int { (volumeBytes + chunkBytes - 1) / chunkBytes }
    var pattern: ChunkPattern { ChunkPattern(seed: seed, cellBytes: cellBytes) }

    /// What a suite wants of its histories.
    struct Profile: Sendable {
        var stepCount: Range<Int>
        var snapshotsMaximum: Range<Int>
        /// Chunks of a volume, when chunks are small; fewer of larger ones.
        var chunkCount: Range<Int>
        /// Cells may be smaller than sectors only where no power cut tears them.
        var cellBytes: [Int]
    }

    /// The random history of a seed.
    init(seed: UInt64, profile: Profile) {
        self.seed = seed
        hasWriteBack = !seed.isMultiple(of: 2)
        var random = SeededGenerator(seed: seed).forked(1)
        let chunkBytes = [512, 512, 1024, 4096, 4096, 16_384][random.below(6)]
        self.chunkBytes = chunkBytes
        cellBytes = profile.cellBytes[random.below(profile.cellBytes.count)]
        var chunks = random.pick(profile.chunkCount)
        if chunkBytes >= 4096 { chunks = max(2, chunks * 1024 / chunkBytes) }
        // A volume's last chunk may be cut short anywhere, at a sector.
        let missing = random.oneIn(2) ? 0 : random.below(chunkBytes / 512) * 512
        volumeBytes = chunks * chunkBytes - missing
        snapshotsMaximum = random.pick(profile.snapshotsMaximum)
        steps = []
        var maker = StepMaker(
            random: random, cellCount: cellCount, cellsPerChunk: chunkBytes / cellBytes)
        for _ in 0..<random.pick(profile.stepCount) { steps.append(maker.next()) }
    }
}

extension History: CustomStringConvertible {
    var description: String {
        "chunks of \(chunkBytes) B, a volume of \(volumeBytes) B, cells of \(cellBytes) B, at most "
            + "\(snapshotsMaximum) snapshots, \(steps.count) steps"
    }
}

extension SeededGenerator {
    mutating func pick(_ range: Range<Int>) -> Int { range.lowerBound + below(range.count) }
}

/// Makes random steps. How often each kind comes is drawn anew for each history, so that some are
/// full of reverts and others of snapshots.
struct StepMaker {
    private var random: SeededGenerator
    private let cellCount: Int
    private let cellsPerChunk: Int
    private var weights: [(kind: Kind, weight: Int)]

    private enum Kind: CaseIterable {
        case write, zero, flush, snapshot, setSnapshot, delete, collect, fold, revert, setRevert
        case merge, cancelMerge, pauseMerge, resumeMerge, openView, closeView, resize, reopen
        case makeClone, makeCloneOfClone, writeClone, flushClone, deleteClone, revertWith
        case promoteClone
    }

    init(random: SeededGenerator, cellCount: Int, cellsPerChunk: Int) {
        self.random = random
        self.cellCount = cellCount
        self.cellsPerChunk = cellsPerChunk
        weights = []
        for kind in Kind.allCases {
            let usual = Self.usualWeight(of: kind)
            weights.append((kind, usual * [1, 2, 4][self.random.below(3)]))
        }
    }

    private static func usualWeight(of kind: Kind) -> Int {
        switch kind {
        case .write: 30
        case .writeClone: 12
        case .snapshot, .merge: 8
        case .zero, .delete, .collect, .fold, .revert: 5
        case .flush, .reopen: 3
        case .revertWith: 4
        case .makeClone, .makeCloneOfClone, .flushClone, .deleteClone: 2
        case .promoteClone: 1
        case .setSnapshot, .setRevert, .cancelMerge, .resumeMerge, .openView, .closeView: 2
        case .pauseMerge, .resize: 1
        }
    }

    mutating func next() -> HistoryStep {
        var number = random.below(weights.reduce(0) { $0 + $1.weight })
        for (kind, weight) in weights {
            if number < weight { return step(kind) }
            number -= weight
        }
        return .flush
    }

    private mutating func step(_ kind: Kind) -> HistoryStep {
        let pick = random.below(1000)
        switch kind {
        case .write:
            let (cell, count) = cells()
            return .write(cell: cell, count: count, isForced: random.oneIn(8))
        case .zero:
            let (cell, count) = cells()
            return .zero(cell: cell, count: count, isForced: random.oneIn(8))
        case .flush: return .flush
        case .snapshot: return .snapshot
        case .setSnapshot: return .setSnapshot(isUndone: random.oneIn(2))
        case .delete: return .delete(pick: pick)
        case .collect: return .collect
        case .fold: return .fold(chunks: 1 + random.below(random.oneIn(2) ? 3 : 64))
        case .revert: return .revert(pick: pick, withSafety: !random.oneIn(3))
        case .setRevert: return .setRevert(pick: pick, isUndone: random.oneIn(2))
        case .merge: return .merge(chunks: 1 + random.below(random.oneIn(4) ? 64 : 4))
        case .cancelMerge: return .cancelMerge
        case .pauseMerge: return .pauseMerge
        case .resumeMerge: return .resumeMerge
        case .openView: return .openView(pick: pick)
        case .closeView: return .closeView(pick: pick)
        case .resize: return .resize(pick: pick)
        case .makeClone: return .makeClone(pick: pick)
        case .makeCloneOfClone:
            return .makeCloneOfClone(
                pick: pick, isReadOnly: random.oneIn(4), isLarger: random.oneIn(4))
        case .writeClone:
            let (cell, count) = cells()
            return .writeClone(
                pick: pick, cell: cell, count: count, isForced: random.oneIn(8),
                isZero: random.oneIn(5))
        case .flushClone: return .flushClone(pick: pick, isClosed: random.oneIn(2))
        case .deleteClone: return .deleteClone(pick: pick, isOpen: random.oneIn(4))
        case .promoteClone: return .promoteClone(pick: pick, isOpen: random.oneIn(4))
        case .revertWith:
            return .revertWith(
                pick: pick, withSafety: !random.oneIn(3), ends: random.oneIn(3),
                isUndone: random.oneIn(5))
        case .reopen: return .reopen(isClean: random.oneIn(2))
        }
    }

    /// One cell, about a chunk, exactly chunks, or a good part of the volume.
    private mutating func cells() -> (cell: Int, count: Int) {
        let first = random.below(cellCount)
        let kind = random.below(8)
        guard kind < 6 else {
            let aligned = first / cellsPerChunk * cellsPerChunk
            let count = (1 + random.below(3)) * cellsPerChunk
            return (aligned, min(count, cellCount - aligned))
        }
        let longest = [1, cellsPerChunk, 3 * cellsPerChunk, 3 * cellsPerChunk, 8, cellCount / 2][
            kind]
        let count = 1 + random.below(max(1, longest))
        return (first, min(count, cellCount - first))
    }
}
