package import SnapshotModel
package import System

/// A filesystem in a snapshot. What it says is somebody else's, and may be meant
/// to harm: a reader bounds what it takes from it. One thread uses it at a time.
package protocol SnapshotFileSystem: AnyObject {
    /// What it is called: `ext4`.
    var kind: String { get }
    /// What people should know of what they see.
    var notes: [String] { get }
    /// Whether its files may have extended attributes, and access lists.
    var hasAttributes: Bool { get }
    /// The root folder's number.
    var root: UInt32 { get }
    /// About how much memory it takes, in bytes.
    var heldBytes: Int { get }

    func node(_ number: UInt32) throws(Problem) -> FileNode

    /// A folder's names in no order, without `.` and `..`.
    func entries(of folder: UInt32) throws(Problem) -> [FolderEntry]

    /// The same in little memory.
    ///
    /// - Throws: `no_space` when they would take more than `limitBytes`.
    func names(of folder: UInt32, limitBytes: Int) throws(Problem) -> PackedNames

    /// The number that has a name in a folder; nil when nothing has it.
    func number(of name: FileName, in folder: UInt32) throws(Problem) -> UInt32?

    /// Where a file's content lies: ascending, within the file; what lies between is zeroes.
    func stretches(of node: FileNode) throws(Problem) -> [FileStretch]

    /// The first bytes of a small file or a link's target, `limit` at most.
    func head(of node: FileNode, limit: Int) throws(Problem) -> [UInt8]

    func attributes(of node: FileNode) throws(Problem) -> [NodeMetadata.Attribute]

    /// What it reads by.
    var bytes: WindowedBytes { get }

    /// Where on the volume lies what ``node(_:)`` says of a number; nil when it cannot be told.
    func place(of number: UInt32) -> Range<Int>?

    /// Whether something of a range is not what lies there, but what a journal has for it.
    func isMoved(_ range: Range<Int>) -> Bool

    /// Reads some of a stretch of a file.
    ///
    /// - Parameter offset: as the stretch has it.
    func readContent(
        of number: UInt32, into buffer: inout MutableRawSpan, at offset: Int) throws(Problem)
}

extension SnapshotFileSystem {
    package var hasAttributes: Bool { true }
}
