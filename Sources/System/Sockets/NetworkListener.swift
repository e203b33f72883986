internal import Glibc

/// A TCP socket on which connections come in.
package final class NetworkListener: Sendable {
    private let descriptor: OwnedDescriptor

    /// - Parameter number: of a socket that listens; it belongs to this then.
    package init(owning number: Int32) { descriptor = OwnedDescriptor(owning: number) }

    deinit { shutdown(descriptor.number, Int32(SHUT_RDWR)) }

    /// The port that it has; 0 when the kernel does not tell.
    package var port: Int {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let number = descriptor.number
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(number, $0, &length)
            }
        }
        guard result == 0 else { return 0 }
        // Of both families, behind the family, the more important byte first.
        return withUnsafeBytes(of: &storage) { Int($0[2]) << 8 | Int($0[3]) }
    }

    /// Waits for the next connection; nil after ``stop()``.
    package func accept() throws(IOFailure) -> NetworkSocket? {
        let number = descriptor.number
        while true {
            let accepted = retryingInterrupts { Glibc.accept(number, nil, nil) }
            guard accepted >= 0 else {
                if errno == EINVAL { return nil }
                throw .last("accept on", path: "a TCP socket")
            }
            _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
            let owned = OwnedDescriptor(owning: accepted)
            // Who has gone again meanwhile has no address any more.
            guard let peer = NetworkPeer(of: accepted) else { continue }
            return NetworkSocket(owned, peer: peer)
        }
    }

    /// Wakes whoever waits in ``accept()``.
    package func stop() { shutdown(descriptor.number, Int32(SHUT_RDWR)) }
}
