/// A receiver of events, as `[webhook.NAME]` says.
package struct Webhook: Hashable, Sendable {
    package var name: String
    package var peer: PostPeer
    /// Of what signs each event.
    package var secretPath: String
    /// The kinds of events, with `*` for anything; none for all.
    package var events: [String]
    /// What happened to these volumes alone; none for all.
    package var volumes: [String]
    /// How long an event is tried, in seconds from the moment at which it was logged.
    package var giveUpSeconds: Int64

    package init(
        name: String, peer: PostPeer, secretPath: String, events: [String] = [],
        volumes: [String] = [], giveUpSeconds: Int64 = standardGiveUpSeconds
    ) {
        self.name = name
        self.peer = peer
        self.secretPath = secretPath
        self.events = events
        self.volumes = volumes
        self.giveUpSeconds = giveUpSeconds
    }

    package static let standardGiveUpSeconds: Int64 = 86_400
    package static let standardTimeoutSeconds: Int64 = 10

    /// Whether it is to hear of an event.
    package func wants(kind: String, volume: String?) -> Bool {
        (events.isEmpty || events.contains { Self.fits(kind, $0) })
            && (volumes.isEmpty || volume.map(volumes.contains) ?? false)
    }

    /// Whether a name is a pattern's, in which `*` stands for any characters.
    package static func fits(_ name: String, _ pattern: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
        guard parts.count > 1, let first = parts.first, let last = parts.last else {
            return name == pattern
        }
        guard name.count >= first.count + last.count, name.hasPrefix(first), name.hasSuffix(last)
        else { return false }
        var rest = name.dropFirst(first.count).dropLast(last.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let place = rest.firstRange(of: part) else { return false }
            rest = rest[place.upperBound...]
        }
        return true
    }
}

/// Who is posted to, and how one makes sure that it is he.
package struct PostPeer: Hashable, Sendable, Codable {
    package var address: PostAddress
    /// The certificates that his must lead up to, as PEM; nil for those of the system.
    package var authorityPath: String?
    /// Whether he may be reached without TLS although he is not on this machine.
    package var isPlainAllowed: Bool
    /// How long one post may take, in milliseconds.
    package var timeoutMilliseconds: Int

    package init(
        _ address: PostAddress, authorityPath: String? = nil, isPlainAllowed: Bool = false,
        timeoutMilliseconds: Int = 10_000
    ) {
        self.address = address
        self.authorityPath = authorityPath
        self.isPlainAllowed = isPlainAllowed
        self.timeoutMilliseconds = timeoutMilliseconds
    }
}
