internal import CSystem
internal import Glibc

/// The sockets on which a server that is not ours, nbdkit, listens in this process, and the
/// connections that come in on them. Their descriptors are the server's: it closes them.
package struct ServerSockets: Sendable {
    /// A socket's own address, as far as a connection has that of the socket it came in on.
    private typealias Address = [UInt8]

    private let listeners: [(number: Int32, address: Address)]

    /// Finds the sockets that listen at this moment, before any of our own do.
    package init() {
        listeners = Self.descriptors().compactMap { number in
            guard Self.isListening(number), let address = Self.address(of: number) else {
                return nil
            }
            return (number, address)
        }
    }

    /// From now on no connection is taken here. A socket that another process shares, as systemd
    /// does, goes on to listen there, and who connects waits for the next server.
    package func stopListening() {
        // What never becomes readable takes the sockets' places: the server still waits on them.
        var ends: [Int32] = [-1, -1]
        guard snapmgr_pipe(&ends) == 0 else { return }
        for listener in listeners { dup2(ends[0], listener.number) }
    }

    /// Ends all connections for both ends at once, and returns how many there were; those that the
    /// server has not closed yet are ended, and counted, again.
    package func shutDownConnections() -> Int {
        let open = Self.descriptors().filter { number in
            guard !Self.isListening(number), let address = Self.address(of: number) else {
                return false
            }
            return listeners.contains { $0.address == address }
        }
        for number in open { shutdown(number, Int32(SHUT_RDWR)) }
        return open.count
    }

    /// More descriptors than this are not looked at where the system does not tell which are open.
    private static let unknownMaximum: Int32 = 4096

    private static func descriptors() -> [Int32] {
        guard let names = try? FileFolder(path: "/proc/self/fd").list("") else {
            return Array(0..<unknownMaximum)
        }
        return names.compactMap { Int32($0) }
    }

    private static func isListening(_ number: Int32) -> Bool {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value != 0
    }

    /// Nil for what is not a socket, or has no name.
    private static func address(of number: Int32) -> Address? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(number, $0, &length)
            }
        }
        guard result == 0 else { return nil }
        let bytes = withUnsafeBytes(of: &storage) { Array($0.prefix(Int(length))) }
        switch Int32(storage.ss_family) {
        case AF_UNIX: return bytes.count > 2 ? bytes : nil
        // The port alone: one that listens on every address has none itself.
        case AF_INET, AF_INET6: return Array(bytes.prefix(4).dropFirst(2))
        default: return nil
        }
    }
}
