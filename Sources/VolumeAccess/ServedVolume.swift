package import SnapshotModel

/// One volume that this server serves.
///
/// What a client asks for ends with `not_found` when a snapshot or clone is not there any more, `broken` when its
/// area was given up, `no_space`, and `io`.
package protocol ServedVolume: Sendable {
    var name: String { get }
    /// The store's folder.
    var storePath: String { get }

    /// Opens the volume itself for a client.
    func openVolume(readOnly: Bool) throws(Problem) -> any ExportContent

    /// The snapshots that clients may open: neither deleted nor broken, by their ordinals.
    func readableSnapshots() throws(Problem) -> [SnapshotManifest]

    /// One of the ``readableSnapshots()`` by its id; nil when it is none of them. Asked for each client
    /// that connects: a driver that can tell without reading all snapshots does.
    func readableSnapshot(_ id: SnapshotID) throws(Problem) -> SnapshotManifest?

    /// Opens one of the ``readableSnapshots()`` for a client.
    func openSnapshot(_ manifest: SnapshotManifest) throws(Problem) -> any ExportContent

    /// The bytes that may differ between two of the ``readableSnapshots()``, which both stay meanwhile: ascending, not
    /// touching each other, within the newer one.
    func changedRanges(_ pair: SnapshotPair) throws(Problem) -> [Range<Int>]

    /// The clones that clients may open, by their ordinals.
    func readableClones() throws(Problem) -> [CloneRecord]

    /// Opens one of the ``readableClones()`` for a client.
    func openClone(_ name: String, readOnly: Bool) throws(Problem) -> any ExportContent

    /// Clients that have the volume or a snapshot open, and for whom it would end with this server's
    /// part in it; nil when there are none.
    var clients: ClientPresence? { get }

    /// The server ends; the connections have ended by now.
    func stop()
}

extension ServedVolume {
    /// Refused, where nothing else is said.
    package func changedRanges(_ pair: SnapshotPair) throws(Problem) -> [Range<Int>] {
        throw Problem(
            .refused, "of this kind of volume it is not served what has changed between snapshots",
            hint: "ask for it by a command: \(.help(["changed"]))")
    }

    /// None, where nothing else is said.
    package func readableClones() throws(Problem) -> [CloneRecord] { [] }

    /// There is none, where nothing else is said.
    package func openClone(_ name: String, readOnly: Bool) throws(Problem) -> any ExportContent {
        throw Problem(.notFound, "there is no clone \(name)")
    }

    /// Searched for among all of them.
    package func readableSnapshot(_ id: SnapshotID) throws(Problem) -> SnapshotManifest? {
        try readableSnapshots().last { $0.id == id }
    }

    /// Opens what has changed between two snapshots for a client, who keeps both of them.
    package func openChanges(_ pair: SnapshotPair) throws(Problem) -> any ExportContent {
        var opened: [any ExportContent] = []
        do throws(Problem) {
            for manifest in [pair.older, pair.newer] { opened.append(try openSnapshot(manifest)) }
            let changed = try changedRanges(pair)
            return ChangesContent(
                older: opened[0], newer: opened[1], changed: changed,
                description: ExportDescription.changes(pair, of: name))
        } catch {
            for content in opened { content.close() }
            throw error
        }
    }

    /// Opens a snapshot by its id or name, or what has changed between two. `.notFound`, `.ambiguous`, `.broken` or
    /// `.usage` when it cannot be.
    package func openSnapshot(_ reference: String) throws(Problem) -> any ExportContent {
        if let number = Int64(reference), String(number) == reference,
            let manifest = try readableSnapshot(SnapshotID(rawValue: number))
        {
            return try openSnapshot(manifest)
        }
        let snapshots = try readableSnapshots()
        if let pair = try SnapshotPair(reference, among: snapshots) { return try openChanges(pair) }
        let id = try ExportName.resolve(reference, among: snapshots)
        guard let manifest = snapshots.first(where: { $0.id == id }) else {
            throw Problem(.notFound, "there is no snapshot \(reference)")
        }
        return try openSnapshot(manifest)
    }
}
