internal import System
package import SnapshotModel

/// A volume of a driver whose snapshots are not areas: each is a whole copy, in memory.
package final class MemoryVolume: Sendable {
    private let state: Monitored<State>

    struct Snapshot {
        var manifest: SnapshotManifest
        var content: [UInt8]
    }

    struct State {
        var record: VolumeRecord
        var content: [UInt8]
        var snapshots: [Snapshot] = []
        var isHeld = false
        var holdCount = 0
        var isServed = false
        var letGo: @Sendable () -> Void = {}
        var writers = 0
    }

    package init(_ record: VolumeRecord) {
        let content = [UInt8](repeating: 0, count: record.geometry.volumeBytes)
        state = Monitored(State(record: record, content: content))
    }

    func look<Value>(_ body: (inout State) -> Value) -> Value { state.change(body) }

    func change<Value>(
        _ body: (inout State) throws(Problem) -> Value
    ) throws(Problem) -> Value {
        try state.change(body)
    }

    /// Writes once nothing holds the volume.
    func write(_ bytes: [UInt8], at offset: Int) {
        let _: Bool? = state.wait { state in
            guard !state.isHeld else { return nil }
            state.content.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            return true
        }
    }
}

extension MemoryVolume.State {
    func live(_ id: SnapshotID) throws(Problem) -> MemoryVolume.Snapshot {
        guard let found = snapshots.first(where: { $0.manifest.id == id }) else {
            throw Problem(
                .notFound, "there is no snapshot \(id) of volume \(record.name)",
                hint: "see them all: \(.list())")
        }
        return found
    }

    mutating func take(_ request: SnapshotRequest, at time: Timestamp) -> SnapshotManifest {
        let manifest = SnapshotManifest(
            ordinal: snapshots.last?.manifest.ordinal.next ?? SnapshotOrdinal(rawValue: 1),
            id: request.id, volumeBytes: content.count, takenAt: time,
            description: request.description)
        snapshots.append(MemoryVolume.Snapshot(manifest: manifest, content: content))
        return manifest
    }

    mutating func revert(
        _ request: RevertRequest, at time: Timestamp
    ) throws(Problem)
        -> RevertOutcome
    {
        let target = try live(request.target)
        let safety = request.safety.map { take($0, at: time) }
        content.replaceSubrange(0..<min(content.count, target.content.count), with: target.content)
        return RevertOutcome(
            id: request.id, target: request.target, safety: safety,
            planBytes: target.content.count, usableAfterNanoseconds: 0, state: .done)
    }
}
