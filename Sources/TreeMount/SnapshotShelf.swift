package import FileSystems
package import SnapshotModel
package import System

/// A snapshot that has a folder in the tree.
package struct SnapshotFolder: Hashable, Sendable {
    package var id: SnapshotID
    /// Without slashes and control characters; no two have the same.
    package var name: String
    package var takenAt: NodeMetadata.Time

    package init(id: SnapshotID, name: String, takenAt: NodeMetadata.Time) {
        self.id = id
        self.name = name
        self.takenAt = takenAt
    }
}

/// Where a tree has its snapshots from. One thread uses it.
package protocol SnapshotShelf: AnyObject {
    /// Those that are there now.
    func folders() throws(Problem) -> [SnapshotFolder]

    /// Opens what a snapshot holds.
    ///
    /// - Throws: `not_found` when it is not there any more, `refused` for what is no ext4.
    func open(_ id: SnapshotID) throws(Problem) -> any SnapshotFileSystem

    /// Nobody asks for anything at the moment: lets go of what is open.
    func rest()
}
