package import SnapshotModel

/// What the areas of a block hold together: for each chunk, the oldest of them that has it. It says
/// nothing that the areas do not.
package struct IndexMap: Equatable, Sendable {
    /// The block that it is of.
    package let block: IndexBlock
    /// The snapshot that came after them all: when it was taken, they were as they are for good.
    package let follower: IndexFollower
    /// The areas that it was made of, of which some may have been removed since, and their overlay.
    package let overlay: AreaOverlay

    package init(
        block: IndexBlock, members: [IndexMember], follower: IndexFollower, chunks: SourceMap
    ) {
        self.block = block
        self.follower = follower
        overlay = AreaOverlay(members: members, chunks: chunks)
    }

    /// The areas that it was made of, by ordinal.
    package var members: [IndexMember] { overlay.members }
    /// Their overlay.
    package var chunks: SourceMap { overlay.chunks }
    /// The area of an ordinal, if it is one of those that the map was made of.
    package func member(_ ordinal: SnapshotOrdinal) -> IndexMember? { overlay.member(ordinal) }

    /// How sure it is that a map was made of a chain's areas, and not of another's that has the same
    /// snapshots, but went on in another way from the last of them on.
    package enum Descent: Hashable, Sendable {
        /// The chain has what followed: an area that is something else now was altered.
        case certain
        /// What followed has gone. Of the last area that is left nobody can say whether it was altered or
        /// is another chain's; of those before it, the next one says it.
        case likely
        /// The chain has other snapshots than the map was made of.
        case foreign
    }

    /// How sure it is that the map was made of a chain's areas.
    ///
    /// - Parameters:
    ///   - present: all snapshots that the chain has within the block, by ordinal.
    ///   - next: the first that it has after the block; nil when there is none.
    package func descent(
        in present: some Sequence<SnapshotManifest>, next: SnapshotManifest?
    ) -> Descent {
        // Between the block and what followed it there was nothing, and nothing comes there later.
        guard covers(present), let next, next.ordinal >= follower.ordinal else { return .foreign }
        guard next.ordinal == follower.ordinal else { return .likely }
        return follower == IndexFollower(next) ? .certain : .foreign
    }

    /// Whether it may serve a chain with these snapshots, which are all that the chain has within the
    /// block: each is one that the map was made of. What is there no more does no harm: see
    /// docs/on-disk.md.
    package func covers(_ manifests: some Sequence<SnapshotManifest>) -> Bool {
        var rest = members[...]
        for manifest in manifests {
            rest = rest.drop { $0.ordinal < manifest.ordinal }
            guard let member = rest.popFirst(), member.isArea(of: manifest) else { return false }
        }
        return true
    }
}

/// The snapshot that came next after a block when its map was made, and by what it is told from any
/// other.
package struct IndexFollower: Hashable, Sendable {
    /// Not before the block's end.
    package let ordinal: SnapshotOrdinal
    /// Its own.
    package let id: SnapshotID
    /// When it was taken.
    package let takenAt: Timestamp

    package init(ordinal: SnapshotOrdinal, id: SnapshotID, takenAt: Timestamp) {
        self.ordinal = ordinal
        self.id = id
        self.takenAt = takenAt
    }

    package init(_ manifest: SnapshotManifest) {
        self.init(ordinal: manifest.ordinal, id: manifest.id, takenAt: manifest.takenAt)
    }
}

/// An area that a map of the index was made of, and by what it is told from any other.
package struct IndexMember: Hashable, Sendable {
    /// Its snapshot's.
    package let ordinal: SnapshotOrdinal
    /// The same.
    package let id: SnapshotID
    /// When the snapshot was taken.
    package let takenAt: Timestamp
    /// What the area held.
    package let digest: AreaDigest

    package init(
        ordinal: SnapshotOrdinal, id: SnapshotID, takenAt: Timestamp, digest: AreaDigest
    ) {
        self.ordinal = ordinal
        self.id = id
        self.takenAt = takenAt
        self.digest = digest
    }

    package init(_ manifest: SnapshotManifest, digest: AreaDigest) {
        self.init(
            ordinal: manifest.ordinal, id: manifest.id, takenAt: manifest.takenAt, digest: digest)
    }

    /// Whether it is the area of this snapshot, and not of another that had its ordinal.
    package func isArea(of manifest: SnapshotManifest) -> Bool {
        ordinal == manifest.ordinal && id == manifest.id && takenAt == manifest.takenAt
    }
}
