import System
import SnapshotModel

/// A volume, and what it and each of its snapshots must hold.
final class VolumeHistory {
    let rig: VolumeRig
    private(set) var live: DiskContent
    private(set) var snapshots: [(id: SnapshotID, content: DiskContent)] = []
    private var version: Int32 = 0

    static let blockBytes = 4096

    /// Of a volume that is zeroes.
    init(_ rig: VolumeRig, volumeBytes: Int) {
        self.rig = rig
        live = DiskContent(seed: 21, byteCount: volumeBytes, blockBytes: Self.blockBytes)
    }

    func content(of id: SnapshotID) throws -> DiskContent {
        try require(snapshots.first { $0.id == id }?.content, "snapshot \(id)")
    }

    /// Overwrites blocks in calls of so many at once.
    func write(_ blocks: Range<Int>, atOnce: Int = 16) throws {
        let device = try DirectDevice(path: rig.devicePath)
        for first in stride(from: blocks.lowerBound, to: blocks.upperBound, by: atOnce) {
            let part = first..<min(blocks.upperBound, first + atOnce)
            version += 1
            live.set(version, blocks: part)
            try live.write(part, to: device)
        }
        try device.sync()
    }

    @discardableResult
    func takeSnapshot() throws -> SnapshotID {
        let id = try rig.takeSnapshot()
        snapshots.append((id, live))
        return id
    }

    /// Reverts the volume, and remembers the safety snapshot.
    @discardableResult
    func revert(to id: SnapshotID, takingSafety: Bool = true) throws -> RevertOutcome {
        let content = try content(of: id)
        let outcome = try rig.revert(to: id, takingSafety: takingSafety)
        if let safety = outcome.safety { snapshots.append((safety.id, live)) }
        live = content
        return outcome
    }

    /// Remembers that the volume went back to a snapshot by a request of the case.
    func noteRevert(to id: SnapshotID, safety: SnapshotID?) throws {
        let content = try content(of: id)
        if let safety { snapshots.append((safety, live)) }
        live = content
    }

    func forget(_ ids: [SnapshotID]) { snapshots.removeAll { ids.contains($0.id) } }

    // MARK: Looking

    func expectVolume(fileID: StaticString = #fileID, line: Int = #line) throws {
        try live.expect(
            on: DirectDevice(path: rig.devicePath, isReadOnly: true), "the volume", fileID: fileID,
            line: line)
    }

    func expectSnapshot(
        _ id: SnapshotID, fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        let content = try content(of: id)
        try rig.withView(id) {
            try content.expect(
                on: DirectDevice(path: $0, isReadOnly: true), "snapshot \(id)", fileID: fileID,
                line: line)
        }
    }

    /// The volume and every snapshot.
    func expectAll(fileID: StaticString = #fileID, line: Int = #line) throws {
        try expectVolume(fileID: fileID, line: line)
        for (id, _) in snapshots { try expectSnapshot(id, fileID: fileID, line: line) }
    }

    /// The origin of an inactive volume.
    func expectOrigin(fileID: StaticString = #fileID, line: Int = #line) throws {
        let origin = try DirectDevice(path: rig.originPath, isReadOnly: true)
        try live.expect(
            on: FirstBytes(live.byteCount, of: origin), "the origin", fileID: fileID, line: line)
    }
}
