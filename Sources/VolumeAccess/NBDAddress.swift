internal import SnapshotModel

/// Where an export is served, as NBD clients write it: https://github.com/NetworkBlockDevice/nbd,
/// doc/uri.md.
package enum NBDAddress {
    /// On a Unix socket.
    ///
    /// - Parameter socket: its path, from the root.
    package static func uri(export: String, socket: String) -> String {
        "nbd+unix:///\(escaped(export))?socket=\(escaped(socket))"
    }

    /// On TCP.
    package static func uri(
        export: String, address: String, port: Int, isEncrypted: Bool
    ) -> String {
        let host = address.contains(":") ? "[\(address)]" : address
        return "\(isEncrypted ? "nbds" : "nbd")://\(host):\(port)/\(escaped(export))"
    }

    /// What may stand in an address as it is; RFC 3986, "unreserved", and slashes.
    private static let plain = Set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/".utf8)

    private static func escaped(_ text: String) -> String {
        text.utf8.map { byte in
            guard !plain.contains(byte) else { return String(UnicodeScalar(byte)) }
            return "%" + byte.padded(to: 2, radix: 16).uppercased()
        }.joined()
    }
}
