package import SnapshotModel

/// Where the API is served to the network: a TCP address, and what makes it safe.
package struct NetworkAddress: Hashable, Sendable {
    /// A name or an address of this machine; `::` stands for all of them, of both families.
    package var host: String
    package var port: Int
    /// The folder of the certificate and its key; nil serves without TLS.
    package var certificates: String?

    private static let scheme = "tcp:"

    /// Whether an address for `--http` is one of the network.
    package static func isMeant(by text: String) -> Bool { text.hasPrefix(scheme) }

    /// - Parameters:
    ///   - text: `tcp:HOST:PORT`; an IPv6 address is between brackets.
    ///   - certificates: an absolute path.
    ///   - isInsecure: whether it may be without TLS.
    /// - Throws: `usage`; `refused` when anybody on the way could read tokens and what is answered.
    package init(_ text: String, certificates: String?, isInsecure: Bool) throws(Problem) {
        let rest = text.dropFirst(Self.scheme.utf8.count)
        guard Self.isMeant(by: text), let colon = rest.lastIndex(of: ":"),
            let port = Int(rest[rest.index(after: colon)...]), (1...65_535).contains(port),
            let host = Self.host(rest[..<colon])
        else {
            throw Problem(
                .usage, "`\(text)` is no address for --http",
                hint: "write tcp:HOST:PORT, as tcp:192.0.2.7:8443 or tcp:[::]:8443")
        }
        (self.host, self.port, self.certificates) = (host, port, certificates)
        guard certificates == nil || !isInsecure else {
            throw Problem(.usage, "--http-tls and --http-insecure exclude each other")
        }
        guard certificates != nil || isInsecure else {
            throw Problem(
                .refused,
                "serving HTTP on \(host), port \(port), without TLS would let everybody on the way, and every "
                    + "user of this machine, read tokens and what is answered to them",
                hint:
                    "add --http-tls DIR, or serve on a Unix socket with --http unix; --http-insecure serves "
                    + "it all the same, as behind a proxy that speaks TLS")
        }
    }

    private static func host(_ text: Substring) -> String? {
        let isBracketed = text.hasPrefix("[") && text.hasSuffix("]")
        let host = isBracketed ? text.dropFirst().dropLast() : text
        guard !host.isEmpty, host.contains(":") == isBracketed,
            host.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else { return nil }
        return String(host)
    }

    /// Where sockets are to listen; nil for everywhere. Each family has a socket of its own: an IPv4 client who came by one
    /// of IPv6 would be told from no other.
    var listeningHost: String? { host == "::" ? nil : host }

    /// Whether only processes of this machine reach it.
    var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }

    /// As people read it.
    package var text: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return "tcp:\(name):\(port)" + (certificates == nil ? ", without TLS" : "")
    }
}
