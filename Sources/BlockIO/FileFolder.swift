internal import Glibc

/// A folder of the real filesystem.
package struct FileFolder: Folder {
    package let path: String

    /// Names an existing folder; nothing is opened.
    package init(path: String) { self.path = path }

    /// A folder's path without symbolic links, as the kernel tells it.
    package static func realPath(_ path: String) throws(IOFailure) -> String {
        guard let pointer = Glibc.realpath(path, nil) else { throw .last("open", path: path) }
        defer { free(pointer) }
        return String(cString: pointer)
    }

    private func full(_ name: String) -> String { name.isEmpty ? path : path + "/" + name }

    package func createFile(
        _ name: String, byteCount: Int
    ) throws(IOFailure) -> any BlockDevice {
        let device = try FileDevice(path: full(name), access: .create)
        try device.resize(to: byteCount)
        return device
    }

    package func openFile(_ name: String, writable: Bool) throws(IOFailure) -> any BlockDevice {
        try FileDevice(path: full(name), access: writable ? .readWrite : .readOnly)
    }

    package func readFile(_ name: String, limitBytes: Int) throws(IOFailure) -> [UInt8] {
        let device = try FileDevice(path: full(name), access: .readOnly)
        let count = try device.byteCount()
        guard count <= limitBytes else {
            throw IOFailure("read", path: full(name), code: EFBIG)
        }
        var buffer = AlignedBuffer(count: count)
        var bytes = buffer.mutableBytes
        try device.read(into: &bytes, at: 0)
        return buffer.bytes.array
    }

    package func writeFile(_ name: String, _ bytes: [UInt8]) throws(IOFailure) {
        let path = full(name)
        let descriptor = try OwnedDescriptor(path: path, flags: O_WRONLY | O_CREAT | O_TRUNC)
        let number = descriptor.number
        var done = 0
        while done < bytes.count {
            let progress = done
            let count = bytes.withUnsafeBytes { bytes in
                retryingInterrupts {
                    Glibc.write(
                        number, bytes.baseAddress.map { $0 + progress }, bytes.count - progress)
                }
            }
            guard count > 0 else { throw .last("write", path: path) }
            done += count
        }
        guard retryingInterrupts({ fsync(number) }) == 0 else { throw .last("sync", path: path) }
    }

    package func rename(_ name: String, to newName: String) throws(IOFailure) {
        guard Glibc.rename(full(name), full(newName)) == 0 else {
            throw .last("rename", path: full(name))
        }
    }

    package func removeFile(_ name: String) throws(IOFailure) {
        guard unlink(full(name)) == 0 else { throw .last("remove", path: full(name)) }
    }

    package func makeFolder(_ name: String) throws(IOFailure) {
        guard mkdir(full(name), 0o700) == 0 else { throw .last("make folder", path: full(name)) }
    }

    package func removeFolder(_ name: String) throws(IOFailure) {
        guard rmdir(full(name)) == 0 else { throw .last("remove folder", path: full(name)) }
    }

    package func list(_ name: String) throws(IOFailure) -> [String] {
        guard let stream = opendir(full(name)) else { throw .last("list", path: full(name)) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let text = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(
                    to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)
                ) { String(cString: $0) }
            }
            if text != "." && text != ".." { names.append(text) }
        }
        return names
    }

    package func exists(_ name: String) -> Bool { access(full(name), F_OK) == 0 }

    package func syncFolder(_ name: String) throws(IOFailure) {
        let descriptor = try OwnedDescriptor(path: full(name), flags: O_RDONLY | O_DIRECTORY)
        let number = descriptor.number
        guard retryingInterrupts({ fsync(number) }) == 0 else {
            throw .last("sync", path: full(name))
        }
    }

    package func freeBytes() throws(IOFailure) -> Int {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw .last("examine", path: path) }
        let (bytes, isTooMuch) = UInt64(status.f_bavail).multipliedReportingOverflow(
            by: UInt64(status.f_frsize))
        return isTooMuch ? Int.max : Int(clamping: bytes)
    }
}
