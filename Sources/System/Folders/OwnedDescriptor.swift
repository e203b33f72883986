internal import Glibc

/// A file descriptor that is closed exactly once: when its owner goes.
package struct OwnedDescriptor: ~Copyable, Sendable {
    package let number: Int32

    /// Takes ownership of an open descriptor.
    package init(owning number: Int32) { self.number = number }

    package init(path: String, flags: Int32, mode: UInt32 = 0o600) throws(IOFailure) {
        let opened = retryingInterrupts { open(path, flags | O_CLOEXEC, mode) }
        guard opened >= 0 else { throw .last("open", path: path) }
        number = opened
    }

    /// Opens a name in an open folder; `path` is for messages.
    init(
        _ name: String, in folder: Int32, flags: Int32, mode: UInt32 = 0o600, path: String
    ) throws(IOFailure) {
        let opened = retryingInterrupts { openat(folder, name, flags | O_CLOEXEC, mode) }
        guard opened >= 0 else { throw .last("open", path: path) }
        number = opened
    }

    deinit { close(number) }

    /// Gives the descriptor away; it is no longer closed here.
    package consuming func release() -> Int32 {
        let released = number
        discard self
        return released
    }
}

/// Repeats a system call that a signal interrupted.
func retryingInterrupts<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
