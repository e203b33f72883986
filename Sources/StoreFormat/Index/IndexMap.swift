package import SnapshotModel

/// What the areas of a block hold together: for each chunk, the oldest of them that has it. It says
/// nothing that the areas do not.
package struct IndexMap: Hashable, Sendable {
    /// The block that it is of.
    package let block: IndexBlock
    /// The areas that it was made of, by ordinal; some may have been removed since.
    package let members: [IndexMember]
    /// Their overlay.
    package let chunks: SourceMap

    package init(block: IndexBlock, members: [IndexMember], chunks: SourceMap) {
        self.block = block
        self.members = members
        self.chunks = chunks
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

    /// The area of an ordinal, if it is one of those that the map was made of.
    package func member(_ ordinal: SnapshotOrdinal) -> IndexMember? {
        let index = members.lowestIndex { $0.ordinal >= ordinal }
        return index < members.count && members[index].ordinal == ordinal ? members[index] : nil
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
