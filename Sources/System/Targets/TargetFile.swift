internal import CSystem
internal import Glibc

/// A new file that is being filled, in a ``TargetFolder``.
package final class TargetFile {
    private let descriptor: OwnedDescriptor
    private let path: String

    init(_ descriptor: consuming OwnedDescriptor, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Writes all bytes at `offset`.
    package func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure) {
        var done = 0
        while done < bytes.byteCount {
            let rest = bytes.extracting(done..<bytes.byteCount)
            let position = offset.addingReportingOverflow(done)
            guard !position.overflow else {
                throw IOFailure("write", path: path, code: EFBIG)
            }
            let number = descriptor.number
            let count = rest.withUnsafeBytes { buffer in
                retryingInterrupts {
                    pwrite(number, buffer.baseAddress, buffer.count, position.partialValue)
                }
            }
            guard count > 0 else { throw .last("write", path: path) }
            done += count
        }
    }

    /// Sets its length; what was not written is a hole.
    package func setLength(_ bytes: Int) throws(IOFailure) {
        let number = descriptor.number
        guard retryingInterrupts({ ftruncate(number, bytes) }) == 0 else {
            throw .last("extend", path: path)
        }
    }

    /// Gives it everything but content, as of ``TargetFolder/apply(_:)``.
    package func apply(_ metadata: NodeMetadata) throws(IOFailure) -> [String: Int32] {
        try OpenNode(number: descriptor.number, path: path).apply(metadata)
    }

    /// Takes away what a default access list of the folder has given it.
    func forgetInherited() { OpenNode(number: descriptor.number, path: path).forgetInherited() }
}

/// An open file or folder that gets its owner, its permissions, its attributes and its times.
struct OpenNode {
    let number: Int32
    let path: String

    func forgetInherited() {
        _ = snapmgr_remove_attribute(number, "system.posix_acl_access")
        _ = snapmgr_remove_attribute(number, "system.posix_acl_default")
    }

    /// The times last: nothing that comes after them may change them again.
    func apply(_ metadata: NodeMetadata) throws(IOFailure) -> [String: Int32] {
        if let owner = metadata.owner {
            guard fchown(number, owner.user, owner.group) == 0 else {
                throw .last("set the owner of", path: path)
            }
        }
        guard fchmod(number, metadata.permissions) == 0 else {
            throw .last("set the permissions of", path: path)
        }
        var refused: [String: Int32] = [:]
        for attribute in metadata.attributes {
            let result = attribute.value.withUnsafeBytes {
                snapmgr_set_attribute(number, attribute.name, $0.baseAddress, $0.count)
            }
            if result != 0 { refused[attribute.name] = errno }
        }
        var times = metadata.times
        guard futimens(number, &times) == 0 else { throw .last("set the times of", path: path) }
        return refused
    }
}

extension NodeMetadata {
    /// As `utimensat` takes them: the last access, the last change of content.
    var times: [timespec] {
        [accessed, modified].map {
            timespec(tv_sec: Int($0.seconds), tv_nsec: Int($0.nanoseconds))
        }
    }
}
