internal import SnapshotModel

/// A tree of files under one root, named by paths relative to it. What happens to names (creation,
/// renaming, removal) is durable only after ``syncFolder(_:)`` of the folder that holds them.
package protocol Folder: Sendable {
    /// The root, for messages.
    var path: String { get }

    /// Makes a new file of zeroes; it is an error when the name is taken.
    func createFile(_ name: String, byteCount: Int) throws(IOFailure) -> any BlockDevice
    func openFile(_ name: String, writable: Bool) throws(IOFailure) -> any BlockDevice

    /// The whole content of a small file; EFBIG when it is longer than the limit, in bytes.
    func readFile(_ name: String, limitBytes: Int) throws(IOFailure) -> [UInt8]

    /// Makes or overwrites a small file and syncs its content, not its name.
    func writeFile(_ name: String, _ bytes: [UInt8]) throws(IOFailure)
    func rename(_ name: String, to newName: String) throws(IOFailure)
    func removeFile(_ name: String) throws(IOFailure)

    func makeFolder(_ name: String) throws(IOFailure)
    /// Removes an empty folder.
    func removeFolder(_ name: String) throws(IOFailure)
    /// The names in a folder, in no order; `""` is the root.
    func list(_ name: String) throws(IOFailure) -> [String]
    /// Whether anything has a name. What cannot be found out is an error, never a no.
    func exists(_ name: String) throws(IOFailure) -> Bool
    /// Whether a name is a folder itself, and no link to one.
    func isFolder(_ name: String) throws(IOFailure) -> Bool
    func syncFolder(_ name: String) throws(IOFailure)

    /// The bytes that can still be written to the filesystem below.
    func freeBytes() throws(IOFailure) -> Int

    /// The same folder, for one look at much of what is in it, which may be cheaper. What is put in the
    /// place of another folder meanwhile need not be seen.
    func forOneLook() -> any Folder
}

extension Folder {
    package func forOneLook() -> any Folder { self }

    /// Replaces a small file so that a reader, also after a power cut, finds either all of the old
    /// or all of the new content: temporary file, sync, rename, sync of the folder.
    package func replaceFile(_ name: String, _ bytes: [UInt8]) throws(IOFailure) {
        let temporary = name + Self.temporarySuffix
        try writeFile(temporary, bytes)
        try rename(temporary, to: name)
        try syncFolder(PathHalves(name).parent ?? "")
    }

    /// The end of a temporary file's name; such files are left-overs when found at open.
    package static var temporarySuffix: String { ".new" }
}
