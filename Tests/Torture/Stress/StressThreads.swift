import System
import Glibc
import MergeKit
import SnapshotModel
import TestKit

/// What each thread of a stress does.
extension StressRun {
    /// The number of threads that ``work(_:)`` has something to do for.
    var threadCount: Int { layout.ownerCount + layout.rivalCount + 6 }

    func work(_ thread: Int) {
        let random = SeededGenerator(seed: layout.seed).forked(UInt64(thread))
        switch thread - layout.ownerCount - layout.rivalCount {
        case ..<(-layout.rivalCount): own(thread, random)
        case ..<0: rival(random)
        case 0: takeSnapshots(random)
        case 1: merge(random)
        case 2: deleteAndCollect(random)
        case 3: revert(random)
        case 4: extendIndex()
        default: readSnapshots(random)
        }
    }

    private func pause(milliseconds: Int) { usleep(UInt32(milliseconds) * 1000) }

    private func write(_ cells: Range<Int>, _ version: ChunkPattern.Version, isForced: Bool) throws
    {
        let bytes = layout.pattern.bytes(version: version, cells: cells)
        try engine.write(
            bytes.span.bytes, at: cells.lowerBound * layout.cellBytes, forceUnitAccess: isForced)
        count("writes")
    }

    /// Writes version after version over a region, and reads it again now and then.
    private func own(_ owner: Int, _ generator: SeededGenerator) {
        var random = generator
        var version = newVersion()
        var block = 0
        var lastEpoch = epoch
        `repeat`("owner \(owner)") {
            try reverting.shared {
                if epoch != lastEpoch || block == layout.blocksPerRegion {
                    (lastEpoch, block, version) = (epoch, 0, newVersion())
                }
                let cells = layout.cells(ofBlock: block, owner: owner)
                try write(cells, version, isForced: random.oneIn(64))
                block += 1
                if random.oneIn(64) { try checkRegion(owner, version, writtenBlocks: block) }
                if random.oneIn(128) { try engine.flush() }
            }
        }
    }

    private func checkRegion(
        _ owner: Int, _ version: ChunkPattern.Version, writtenBlocks: Int
    ) throws {
        let found = try cells(layout.cells(ofOwner: owner))
        let written = found[..<(writtenBlocks * layout.blockCells)]
        if let wrong = written.firstIndex(where: { $0 != version }) {
            throw TortureFailure("cell \(wrong) of the region is \(found[wrong]), not \(version)")
        }
    }

    /// Writes and trims where others do too, also while reverts run.
    private func rival(_ generator: SeededGenerator) {
        var random = generator
        let cells = layout.rivalCells
        `repeat`("rival") {
            let first = cells.lowerBound + random.below(cells.count)
            let part = first..<min(first + 1 + random.below(24), cells.upperBound)
            if random.oneIn(6) {
                let size = layout.cellBytes
                try engine.zero(part.lowerBound * size..<part.upperBound * size)
                count("trims")
            } else {
                try write(part, newVersion(), isForced: false)
            }
        }
    }

    private func takeSnapshots(_ generator: SeededGenerator) {
        var random = generator
        `repeat`("snapshots") {
            let id = SnapshotID(rawValue: newID())
            let request = SnapshotRequest(id: id, description: SnapshotDescription())
            if random.oneIn(4) {
                let barrier = engine.beginBarrier()
                defer { barrier.releaseIO() }
                try barrier.prepareSnapshot(request)
                try barrier.holdIO()
                _ = try barrier.commit()
                if random.oneIn(4) {
                    try barrier.rollBack()
                    count("snapshots rolled back")
                    return
                }
            } else {
                _ = try engine.takeSnapshot(request)
            }
            note(id)
            count("snapshots")
            pause(milliseconds: random.below(30))
        }
    }

    private func merge(_ generator: SeededGenerator) {
        var random = generator
        `repeat`("merge") {
            switch try engine.mergeStep(byteLimit: layout.chunkBytes * (1 + random.below(16))) {
            case .idle: pause(milliseconds: 1)
            case .progressed: count("merge steps")
            case .finished: count("merges")
            }
        }
    }

    private func deleteAndCollect(_ generator: SeededGenerator) {
        var random = generator
        `repeat`("delete") {
            let ids = snapshotIDs
            if ids.count > 8 {
                let id = ids[random.below(ids.count)]
                // Forgotten first: once it is gone, a reader need not find it.
                forget(id)
                if try permits({ _ = try engine.delete([id]) }) {
                    count("deletes")
                } else {
                    note(id)
                }
            }
            if random.oneIn(4) {
                _ = try engine.collect()
                count("collections")
            }
            pause(milliseconds: 1 + random.below(10))
        }
    }

    private func extendIndex() {
        `repeat`("index") {
            if engine.extendIndex() {
                count("index maps")
            } else if try engine.sealStep(byteLimit: 1 << 20) {
                count("steps of seals")
            } else {
                pause(milliseconds: 1)
            }
        }
    }

    private func revert(_ generator: SeededGenerator) {
        var random = generator
        `repeat`("revert") {
            pause(milliseconds: 50 + random.below(200))
            let ids = snapshotIDs
            guard !ids.isEmpty else { return }
            let target = ids[random.below(ids.count)]
            try reverting.alone { try revert(to: target, withSafety: !random.oneIn(4)) }
        }
    }

    /// With the owners held, what is read after the revert must be the snapshot's.
    private func revert(to target: SnapshotID, withSafety: Bool) throws {
        var opened: SnapshotView?
        guard try permits({ opened = try engine.openView(of: target) }), let view = opened else {
            return
        }
        let expected = try cells(of: view)
        view.close()
        let safety = withSafety ? SnapshotID(rawValue: newID()) : nil
        let request = RevertRequest(
            id: RevertID(rawValue: newID()), target: target,
            safety: safety.map {
                SnapshotRequest(id: $0, description: SnapshotDescription(kind: .safety))
            })
        guard try permits({ _ = try engine.revert(request) }) else { return }
        beginEpoch()
        if let safety { note(safety) }
        count("reverts")
        for owner in 0..<layout.ownerCount {
            let range = layout.cells(ofOwner: owner)
            guard try cells(range) == Array(expected[range]) else {
                throw TortureFailure("the volume is not what snapshot \(target) was")
            }
        }
    }

    private func readSnapshots(_ generator: SeededGenerator) {
        var random = generator
        `repeat`("reader") {
            let ids = snapshotIDs
            guard !ids.isEmpty else {
                pause(milliseconds: 1)
                return
            }
            try checkSnapshot(ids[random.below(ids.count)])
        }
    }
}
