internal import CSystem
internal import Glibc

/// An origin that is held open for its locks: those that QEMU takes on every image, and flock.
///
/// QEMU locks single bytes: 100 and up stand for what a program does with the image, 200 and up for
/// what it does not bear others to do. All locks are shared ones; who has set them looks whether
/// somebody else has set one that contradicts. They belong to the open file, not to the process,
/// and go when this goes.
package final class OriginFile: Sendable {
    private let descriptor: OwnedDescriptor
    package let path: String
    package let status: FileStatus

    /// QEMU's permissions, by their bit.
    private enum Permission: Int64, CaseIterable {
        case consistentRead = 0
        case write = 1
        case writeUnchanged = 2
        case resize = 3

        /// We do that.
        var isTaken: Bool { self != .writeUnchanged }
        /// Others must not.
        var isKeptFromOthers: Bool { self == .write || self == .resize }

        var takenByte: Int64 { 100 + rawValue }
        var refusedByte: Int64 { 200 + rawValue }
    }

    /// Opens a file or a block device; ELOOP for a symbolic link that must not be followed.
    package init(path: String, isWritable: Bool, followsLink: Bool) throws(IOFailure) {
        let flags = (isWritable ? O_RDWR : O_RDONLY) | O_NONBLOCK | (followsLink ? 0 : O_NOFOLLOW)
        let descriptor = try OwnedDescriptor(path: path, flags: flags)
        status = try FileStatus(descriptor: descriptor.number, path: path)
        self.descriptor = descriptor
        self.path = path
    }

    /// Closing alone would leave the locks to a program that is being started, which has a copy of
    /// the descriptor until it runs.
    deinit { unlock() }

    /// When the file was made, in nanoseconds since 1970; nil where the filesystem does not tell.
    package var bornNanoseconds: Int64? {
        var nanoseconds: Int64 = 0
        return snapmgr_birth_time(descriptor.number, &nanoseconds) == 1 ? nanoseconds : nil
    }

    /// Takes the locks of one who writes and bears readers. False, and nothing is taken, when they
    /// contradict another's.
    package func lock() throws(IOFailure) -> Bool {
        // First set, then look: of two that come at once, none goes on unseen.
        guard try setBytes() else { return true }
        guard try !isContradicted(), try takeFlock() else {
            unlock()
            return false
        }
        return true
    }

    /// Gives the locks back.
    package func unlock() {
        for byte in Self.bytes { snapmgr_unlock_byte(descriptor.number, byte) }
        if usesFlock { flock(descriptor.number, LOCK_UN) }
    }

    /// Whether somebody else has locked the file in a way that ``lock()`` would meet. Nothing is
    /// taken.
    package func isContradicted() throws(IOFailure) -> Bool {
        for permission in Permission.allCases {
            if permission.isTaken, try isLocked(permission.refusedByte) { return true }
            if permission.isKeptFromOthers, try isLocked(permission.takenByte) { return true }
        }
        return false
    }

    /// Whether another has it by flock, as snapmgr does and QEMU does not. To be asked by one who
    /// has not locked it.
    package func isFlocked() -> Bool {
        guard status.kind == .file else { return false }
        guard flock(descriptor.number, LOCK_SH | LOCK_NB) == 0 else { return errno == EWOULDBLOCK }
        flock(descriptor.number, LOCK_UN)
        return false
    }

    private static let bytes =
        Permission.allCases.filter(\.isTaken).map(\.takenByte)
        + Permission.allCases.filter(\.isKeptFromOthers).map(\.refusedByte)

    /// False where the filesystem has no locks, for nobody then.
    private func setBytes() throws(IOFailure) -> Bool {
        for byte in Self.bytes where snapmgr_lock_byte(descriptor.number, byte) != 0 {
            // Somebody has locked it alone, which QEMU never does.
            if errno == EAGAIN || errno == EACCES { continue }
            guard Self.meansNoLocks(errno) else { throw .last("lock", path: path) }
            return false
        }
        return true
    }

    private func isLocked(_ byte: Int64) throws(IOFailure) -> Bool {
        let result = snapmgr_byte_is_locked(descriptor.number, byte)
        guard result < 0 else { return result == 1 }
        guard Self.meansNoLocks(errno) else { throw .last("look at the locks of", path: path) }
        return false
    }

    /// Only of a file, since udev takes flock on block devices; and not where it is made of the byte
    /// locks, which it would meet or take away.
    private var usesFlock: Bool {
        status.kind == .file && snapmgr_flock_is_emulated(descriptor.number) == 0
    }

    private func takeFlock() throws(IOFailure) -> Bool {
        let number = descriptor.number
        guard usesFlock else { return true }
        if retryingInterrupts({ flock(number, LOCK_EX | LOCK_NB) }) == 0 { return true }
        if errno == EWOULDBLOCK { return false }
        guard Self.meansNoLocks(errno) else { throw .last("lock", path: path) }
        return true
    }

    private static func meansNoLocks(_ code: Int32) -> Bool {
        [ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL].contains(code)
    }
}

/// A block device that nobody else may claim: the kernel for a mount or another device, or a
/// program that asks for it alone. Given free when this goes.
package final class DeviceClaim: Sendable {
    private let descriptor: OwnedDescriptor

    /// EBUSY when somebody has claimed it, or a part of it.
    package init(path: String) throws(IOFailure) {
        descriptor = try OwnedDescriptor(path: path, flags: O_RDWR | O_EXCL | O_NONBLOCK)
    }
}
