package import SnapshotModel

/// What the stores know: the content of a catalog that is made anew.
package struct RebuiltCatalog: Sendable {
    /// A volume with what its store holds.
    package struct Volume: Sendable {
        package var row: VolumeRow
        /// In any order; those with the deleted mark land in the phase `deleting`.
        package var manifests: [SnapshotManifest]
        package var chunkMaps: [SnapshotOrdinal: ChunkMap]
        /// Their volume's name is taken from `row`.
        package var reverts: [RevertRow]
        /// The snapshots up to this ordinal are broken; nil is none.
        package var brokenUpTo: SnapshotOrdinal?
        package var clones: [CloneRecord]

        package init(
            row: VolumeRow, manifests: [SnapshotManifest] = [],
            chunkMaps: [SnapshotOrdinal: ChunkMap] = [:], reverts: [RevertRow] = [],
            brokenUpTo: SnapshotOrdinal? = nil, clones: [CloneRecord] = []
        ) {
            self.clones = clones
            self.row = row
            self.manifests = manifests
            self.chunkMaps = chunkMaps
            self.reverts = reverts
            self.brokenUpTo = brokenUpTo
        }
    }

    package var volumes: [Volume]
    /// Ids up to these are never given out again. What the volumes and manifests say of themselves
    /// is counted too.
    package var idFloor: IDFloor

    package init(volumes: [Volume], idFloor: IDFloor = IDFloor()) {
        self.volumes = volumes
        self.idFloor = idFloor
    }

    /// The highest ids that any part of it has or speaks of.
    var highestIDs: IDFloor {
        volumes.reduce(idFloor) { floor, volume in
            let recorded = volume.manifests.reduce(floor.merged(with: volume.row.record.idFloor)) {
                $0.merged(with: $1.idFloor).merged(with: $1.ids)
            }
            return volume.reverts.reduce(recorded) {
                $0.merged(
                    with: IDFloor(
                        snapshot: max($1.snapshot, $1.safetySnapshot ?? $1.snapshot),
                        revert: $1.id))
            }
        }
    }
}

extension RebuiltCatalog.Volume {
    /// Why what a store says is not taken over, although its records are whole; nil when it can be.
    package var refusal: String? {
        let ids = RebuiltCatalog(volumes: [self]).highestIDs
        let numbers = [ids.snapshot.rawValue, ids.set.rawValue, ids.revert.rawValue]
        let ordinals = manifests.map { Int64($0.ordinal.rawValue) }
        let isFar = !(numbers + ordinals).allSatisfy(IdentityBounds.adoptable.contains)
        return isFar ? "its identities are so high that none would be left after them" : nil
    }
}

extension SnapshotManifest {
    fileprivate var ids: IDFloor {
        IDFloor(
            snapshot: id, set: setID ?? SetID(rawValue: 0),
            revert: revertID ?? RevertID(rawValue: 0))
    }
}
