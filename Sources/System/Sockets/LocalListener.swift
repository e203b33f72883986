internal import Glibc

/// A Unix socket with a name in a folder, on which connections come in. Only its owner's processes
/// (and root's) can reach it: its mode is 0600 from the first moment on.
package final class LocalListener: Sendable {
    private let descriptor: OwnedDescriptor
    private let address: SocketAddress
    /// The name's file, as it was made.
    private let file: (device: UInt, number: UInt)?

    /// Connections that may wait to be taken.
    private static let backlog: Int32 = 64

    /// Begins to listen. A socket of that name is replaced: the caller must know by other means
    /// that nobody listens on it any more.
    package init(folder: String, name: String) throws(IOFailure) {
        let address = try SocketAddress(folder: folder, name: name)
        let descriptor = try LocalSocket.makeDescriptor(path: address.path)
        try address.removeName()
        let number = descriptor.number
        // Linux gives the name the mode that the socket has; a chmod afterwards would be too late.
        guard fchmod(number, 0o600) == 0 else { throw .last("protect", path: address.path) }
        let result = try address.withSystemAddress { bind(number, $0, $1) }
        guard result == 0 else { throw .last("make", path: address.path) }
        guard listen(number, Self.backlog) == 0 else {
            throw .last("listen on", path: address.path)
        }
        file = address.file
        self.descriptor = descriptor
        self.address = address
    }

    /// A program that is being started has a copy of the descriptor until it runs: closing alone
    /// would let others connect meanwhile.
    deinit { shutdown(descriptor.number, Int32(SHUT_RDWR)) }

    package var path: String { address.path }

    /// Waits for the next connection; nil after ``stop()``.
    package func accept() throws(IOFailure) -> LocalSocket? {
        let number = descriptor.number
        let accepted = retryingInterrupts { Glibc.accept(number, nil, nil) }
        if accepted < 0 {
            // What accept says of a socket that was shut down.
            if errno == EINVAL { return nil }
            throw .last("accept on", path: address.path)
        }
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        return LocalSocket(OwnedDescriptor(owning: accepted), path: address.path)
    }

    /// Removes the name, unless another process has it by now, and wakes whoever waits in ``accept()``. Those who connected and were not
    /// taken yet are turned away.
    package func stop() {
        if let file, let now = address.file, now == file { try? address.removeName() }
        shutdown(descriptor.number, Int32(SHUT_RDWR))
    }
}
