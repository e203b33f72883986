internal import Glibc
package import SnapshotModel

/// Sockets on which a server is to take its clients; plain descriptors, since another program will
/// have them.
package enum ListeningSocket {
    /// Opens one for each address that a name stands for.
    ///
    /// - Parameters:
    ///   - address: nil for all of this machine, of both families.
    ///   - option: that by which another place is chosen, for the hint.
    /// - Throws: `cannotListen`.
    package static func openTCP(
        address: String?, port: Int, option: String = "--listen ADDR:PORT"
    ) throws(Problem) -> [Int32] {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var first: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(address, String(port), &hints, &first)
        guard code == 0 else {
            let cause = gai_strerror(code).map { String(cString: $0) } ?? "error \(code)"
            throw problem(address, port, cause, option)
        }
        defer { freeaddrinfo(first) }
        var (descriptors, failure): ([Int32], Int32) = ([], EADDRNOTAVAIL)
        var next = first
        while let info = next?.pointee, descriptors.count < PassedSockets.countMaximum {
            next = info.ai_next
            let descriptor = listen(on: info)
            if descriptor >= 0 {
                descriptors.append(descriptor)
                continue
            }
            failure = errno
            // A name may stand for addresses that this machine has not got.
            guard failure != EADDRNOTAVAIL, failure != EAFNOSUPPORT else { continue }
            for descriptor in descriptors { close(descriptor) }
            throw problem(address, port, String(cString: strerror(failure)), option)
        }
        guard !descriptors.isEmpty else {
            throw problem(address, port, String(cString: strerror(failure)), option)
        }
        return descriptors
    }

    /// Whether only processes of this machine that may reach its name can connect.
    package static func isUnix(_ descriptor: Int32) throws(IOFailure) -> Bool {
        var (domain, length) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
        guard getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 else {
            throw .last("examine", path: "socket \(descriptor)")
        }
        return domain == AF_UNIX
    }

    /// A descriptor, or -1 with the reason in errno.
    private static func listen(on info: addrinfo) -> Int32 {
        let kind = info.ai_socktype | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(info.ai_family, kind, info.ai_protocol)
        guard descriptor >= 0 else { return -1 }
        var on: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        // After a restart, connections of the server before may still be ending.
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, size)
        if info.ai_family == AF_INET6 {
            setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &on, size)
        }
        guard bind(descriptor, info.ai_addr, info.ai_addrlen) == 0,
            Glibc.listen(descriptor, SOMAXCONN) == 0
        else {
            let cause = errno
            close(descriptor)
            errno = cause
            return -1
        }
        return descriptor
    }

    private static func problem(
        _ address: String?, _ port: Int, _ cause: String, _ option: String
    ) -> Problem {
        Problem(
            .cannotListen,
            "cannot listen on \(address ?? "every address"), port \(port): \(cause)",
            hint: "see who has it: `ss -ltnp`, or choose another with \(option)")
    }
}
