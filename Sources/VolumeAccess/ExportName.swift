package import SnapshotModel

/// The name of an NBD export: `VOL` is a volume or a clone, `VOL@ID` or `VOL@NAME` one of its snapshots, `VOL@A..B` what
/// has changed between two of them.
package struct ExportName: Hashable, Sendable {
    /// The volume's name.
    package let volume: String
    /// The snapshot's id or name, or those of two; nil for the volume itself.
    package let snapshot: String?

    package init(volume: String, snapshot: SnapshotID? = nil) {
        self.volume = volume
        self.snapshot = snapshot?.description
    }

    /// Volume names contain no `@`, so that the first one divides.
    package init(_ text: String) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        volume = String(parts[0])
        snapshot = parts.count == 2 ? String(parts[1]) : nil
    }

    /// Which of a volume's snapshots is meant; an id wins over a name that looks like it.
    /// `.notFound` when none is, `.ambiguous` when the name is that of several.
    package static func resolve(
        _ reference: String, among snapshots: [SnapshotManifest]
    ) throws(Problem) -> SnapshotID {
        let live = snapshots.filter { !$0.isDeleted }
        if let match = live.first(where: { $0.id.description == reference }) { return match.id }
        let matches = live.filter { $0.name == reference }.map(\.id)
        guard let only = matches.first else {
            throw Problem(
                .notFound, "there is no snapshot \(reference)", hint: "see them all: \(.list())"
            )
        }
        guard matches.count == 1 else {
            throw Problem(
                .ambiguous, "\(matches.count) snapshots are called \(reference)",
                hint: "give the id: \(matches.map(\.description).joined(separator: ", "))")
        }
        return only
    }
}

extension ExportName: CustomStringConvertible {
    /// As clients write it: `VOLUME` or `VOLUME@ID`.
    package var description: String { snapshot.map { "\(volume)@\($0)" } ?? volume }
}
