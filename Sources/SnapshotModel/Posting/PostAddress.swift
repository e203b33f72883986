/// Where something is posted to over HTTP: `https://host:8443/path?query`.
package struct PostAddress: Hashable, Sendable, Codable {
    package let isEncrypted: Bool
    /// A name, or an address in digits without brackets.
    package let host: String
    package let port: Int
    /// What is asked for: the path with its query.
    package let target: String

    /// What is wrong with a text that is to be one: a sentence without a full stop.
    package struct Flaw: Error, Hashable {
        package let message: String

        init(_ message: String) { self.message = message }
    }

    /// Longer ones are nobody's, in bytes.
    private static let byteMaximum = 2_048
    private static let hostMaximum = 253

    /// - Throws: what is wrong with it.
    package init(_ text: String) throws(Flaw) {
        guard text.utf8.count <= Self.byteMaximum else {
            throw Flaw("longer than \(Self.byteMaximum) bytes")
        }
        // What is no character of an address could end a line of the request.
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Flaw("it has a space, or something else than ASCII")
        }
        let (isEncrypted, schemeLength) = try Self.scheme(text)
        let rest = text.dropFirst(schemeLength)
        let authority = rest.prefix { !"/?#".contains($0) }
        let target = rest.dropFirst(authority.count)
        guard !target.contains("#") else {
            throw Flaw("what stands behind # is not sent")
        }
        guard !authority.contains("@") else {
            throw Flaw("a name and a password have no place in it")
        }
        (host, port) = try Self.place(authority, standardPort: isEncrypted ? 443 : 80)
        self.isEncrypted = isEncrypted
        self.target = target.hasPrefix("/") ? String(target) : "/" + target
    }

    private static func scheme(_ text: String) throws(Flaw) -> (Bool, Int) {
        let lower = text.lowercased()
        if lower.hasPrefix("https://") { return (true, 8) }
        if lower.hasPrefix("http://") { return (false, 7) }
        throw Flaw("it begins with https:// or http://")
    }

    private static func place(
        _ authority: Substring, standardPort: Int
    ) throws(Flaw) -> (String, Int) {
        let isBracketed = authority.hasPrefix("[")
        let host =
            isBracketed
            ? authority.dropFirst().prefix { $0 != "]" } : authority.prefix { $0 != ":" }
        let rest = authority.dropFirst(host.count + (isBracketed ? 2 : 0))
        let isName = host.utf8.allSatisfy { byte in
            Character(UnicodeScalar(byte)).isLetter || (0x30...0x39).contains(byte)
                || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: "_") || (isBracketed && byte == UInt8(ascii: ":"))
        }
        guard !host.isEmpty, host.utf8.count <= hostMaximum, isName,
            !isBracketed || authority.contains("]")
        else { throw Flaw("no host stands there") }
        guard !rest.isEmpty else { return (String(host), standardPort) }
        guard rest.hasPrefix(":"), let port = Int(rest.dropFirst()), (1...65_535).contains(port),
            rest.dropFirst().utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { throw Flaw("a port is from 1 to 65535") }
        return (String(host), port)
    }

    /// Whether it is this machine, by its name alone.
    package var isLoopback: Bool {
        host == "localhost" || host == "::1"
            || (host.hasPrefix("127.")
                && host.utf8.allSatisfy { $0 == 0x2E || (0x30...0x39).contains($0) })
    }

    /// The host and the port, as `Host` has them.
    package var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (isEncrypted ? 443 : 80) ? name : "\(name):\(port)"
    }

    /// For people: without the path, which may be a secret.
    package var place: String { "\(isEncrypted ? "https" : "http")://\(authority)" }

    // MARK: as one text

    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(place + target)
    }
}
