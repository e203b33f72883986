package import System
internal import Glibc
internal import Synchronization

/// A tree of files in memory.
package final class MemoryFolder: Folder {
    package let path = "memory"
    private let files = Mutex<[String: MemoryDevice]>([:])
    private let folders = Mutex<Set<String>>([""])

    package init() {}

    /// A tree with the same content, which can be changed for itself.
    package func copy() -> MemoryFolder {
        let other = MemoryFolder()
        let names = folders.withLock { $0 }
        other.folders.withLock { $0 = names }
        for (name, device) in files.withLock({ $0 }) { other[name] = device.bytes }
        return other
    }

    /// The content of a file; nil when there is none.
    package subscript(name: String) -> [UInt8]? {
        get { files.withLock { $0[name] }?.bytes }
        set {
            let device = newValue.map { MemoryDevice(path: name, $0) }
            files.withLock { $0[name] = device }
        }
    }

    package func createFile(_ name: String, byteCount: Int) throws(IOFailure) -> any BlockDevice {
        guard !exists(name) else { throw IOFailure("create", path: name, code: EEXIST) }
        guard byteCount <= MemoryDevice.byteLimit else {
            throw IOFailure("create", path: name, code: ENOSPC)
        }
        self[name] = Array(repeating: 0, count: byteCount)
        return try openFile(name, writable: true)
    }

    package func openFile(_ name: String, writable: Bool) throws(IOFailure) -> any BlockDevice {
        guard let device = files.withLock({ $0[name] }) else {
            throw IOFailure("open", path: name, code: ENOENT)
        }
        return device
    }

    package func readFile(_ name: String, limitBytes: Int) throws(IOFailure) -> [UInt8] {
        guard let bytes = self[name] else { throw IOFailure("read", path: name, code: ENOENT) }
        guard bytes.count <= limitBytes else { throw IOFailure("read", path: name, code: EFBIG) }
        return bytes
    }

    package func writeFile(_ name: String, _ bytes: [UInt8]) throws(IOFailure) {
        self[name] = bytes
    }

    package func rename(_ name: String, to newName: String) throws(IOFailure) {
        self[newName] = try readFile(name, limitBytes: .max)
        self[name] = nil
    }

    package func removeFile(_ name: String) throws(IOFailure) { self[name] = nil }

    package func makeFolder(_ name: String) throws(IOFailure) {
        folders.withLock { _ = $0.insert(name) }
    }

    package func removeFolder(_ name: String) throws(IOFailure) {
        folders.withLock { _ = $0.remove(name) }
    }

    package func list(_ name: String) throws(IOFailure) -> [String] {
        let prefix = name.isEmpty ? "" : name + "/"
        let names = files.withLock { Array($0.keys) } + folders.withLock { Array($0) }
        return names.compactMap { path in
            guard path.hasPrefix(prefix), path.count > prefix.count else { return nil }
            let rest = path.dropFirst(prefix.count)
            return rest.contains("/") ? nil : String(rest)
        }
    }

    package func exists(_ name: String) -> Bool {
        files.withLock { $0[name] != nil } || folders.withLock { $0.contains(name) }
    }

    package func isFolder(_ name: String) throws(IOFailure) -> Bool {
        folders.withLock { $0.contains(name) }
    }

    package func syncFolder(_ name: String) throws(IOFailure) {}
    package func freeBytes() throws(IOFailure) -> Int { MemoryDevice.byteLimit }
}
