internal import CSystem
internal import Glibc
internal import SnapshotModel

/// An exclusive lock on a file, held until this goes; the kernel drops it when the process dies.
package final class FileLock: Sendable {
    private let descriptor: OwnedDescriptor
    package let path: String

    private init(_ descriptor: consuming OwnedDescriptor, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Closing alone would leave it to a program that is being started, which has a copy of the
    /// descriptor until it runs.
    deinit {
        snapmgr_unlock_byte(descriptor.number, 0)
        flock(descriptor.number, LOCK_UN)
    }

    /// Takes the lock of a file in a folder, or returns nil when another process (or this one)
    /// holds it. The file is made if need be.
    package static func acquire(
        _ name: String, in folder: FileFolder
    ) throws(IOFailure) -> FileLock? {
        let path = folder.path + "/" + name
        let descriptor = try folder.openLock(name)
        let number = descriptor.number
        if retryingInterrupts({ flock(number, LOCK_EX | LOCK_NB) }) != 0 {
            if errno == EWOULDBLOCK { return nil }
            throw .last("lock", path: path)
        }
        // What who only looks can see without taking anything; a filesystem may not have it.
        _ = snapmgr_lock_byte(number, 0)
        return FileLock(descriptor, path: path)
    }

    /// Whether somebody has the lock. Nothing is taken, so that nobody who wants it meets the one
    /// who looks.
    package static func isHeld(_ name: String, in folder: FileFolder) throws(IOFailure) -> Bool {
        guard try folder.exists(name) else { return false }
        let descriptor = try folder.openLock(name)
        let path = folder.path + "/" + name
        let answer = snapmgr_byte_is_locked(descriptor.number, 0)
        guard answer >= 0 else { throw .last("look at", path: path) }
        if answer == 1 { return true }
        return try isFlocked(FileStatus(descriptor: descriptor.number, path: path))
    }

    /// Whether the kernel lists a lock on a file: that of a program of the first version, which has
    /// no other. Best effort, for a container sees its own only.
    private static func isFlocked(_ status: FileStatus) -> Bool {
        // As glibc packs the two into one number.
        let device = status.device
        let major = device >> 8 & 0xfff | device >> 32 & 0xffff_f000
        let minor = device & 0xff | device >> 12 & 0xffff_ff00
        let numbers = [major, minor].map { number in
            let digits = String(number, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }
        let wanted = "\(numbers[0]):\(numbers[1]):\(status.inode)"
        return lines(of: "/proc/locks").contains { line in
            let words = line.split(separator: " ")
            return words.contains("FLOCK") && words.contains(Substring(wanted))
        }
    }

    /// A file whose size the kernel does not tell before it is read.
    private static func lines(of path: String) -> [Substring] {
        guard let file = try? OwnedDescriptor(path: path, flags: O_RDONLY) else { return [] }
        let number = file.number
        var (text, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
        while true {
            let count = retryingInterrupts { read(number, &buffer, buffer.count) }
            guard count > 0, text.count < 16 << 20 else { break }
            text += buffer[..<count]
        }
        return String(decoding: text, as: UTF8.self).split(separator: "\n")
    }

    /// As ``acquire(_:in:)``, by the file's path.
    package static func acquire(path: String) throws(IOFailure) -> FileLock? {
        let halves = PathHalves(path)
        return try acquire(halves.name, in: FileFolder(path: halves.folder))
    }

    /// Replaces the file's content, which says who holds the lock. It only explains: that it cannot
    /// be written is no reason to fail. A file that has other names, too, may be somebody's data.
    package func describeHolder(_ text: String) {
        let number = descriptor.number
        guard let status = try? FileStatus(descriptor: number, path: path), status.linkCount == 1
        else { return }
        _ = retryingInterrupts { ftruncate(number, 0) }
        _ = retryingInterrupts { pwrite(number, text, text.utf8.count, 0) }
    }
}
