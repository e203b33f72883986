import System
import SnapshotModel
import TestKit
import VolumeAccess

/// What a volume and its snapshots must hold, and what one change that was cut short may have made
/// of them.
struct ExpectedVolume: Equatable {
    /// A change that may have been made wholly or not at all.
    enum Change: Equatable {
        case write(Range<Int>, version: ChunkPattern.Version)
        case snapshot(SnapshotID)
        case revert(SnapshotID, safety: SnapshotID?)
        /// Of the snapshots each may be gone or not.
        case delete([SnapshotID])
        case resize(bytes: Int)
        case clone(CloneChange)
    }

    /// What users have written and what was acknowledged.
    var live: DiskContent
    var snapshots: [SnapshotID: DiskContent] = [:]
    var clones = ExpectedClones()
    var pending: Change?
    /// The target of the newest revert: while its merge runs it is not deleted.
    var target: SnapshotID?
    private(set) var version: ChunkPattern.Version = 0
    private(set) var nextSnapshot: Int64 = 1
    private(set) var nextRevert: Int64 = 1

    /// A volume of zeroes.
    init(seed: UInt64, byteCount: Int) {
        live = DiskContent(seed: seed, byteCount: byteCount, blockBytes: Self.blockBytes)
    }

    init(
        live: DiskContent, snapshots: [SnapshotID: DiskContent], clones: ExpectedClones,
        pending: Change?, target: SnapshotID?, version: ChunkPattern.Version, nextSnapshot: Int64,
        nextRevert: Int64
    ) {
        self.live = live
        self.snapshots = snapshots
        self.clones = clones
        self.pending = pending
        self.target = target
        self.version = version
        self.nextSnapshot = nextSnapshot
        self.nextRevert = nextRevert
    }

    static let blockBytes = 4096

    // MARK: Numbers

    /// The snapshots to which a revert is not refused.
    var idsOfVolumeSize: [SnapshotID] {
        snapshots.filter { $0.value.byteCount == live.byteCount }.map(\.key).sorted()
    }

    mutating func takeSnapshotID() -> SnapshotID {
        defer { nextSnapshot += 1 }
        return SnapshotID(rawValue: nextSnapshot)
    }

    mutating func takeRevertID() -> RevertID {
        defer { nextRevert += 1 }
        return RevertID(rawValue: nextRevert)
    }

    mutating func takeVersion() -> ChunkPattern.Version {
        version += 1
        return version
    }

    /// Takes over what another process has written since.
    mutating func adopt(_ content: DiskContent, version: ChunkPattern.Version) {
        live = content
        self.version = max(self.version, version)
    }

    // MARK: Changes that are not cut short

    /// What a change makes of the volume.
    mutating func apply(_ change: Change) throws {
        switch change {
        case .write(let blocks, let version): live.set(version, blocks: blocks)
        case .snapshot(let id): snapshots[id] = live
        case .revert(let target, let safety):
            if let safety { snapshots[safety] = live }
            live = try require(snapshots[target], "snapshot \(target)")
            self.target = target
        case .delete(let ids): for id in ids { snapshots[id] = nil }
        case .resize(let bytes): live = live.grown(to: bytes)
        case .clone(let change): try apply(change)
        }
    }

    // MARK: Looking

    /// Ends the case unless the volume and all its snapshots are as they must be.
    mutating func check(_ rig: DriverRig) throws {
        try rig.withDevice { try live.expect(on: $0, "the volume") }
        try expectEqual(try Self.ids(rig), snapshots.keys.sorted(), "snapshots")
        for (id, content) in snapshots.sorted(by: { $0.key < $1.key }) {
            try rig.withView(id) { try content.expect(on: $0, "snapshot \(id)") }
        }
        try checkClones(rig)
    }

    static func ids(_ rig: DriverRig) throws -> [SnapshotID] {
        guard case .status(let status) = try rig.perform(.status) else { return [] }
        return status.snapshots.map(\.manifest).filter { !$0.isDeleted }.map(\.id).sorted()
    }

    /// Finds out what became of the change that was cut short. Whether it was made.
    ///
    /// - Parameter writes: what was written meanwhile, by another process that has ended.
    mutating func resolve(_ rig: DriverRig, writes: WriterHistory? = nil) throws -> Bool {
        let change = pending
        pending = nil
        let found = Set(try Self.ids(rig))
        switch change {
        case .write(let blocks, let version): return try resolveWrite(blocks, version, rig)
        case .snapshot(let id):
            guard found.contains(id) else { return false }
            snapshots[id] = try rig.withView(id) { device in
                try writes?.contentOfSnapshot(device) ?? live
            }
            return true
        case .delete(let ids):
            for id in ids where !found.contains(id) { snapshots[id] = nil }
            return ids.allSatisfy { !found.contains($0) }
        case .revert(let target, let safety):
            return try resolveRevert(to: target, safety, isTaken: safety.map(found.contains), rig)
        case .resize(let bytes):
            guard try rig.withDevice({ try $0.byteCount() }) == bytes else { return false }
            try apply(.resize(bytes: bytes))
            return true
        case .clone(let change): return try resolve(change, rig, found)
        case nil: return false
        }
    }

    private mutating func resolveRevert(
        to target: SnapshotID, _ safety: SnapshotID?, isTaken: Bool?, _ rig: DriverRig
    ) throws -> Bool {
        let after = try require(snapshots[target], "snapshot \(target)")
        return try resolveRevert(to: target, as: after, safety, isTaken: isTaken, rig)
    }

    /// - Parameter after: what the volume reads as when it was reverted.
    mutating func resolveRevert(
        to target: SnapshotID, as after: DiskContent, _ safety: SnapshotID?, isTaken: Bool?,
        _ rig: DriverRig
    ) throws -> Bool {
        let before = live
        do {
            try rig.withDevice { try after.expect(on: $0, "the volume") }
        } catch let notAfter {
            do { try rig.withDevice { try before.expect(on: $0, "the volume") } } catch {
                try expect(
                    false, "neither as before the revert (\(error)) nor as after it (\(notAfter))")
            }
            if let safety, isTaken ?? false { snapshots[safety] = before }
            return false
        }
        try expect(
            isTaken ?? true || after == before, "it was reverted, and its safety snapshot is lost")
        live = after
        if let safety, isTaken ?? false { snapshots[safety] = before }
        self.target = target
        return true
    }

    /// Of a write that was cut short each sector may be old or new; then they are written again.
    private mutating func resolveWrite(
        _ blocks: Range<Int>, _ version: ChunkPattern.Version, _ rig: DriverRig
    ) throws -> Bool {
        let old = live
        live = try rig.withDevice { try old.rewritten(blocks, version, on: $0) }
        return true
    }
}

extension DiskContent {
    /// What a device holds when a write that was cut short is made again. Each of its sectors must be old or new.
    func rewritten(
        _ blocks: Range<Int>, _ version: ChunkPattern.Version, on device: DirectDevice
    ) throws -> DiskContent {
        let perBlock = blockBytes / 512
        for (index, sector) in try sectorVersions(of: blocks, on: device).enumerated() {
            let block = blocks.lowerBound + index / perBlock
            try GuestTests.expect(
                sector == version || sector == versions[block],
                "block \(block) holds version \(sector), neither \(versions[block]) nor \(version)")
        }
        var content = self
        content.set(version, blocks: blocks)
        try content.write(blocks, to: device)
        try device.sync()
        return content
    }

    /// The same with zeroes behind it.
    func grown(to byteCount: Int) -> DiskContent {
        var content = DiskContent(seed: seed, byteCount: byteCount, blockBytes: blockBytes)
        for (block, version) in versions.enumerated() {
            content.set(version, blocks: block..<block + 1)
        }
        return content
    }

    /// The version that each sector of some whole blocks has on a device.
    func sectorVersions(
        of blocks: Range<Int>, on device: some BlockDevice
    ) throws -> [ChunkPattern.Version] {
        let range = range(of: blocks)
        var buffer = AlignedBuffer(count: range.count)
        var bytes = buffer.mutableBytes
        try device.read(into: &bytes, at: range.lowerBound)
        let pattern = ChunkPattern(seed: seed, cellBytes: 512)
        return buffer.bytes.withUnsafeBytes {
            pattern.versions(of: $0, firstCell: range.lowerBound / 512)
        }
    }
}
