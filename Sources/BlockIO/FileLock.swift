internal import CSystem
internal import Glibc

/// An exclusive lock on a file, held until this goes; the kernel drops it when the process dies.
package final class FileLock: Sendable {
    private let descriptor: OwnedDescriptor
    package let path: String

    private init(_ descriptor: consuming OwnedDescriptor, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Takes the lock, or returns nil when another process (or this one) holds it.
    package static func acquire(path: String) throws(IOFailure) -> FileLock? {
        let descriptor = try OwnedDescriptor(path: path, flags: O_RDWR | O_CREAT)
        let number = descriptor.number
        if retryingInterrupts({ flock(number, LOCK_EX | LOCK_NB) }) != 0 {
            if errno == EWOULDBLOCK { return nil }
            throw .last("lock", path: path)
        }
        return FileLock(descriptor, path: path)
    }

    /// Replaces the file's content, which says who holds the lock. It only explains: that it cannot
    /// be written is no reason to fail.
    package func describeHolder(_ text: String) {
        let number = descriptor.number
        _ = retryingInterrupts { ftruncate(number, 0) }
        _ = retryingInterrupts { pwrite(number, text, text.utf8.count, 0) }
    }
}
