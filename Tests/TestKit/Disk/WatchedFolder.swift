package import System

/// A folder that tells of what it is asked for before it answers, so that a test can have something happen
/// at just that moment.
package struct WatchedFolder: Folder {
    package enum Access: Sendable { case looksUp, opens, reads, lists }

    private let base: any Folder
    private let onAccess: @Sendable (Access, String) -> Void

    package init(_ base: any Folder, onAccess: @escaping @Sendable (Access, String) -> Void) {
        self.base = base
        self.onAccess = onAccess
    }

    package var path: String { base.path }

    package func exists(_ name: String) throws(IOFailure) -> Bool {
        onAccess(.looksUp, name)
        return try base.exists(name)
    }

    package func openFile(_ name: String, writable: Bool) throws(IOFailure) -> any BlockDevice {
        onAccess(.opens, name)
        return try base.openFile(name, writable: writable)
    }

    package func readFile(_ name: String, limitBytes: Int) throws(IOFailure) -> [UInt8] {
        onAccess(.reads, name)
        return try base.readFile(name, limitBytes: limitBytes)
    }

    package func list(_ name: String) throws(IOFailure) -> [String] {
        onAccess(.lists, name)
        return try base.list(name)
    }
}

// What nobody is told of.
extension WatchedFolder {
    package func createFile(
        _ name: String, byteCount: Int
    ) throws(IOFailure) -> any BlockDevice {
        try base.createFile(name, byteCount: byteCount)
    }
    package func writeFile(_ name: String, _ bytes: [UInt8]) throws(IOFailure) {
        try base.writeFile(name, bytes)
    }
    package func rename(_ name: String, to newName: String) throws(IOFailure) {
        try base.rename(name, to: newName)
    }
    package func removeFile(_ name: String) throws(IOFailure) { try base.removeFile(name) }
    package func makeFolder(_ name: String) throws(IOFailure) { try base.makeFolder(name) }
    package func removeFolder(_ name: String) throws(IOFailure) { try base.removeFolder(name) }
    package func isFolder(_ name: String) throws(IOFailure) -> Bool { try base.isFolder(name) }
    package func syncFolder(_ name: String) throws(IOFailure) { try base.syncFolder(name) }
    package func freeBytes() throws(IOFailure) -> Int { try base.freeBytes() }
}
