internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import Stream
internal import VolumeAccess

/// What a target answers when it is asked to compare: digests of one of its snapshots, which is held meanwhile.
final class MirrorDigestService {
    private let context: ManagerContext
    /// What was asked for last: who asks compares one snapshot.
    private var open: (uuid: String, session: TurnSession, digests: ViewDigests, bytes: Int)?
    private var hold: SendingHold?

    init(_ context: ManagerContext) { self.context = context }

    deinit { open?.session.close() }

    /// - Throws: `notFound` when there is no such snapshot.
    func digests(_ order: PeerOrder, of name: String) throws -> [String] {
        if open?.uuid != order.uuid { try begin(order, name) }
        guard let open else { throw context.noVolume(name) }
        try context.end.check()
        let (range, unit) = try ViewDigests.range(
            order.offset, order.length, unit: order.unit, in: open.bytes)
        return try open.digests.digests(of: range, unit: unit)
    }

    private func begin(_ order: PeerOrder, _ name: String) throws {
        open?.session.close()
        open = nil
        // Looked up and held while nobody deletes any.
        let (volume, manifest, uuid) = try Reconciler(context).withVolume(name) { volume in
            let (manifest, uuid) = try find(order, volume)
            hold = try SendingHolds(context).hold([manifest.id], of: name)
            return (volume, manifest, uuid)
        }
        let session = try TurnSession(context, volume)
        open = (
            uuid, session, ViewDigests(session, manifest.id, volumeBytes: manifest.volumeBytes),
            manifest.volumeBytes
        )
    }

    private func find(
        _ order: PeerOrder, _ volume: VolumeRow
    ) throws -> (SnapshotManifest, uuid: String) {
        let found = try context.reader(volume).state().readable.last {
            try SnapshotIdentity.uuid(of: $0, in: volume.record.uuid) == order.uuid
        }
        guard let manifest = found, let uuid = order.uuid else {
            throw Problem(
                .notFound,
                "volume \(volume.record.name) does not have the snapshot that is to be compared")
        }
        return (manifest, uuid)
    }
}
