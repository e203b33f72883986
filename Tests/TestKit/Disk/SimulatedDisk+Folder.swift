package import System
internal import Glibc
internal import SnapshotModel

extension SimulatedDisk {
    private func full(_ name: String) -> String { name.isEmpty ? path : path + "/" + name }

    private func failure(_ operation: String, _ name: String, _ code: Int32) -> IOFailure {
        IOFailure(operation, path: full(name), code: code)
    }

    /// The number of the folder that holds `name`, and the name in it.
    private func place(
        of name: String, _ operation: String
    ) throws(IOFailure) -> (folder: Int, leaf: String) {
        let halves = PathHalves(name)
        guard case .folder(let number) = state.node(at: halves.parent ?? "") else {
            throw failure(operation, name, ENOENT)
        }
        return (number, halves.name)
    }

    // MARK: files

    package func createFile(
        _ name: String, byteCount: Int
    ) throws(IOFailure) -> any BlockDevice {
        let number = try makeFile(name)
        let device = SimulatedDevice(disk: self, number: number, path: full(name))
        if byteCount > 0 { try device.resize(to: byteCount) }
        return device
    }

    private func makeFile(_ name: String) throws(IOFailure) -> Int {
        _ = try begin(.create, full(name))
        return try monitor.withLock { () throws(IOFailure) -> Int in
            guard state.node(at: name) == nil else { throw failure("open", name, EEXIST) }
            let (folder, leaf) = try place(of: name, "open")
            let number = state.nextNumber
            state.nextNumber += 1
            state.files[number] = SimulatedFile(path: full(name))
            state.folders[folder]?.set(leaf, to: .file(number))
            return number
        }
    }

    private func number(ofFile name: String) throws(IOFailure) -> Int {
        try monitor.withLock { () throws(IOFailure) -> Int in
            switch state.node(at: name) {
            case .file(let number): return number
            case .folder: throw failure("open", name, EISDIR)
            case nil: throw failure("open", name, ENOENT)
            }
        }
    }

    package func openFile(_ name: String, writable: Bool) throws(IOFailure) -> any BlockDevice {
        _ = try begin(.open, full(name))
        return SimulatedDevice(
            disk: self, number: try number(ofFile: name), path: full(name), isWritable: writable)
    }

    package func readFile(_ name: String, limitBytes: Int) throws(IOFailure) -> [UInt8] {
        _ = try begin(.read, full(name))
        let number = try number(ofFile: name)
        return try monitor.withLock { () throws(IOFailure) -> [UInt8] in
            guard let file = state.files[number] else { throw failure("read", name, ENOENT) }
            guard file.byteCount <= limitBytes else { throw failure("read", name, EFBIG) }
            var bytes = [UInt8](repeating: 0, count: file.byteCount)
            bytes.withUnsafeMutableBytes { file.latest.read(into: $0, at: 0) }
            return bytes
        }
    }

    package func writeFile(_ name: String, _ bytes: [UInt8]) throws(IOFailure) {
        let number: Int
        if try exists(name) {
            number = try self.number(ofFile: name)
            _ = try begin(.resize, full(name))
            monitor.withLock { state.files[number]?.resize(to: 0) }
        } else {
            number = try makeFile(name)
        }
        let file = SimulatedDevice(disk: self, number: number, path: full(name))
        try file.write(bytes.span.bytes, at: 0)
        try file.sync()
    }

    package func removeFile(_ name: String) throws(IOFailure) {
        _ = try begin(.remove, full(name))
        try monitor.withLock { () throws(IOFailure) in
            guard case .file(let number) = state.node(at: name) else {
                throw failure("remove", name, ENOENT)
            }
            let (folder, leaf) = try place(of: name, "remove")
            state.folders[folder]?.set(leaf, to: nil)
            state.files[number]?.isLinked = false
        }
    }

    // MARK: names

    package func rename(_ name: String, to newName: String) throws(IOFailure) {
        _ = try begin(.rename, full(name))
        try monitor.withLock { () throws(IOFailure) in
            guard let node = state.node(at: name) else { throw failure("rename", name, ENOENT) }
            let (folder, leaf) = try place(of: name, "rename")
            let (newFolder, newLeaf) = try place(of: newName, "rename")
            if case .file(let replaced) = state.node(at: newName), .file(replaced) != node {
                state.files[replaced]?.isLinked = false
            }
            guard folder != newFolder else {
                state.folders[folder]?.rename(leaf, to: newLeaf)
                return
            }
            // POSIX promises nothing of two folders: one may be durable without the other.
            state.folders[newFolder]?.set(newLeaf, to: node)
            state.folders[folder]?.set(leaf, to: nil)
        }
    }

    /// Gives a file a second name.
    package func link(_ name: String, to newName: String) throws(IOFailure) {
        _ = try begin(.rename, full(name))
        try monitor.withLock { () throws(IOFailure) in
            guard let node = state.node(at: name) else { throw failure("link", name, ENOENT) }
            guard state.node(at: newName) == nil else { throw failure("link", newName, EEXIST) }
            let (folder, leaf) = try place(of: newName, "link")
            state.folders[folder]?.set(leaf, to: node)
        }
    }

    package func makeFolder(_ name: String) throws(IOFailure) {
        _ = try begin(.makeFolder, full(name))
        try monitor.withLock { () throws(IOFailure) in
            guard state.node(at: name) == nil else { throw failure("make folder", name, EEXIST) }
            let (folder, leaf) = try place(of: name, "make folder")
            let number = state.nextNumber
            state.nextNumber += 1
            state.folders[number] = SimulatedNames()
            state.folders[folder]?.set(leaf, to: .folder(number))
        }
    }

    package func removeFolder(_ name: String) throws(IOFailure) {
        _ = try begin(.removeFolder, full(name))
        try monitor.withLock { () throws(IOFailure) in
            guard case .folder(let number) = state.node(at: name) else {
                throw failure("remove folder", name, ENOENT)
            }
            guard state.folders[number]?.latest.isEmpty == true else {
                throw failure("remove folder", name, ENOTEMPTY)
            }
            let (folder, leaf) = try place(of: name, "remove folder")
            state.folders[folder]?.set(leaf, to: nil)
        }
    }

    package func list(_ name: String) throws(IOFailure) -> [String] {
        _ = try begin(.list, full(name))
        return try monitor.withLock { () throws(IOFailure) -> [String] in
            guard case .folder(let number) = state.node(at: name), let names = state.folders[number]
            else { throw failure("list", name, ENOENT) }
            return Array(names.latest.keys)
        }
    }

    package func exists(_ name: String) throws(IOFailure) -> Bool {
        _ = try begin(.look, full(name))
        return monitor.withLock { state.node(at: name) != nil }
    }

    package func isFolder(_ name: String) throws(IOFailure) -> Bool {
        _ = try begin(.look, full(name))
        return monitor.withLock {
            if case .folder = state.node(at: name) { true } else { false }
        }
    }

    package func syncFolder(_ name: String) throws(IOFailure) {
        let injection = try begin(.syncFolder, full(name))
        try monitor.withLock { () throws(IOFailure) in
            guard case .folder(let number) = state.node(at: name) else {
                throw failure("sync", name, ENOENT)
            }
            guard case .none = injection else {
                state.folders[number]?.loseUnsynced()
                throw failure("sync", name, EIO)
            }
            state.folders[number]?.sync()
            dropUnreachable()
        }
    }

    package func freeBytes() throws(IOFailure) -> Int { monitor.withLock { state.freeBytes } }
}
