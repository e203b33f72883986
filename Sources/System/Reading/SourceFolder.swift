internal import CSystem
internal import Glibc

/// An open folder of a mounted filesystem that is read: all is looked up below its descriptor, and no symbolic
/// link is followed.
package final class SourceFolder {
    package let path: String
    private let descriptor: OwnedDescriptor

    /// Opens a folder by its path.
    package convenience init(path: String) throws(IOFailure) {
        try self.init(
            OwnedDescriptor(path: path, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW), path: path)
    }

    private init(_ descriptor: consuming OwnedDescriptor, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    private func shown(_ name: [UInt8]) -> String {
        path + "/" + String(decoding: name, as: UTF8.self)
    }

    private static func text(_ name: [UInt8]) -> [CChar] {
        name.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
    }

    private func open(_ name: [UInt8], _ flags: Int32) throws(IOFailure) -> OwnedDescriptor {
        let (number, text) = (descriptor.number, Self.text(name))
        let opened = retryingInterrupts { openat(number, text, flags | O_NOFOLLOW | O_CLOEXEC) }
        guard opened >= 0 else { throw .last("open", path: shown(name)) }
        return OwnedDescriptor(owning: opened)
    }

    // MARK: Looking

    /// What has a name, itself and not what it may point to; with an empty one, the folder itself.
    package func node(_ name: [UInt8]) throws(IOFailure) -> SourceNode {
        var node = snapmgr_node()
        guard snapmgr_look(descriptor.number, Self.text(name), &node) == 0 else {
            throw .last("examine", path: shown(name))
        }
        return SourceNode(node)
    }

    /// The names in it in no order, without `.` and `..`.
    ///
    /// - Throws: EFBIG when there are more than `limit`.
    package func names(limit: Int) throws(IOFailure) -> [[UInt8]] {
        let again = openat(descriptor.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard again >= 0 else { throw .last("list", path: path) }
        guard let stream = fdopendir(again) else {
            let failure = IOFailure.last("list", path: path)
            close(again)
            throw failure
        }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while let name = try next(of: stream) {
            guard name != [0x2E], name != [0x2E, 0x2E] else { continue }
            guard names.count < limit else { throw IOFailure("list", path: path, code: EFBIG) }
            names.append(name)
        }
        return names
    }

    private func next(of stream: OpaquePointer) throws(IOFailure) -> [UInt8]? {
        errno = 0
        guard let entry = readdir(stream) else {
            guard errno == 0 else { throw .last("list", path: path) }
            return nil
        }
        // The declaration's 256 bytes are fewer than some filesystems give.
        var length = 0
        let name = snapmgr_entry_name(UnsafeRawPointer(entry), &length)
        return Array(UnsafeRawBufferPointer(start: name, count: length))
    }

    /// Opens a folder in this one.
    package func folder(_ name: [UInt8]) throws(IOFailure) -> SourceFolder {
        SourceFolder(try open(name, O_RDONLY | O_DIRECTORY), path: shown(name))
    }

    /// Opens a file in it, which must be one.
    package func file(_ name: [UInt8]) throws(IOFailure) -> SourceFile {
        // A FIFO in its place would have the opening wait.
        let opened = try open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY)
        return SourceFile(opened, path: shown(name))
    }

    private static let linkBytes = 4096

    /// What a symbolic link points to.
    package func link(_ name: [UInt8]) throws(IOFailure) -> [UInt8] {
        var buffer = [CChar](repeating: 0, count: Self.linkBytes)
        let count = readlinkat(descriptor.number, Self.text(name), &buffer, buffer.count)
        guard count >= 0 else { throw .last("read the link", path: shown(name)) }
        return buffer.prefix(count).map { UInt8(bitPattern: $0) }
    }

    // MARK: Extended attributes

    /// O_PATH, which the Glibc module leaves out.
    private static let itself: Int32 = 0o10000000
    private static let listBytes = 64 << 10
    private static let valueBytes = 64 << 10

    /// All attributes of a name, itself; with an empty one, of the folder.
    package func attributes(_ name: [UInt8]) throws(IOFailure) -> [NodeMetadata.Attribute] {
        let node = try open(name.isEmpty ? [UInt8(ascii: ".")] : name, Self.itself)
        // What a descriptor of this kind is for goes by this name alone, which leads to nothing else.
        let place = "/proc/self/fd/\(node.number)"
        var list = [CChar](repeating: 0, count: Self.listBytes)
        let count = snapmgr_attribute_names(place, &list, list.count)
        guard count >= 0 else {
            if errno == EOPNOTSUPP { return [] }
            throw .last("list the attributes of", path: shown(name))
        }
        var attributes: [NodeMetadata.Attribute] = []
        for bytes in list.prefix(count).split(separator: 0) {
            let key = String(decoding: bytes.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard let value = try value(of: key, at: place, name) else { continue }
            attributes.append(NodeMetadata.Attribute(name: key, value: value))
        }
        return attributes
    }

    /// Nil when it has gone, or is none that can be read.
    private func value(
        of key: String, at place: String, _ name: [UInt8]
    ) throws(IOFailure) -> [UInt8]? {
        var value = [UInt8](repeating: 0, count: Self.valueBytes)
        let count = snapmgr_attribute(place, key, &value, value.count)
        guard count < 0 else { return Array(value.prefix(count)) }
        guard errno == ENODATA || errno == EOPNOTSUPP else {
            throw .last("read the attribute \(key) of", path: shown(name))
        }
        return nil
    }
}
