internal import Glibc
package import SnapshotModel

extension NetworkSocket {
    /// Connects to the first of a name's addresses that takes it. Looking the name up takes as long as the system's
    /// resolver does, whatever the deadline says.
    ///
    /// - Parameter accepts: whether an address will do; others are not connected to.
    /// - Throws: `failed`, with what the last one said.
    package static func connect(
        to host: String, port: Int, until deadline: Deadline,
        accepts: (NetworkPeer) -> Bool = { _ in true }
    ) throws(Problem) -> NetworkSocket {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICSERV
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var first: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &first)
        guard code == 0 else {
            let cause = gai_strerror(code).map { String(cString: $0) } ?? "error \(code)"
            throw Problem(.failed, "\(host) cannot be looked up: \(cause)")
        }
        defer { freeaddrinfo(first) }
        var (failure, next, left) = (EHOSTUNREACH, first, count(first))
        while let info = next?.pointee {
            next = info.ai_next
            // One address that is silent leaves time for the others.
            let share = Deadline(milliseconds: max(1, deadline.remainingMilliseconds / left))
            left -= 1
            let descriptor = OwnedDescriptor(
                owning: socket(
                    info.ai_family,
                    info.ai_socktype | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue),
                    info.ai_protocol))
            failure = connect(descriptor.number, info, until: share)
            guard failure == 0, let peer = NetworkPeer(of: descriptor.number) else { continue }
            guard accepts(peer) else {
                failure = EACCES
                continue
            }
            _ = fcntl(descriptor.number, F_SETFL, 0)
            return NetworkSocket(descriptor, peer: peer)
        }
        let cause =
            failure == ETIMEDOUT
            ? "it has not answered in time" : String(cString: strerror(failure))
        throw Problem(.failed, "\(host), port \(port): \(cause)")
    }

    private static func count(_ first: UnsafeMutablePointer<addrinfo>?) -> Int {
        var (count, next) = (0, first)
        while let info = next?.pointee { (count, next) = (count + 1, info.ai_next) }
        return max(1, count)
    }

    /// - Returns: an error's number; 0 when it is connected.
    private static func connect(
        _ descriptor: Int32, _ info: addrinfo, until deadline: Deadline
    ) -> Int32 {
        guard descriptor >= 0 else { return errno }
        if Glibc.connect(descriptor, info.ai_addr, info.ai_addrlen) == 0 { return 0 }
        guard errno == EINPROGRESS || errno == EINTR else { return errno }
        var state = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        while true {
            let milliseconds = deadline.remainingMilliseconds
            guard milliseconds > 0 else { return ETIMEDOUT }
            let count = poll(&state, 1, Int32(clamping: milliseconds))
            if count > 0 { break }
            guard count == 0 || errno == EINTR else { return errno }
        }
        var (failure, length) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &length) == 0 else {
            return errno
        }
        return failure
    }
}
