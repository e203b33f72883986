package import SnapshotModel

/// What some areas hold together, as maps of the index say it.
package struct AreaOverlay: Equatable, Sendable {
    /// The areas, by ordinal.
    package let members: [IndexMember]
    /// For each chunk, the oldest of them that has it; and of areas that are no members, which somebody
    /// has looked into.
    package let chunks: SourceMap
    private let confirmed = ConfirmedAreas()

    package init(members: [IndexMember], chunks: SourceMap) {
        self.members = members
        self.chunks = chunks
    }

    /// Whether both say the same, whatever was confirmed of either.
    package static func == (left: AreaOverlay, right: AreaOverlay) -> Bool {
        left.members == right.members && left.chunks == right.chunks
    }

    /// What an area is to an overlay that leads to it.
    package enum Agreement: Hashable, Sendable {
        /// What it was, and all is there that the overlay says is.
        case same
        /// Not what it was when the overlay was made of it.
        case altered
        /// What it was, but without what the overlay says.
        case misread
    }

    /// Compares one of the areas that the overlay was made of, of which `area` is all that it holds, with
    /// what the overlay says of it. When that is the same, ``isConfirmed(_:)`` is true from then on.
    package func confirm(_ ordinal: SnapshotOrdinal, _ area: ChunkMap) -> Agreement {
        guard member(ordinal)?.digest == AreaDigest(area) else { return .altered }
        for run in chunks.runs where run.ordinal == ordinal {
            guard area.has(run) else { return .misread }
        }
        confirmed.insert(ordinal)
        return .same
    }

    /// Whether an area was found to be what the overlay says of it, so that it need not be read again: it
    /// has frozen.
    package func isConfirmed(_ ordinal: SnapshotOrdinal) -> Bool { confirmed.contains(ordinal) }

    /// The area of an ordinal, if it is a member.
    package func member(_ ordinal: SnapshotOrdinal) -> IndexMember? {
        let index = members.lowestIndex { $0.ordinal >= ordinal }
        return index < members.count && members[index].ordinal == ordinal ? members[index] : nil
    }
}

extension ChunkMap {
    /// Whether the area has all chunks of a run where that says. Both are as long as they can be.
    fileprivate func has(_ run: SourceRun) -> Bool {
        let index = firstRun(endingAfter: run.origin)
        guard index < runs.count, runs[index].origin <= run.origin else { return false }
        let own = runs[index]
        return run.originRange.upperBound <= own.originRange.upperBound
            && own.area.advanced(by: own.origin.distance(to: run.origin)) == run.area
    }
}
