import System
import MergeKit
import SnapshotModel
import TestKit

/// Reads whole volumes and snapshots and says which writes their bytes come from.
final class EngineReader {
    private let pattern: ChunkPattern
    private var random: SeededGenerator

    init(pattern: ChunkPattern, random: SeededGenerator) {
        self.pattern = pattern
        self.random = random
    }

    /// The volume and all its live snapshots.
    func observe(_ engine: LiveEngine) throws -> Observation {
        var snapshots: [SnapshotID: [ChunkPattern.Version]] = [:]
        for status in engine.snapshots() where !status.manifest.isDeleted {
            let id = status.manifest.id
            guard snapshots[id] == nil else {
                throw TortureFailure("snapshot \(id) is there twice")
            }
            snapshots[id] = try cells(ofSnapshot: id, in: engine)
        }
        return Observation(
            cells: try cells(of: engine), snapshots: snapshots, clones: try clones(of: engine))
    }

    private func clones(of engine: LiveEngine) throws -> [String: ObservedClone] {
        var clones: [String: ObservedClone] = [:]
        for record in engine.readableClones {
            guard clones[record.name] == nil else {
                throw TortureFailure("clone \(record.name) is there twice")
            }
            let open = try engine.openClone(record.name)
            defer { open.close() }
            let cells = try cells(byteCount: open.clone.byteCount) {
                try open.clone.read(into: &$0, at: $1)
            }
            clones[record.name] = ObservedClone(snapshot: record.snapshotID, cells: cells)
        }
        return clones
    }

    func cells(of engine: LiveEngine) throws -> [ChunkPattern.Version] {
        try cells(byteCount: engine.geometry.volumeBytes) { try engine.read(into: &$0, at: $1) }
    }

    func cells(
        ofSnapshot id: SnapshotID, in engine: LiveEngine
    ) throws -> [ChunkPattern.Version] {
        let view = try engine.openView(of: id)
        defer { view.close() }
        return try cells(of: view)
    }

    func cells(of device: any BlockDevice) throws -> [ChunkPattern.Version] {
        try cells(byteCount: device.byteCount()) { try device.read(into: &$0, at: $1) }
    }

    func cells(of view: SnapshotView) throws -> [ChunkPattern.Version] {
        try cells(byteCount: view.byteCount) { try view.read(into: &$0, at: $1) }
    }

    private func cells(
        byteCount: Int, read: (inout MutableRawSpan, Int) throws -> Void
    ) throws -> [ChunkPattern.Version] {
        var buffer = AlignedBuffer(count: byteCount)
        // Mostly in one piece, which is quick; now and then in pieces that are aligned to nothing.
        let longest = random.oneIn(8) ? max(64, byteCount / 5) : byteCount
        var offset = 0
        while offset < byteCount {
            let rest = byteCount - offset
            let count = longest < byteCount ? min(rest, 1 + random.below(longest)) : rest
            var bytes = buffer.mutableBytes(in: offset..<offset + count)
            try read(&bytes, offset)
            offset += count
        }
        return buffer.bytes(in: 0..<byteCount).withUnsafeBytes {
            pattern.versions(of: $0, firstCell: 0)
        }
    }

    // MARK: extents

    /// Walks the extents of a content that is known, and throws when they leave bytes out or call
    /// a hole what is not zero.
    func checkExtents(
        byteCount: Int, content: [ChunkPattern.Version], what: String,
        extents: (Range<Int>, Int) throws -> [Extent]
    ) throws {
        guard byteCount > 0 else { return }
        var offset = random.oneIn(2) ? 0 : random.below(byteCount)
        while offset < byteCount {
            let end = random.oneIn(2) ? byteCount : offset + 1 + random.below(byteCount - offset)
            let limit = 1 + random.below(4)
            let found = try extents(offset..<end, limit)
            guard !found.isEmpty, found.count <= limit else {
                throw TortureFailure("\(what): \(found.count) extents, limit \(limit)")
            }
            for extent in found {
                guard extent.range.lowerBound == offset, !extent.range.isEmpty else {
                    throw TortureFailure("\(what): extent \(extent.range), expected from \(offset)")
                }
                try checkHole(extent, content, what)
                offset = extent.range.upperBound
            }
            guard offset <= byteCount else {
                throw TortureFailure("\(what): extents reach \(offset), beyond \(byteCount)")
            }
        }
    }

    private func checkHole(
        _ extent: Extent, _ content: [ChunkPattern.Version], _ what: String
    ) throws {
        guard extent.isHole else { return }
        let size = pattern.cellBytes
        let cells = extent.range.lowerBound / size..<(extent.range.upperBound + size - 1) / size
        for cell in cells.clamped(to: 0..<content.count) where content[cell] != 0 {
            throw TortureFailure("\(what): a hole at \(extent.range), but cell \(cell) is not zero")
        }
    }
}
