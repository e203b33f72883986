package import SnapshotModel

/// One volume that this server serves.
package protocol ServedVolume: Sendable {
    var name: String { get }
    /// The store's folder.
    var storePath: String { get }

    /// Opens the volume itself for a client.
    func openVolume(readOnly: Bool) throws(Problem) -> any ExportContent

    /// Opens one of the ``readableSnapshots()`` for a client.
    func openSnapshot(_ manifest: SnapshotManifest) throws(Problem) -> any ExportContent

    /// Clients that have the volume or a snapshot open, and for whom it would end with this server's
    /// part in it; nil when there are none.
    var clients: ClientPresence? { get }

    /// The server ends; the connections have ended by now.
    func stop()
}
