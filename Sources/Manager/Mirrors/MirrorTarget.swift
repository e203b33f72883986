package import SnapshotModel

/// Where a mirror's copies lie: a volume at another site, as `ssh://user@host:port/VOLUME`.
package struct MirrorTarget: Hashable, Sendable {
    package var user: String?
    /// A name of ssh's configuration or of the network, or an address.
    package var host: String
    package var port: Int?
    /// The volume's name there.
    package var volume: String

    private static let scheme = "ssh://"
    private static let hostCharactersMaximum = 253

    /// - Throws: `usage` when a text is no such place.
    package init(_ text: String) throws(Problem) {
        guard let target = Self.parse(text) else {
            throw Problem(
                .usage, "`\(text)` is no place for a mirror",
                hint:
                    "write ssh://USER@HOST/VOLUME, with :PORT behind HOST where it is not ssh's own"
            )
        }
        self = target
    }

    private init(user: String?, host: String, port: Int?, volume: String) {
        self.user = user
        self.host = host
        self.port = port
        self.volume = volume
    }

    private static func parse(_ text: String) -> MirrorTarget? {
        guard text.hasPrefix(scheme) else { return nil }
        let rest = text.dropFirst(scheme.count)
        let halves = rest.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard halves.count == 2, VolumeRecord.isValidName(String(halves[1])) else { return nil }
        var place = halves[0]
        var user: String?
        if let at = place.lastIndex(of: "@") {
            user = String(place[..<at])
            place = place[place.index(after: at)...]
        }
        guard let (host, port) = hostAndPort(place), user.map(isWord) ?? true else { return nil }
        return MirrorTarget(user: user, host: host, port: port, volume: String(halves[1]))
    }

    private static func hostAndPort(_ text: Substring) -> (String, Int?)? {
        // An address of IPv6 stands in brackets.
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            let host = text[text.index(after: text.startIndex)..<end]
            guard !host.isEmpty, host.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." })
            else { return nil }
            return port(text[text.index(after: end)...]).map { (String(host), $0) }
        }
        let end = text.firstIndex(of: ":") ?? text.endIndex
        let host = String(text[..<end])
        guard isWord(host) else { return nil }
        return port(text[end...]).map { (host, $0) }
    }

    /// Nothing, or a colon and a number; nil for anything else.
    private static func port(_ text: Substring) -> Int?? {
        guard !text.isEmpty else { return .some(nil) }
        guard text.hasPrefix(":"), let port = Int(text.dropFirst()), (1...65_535).contains(port)
        else { return nil }
        return .some(port)
    }

    /// Nothing that ssh would take for an option, or a shell for more than a word.
    private static func isWord(_ text: String) -> Bool {
        guard let first = text.unicodeScalars.first, first != "-",
            text.unicodeScalars.count <= hostCharactersMaximum
        else { return false }
        return text.unicodeScalars.allSatisfy {
            $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0))
                || "-._".unicodeScalars.contains($0)
        }
    }

    /// What ssh calls it.
    package var destination: String { (user.map { $0 + "@" } ?? "") + host }
}

extension MirrorTarget: CustomStringConvertible {
    package var description: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return Self.scheme + (user.map { $0 + "@" } ?? "") + name + (port.map { ":\($0)" } ?? "")
            + "/" + volume
    }
}
