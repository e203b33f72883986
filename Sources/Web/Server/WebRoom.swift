internal import SnapshotModel

/// Which connections there may be at once. A pure value: who is there comes with it.
struct WebRoom {
    let limits: WebLimits
    let guests: [Guest]

    /// A connection that is there, or that is asked for.
    struct Guest: Hashable, Sendable {
        /// They grow with time.
        var number: Int64
        /// Where it comes from; nil for a process of this machine.
        var network: String?
        /// Whether many may stand behind that: a proxy of this machine.
        var isShared = false
        /// Whether a token was shown on it.
        var isKnown = false
        /// Whether nothing is done on it: the client is to agree on keys, or to ask.
        var isWaiting = true
    }

    enum Answer: Hashable, Sendable {
        case free
        /// When another one ends.
        case instead(of: Int64)
        case full
    }

    /// Those of the network take no room of those who come by the socket, strangers none of those who have shown a token,
    /// and one address none of the others'. Of strangers the one who has rested longest makes room, so that nobody keeps
    /// others out by saying nothing.
    func answer(to guest: Guest) -> Answer {
        let others = guests.filter { ($0.network == nil) == (guest.network == nil) }
        guard let network = guest.network else {
            return others.count < limits.connections ? .free : .full
        }
        let strangers = others.filter { !$0.isKnown }
        let neighbours = guest.isShared ? [] : strangers.filter { $0.network == network }
        if neighbours.count >= limits.connectionsPerAddress { return place(of: neighbours) }
        let known = others.count.subtractingClamped(strangers.count)
        let excess = max(0, known.subtractingClamped(limits.knownConnections))
        let count = strangers.count.addingClamped(excess)
        return count < limits.networkConnections ? .free : place(of: strangers)
    }

    private func place(of guests: [Guest]) -> Answer {
        let oldest = guests.filter(\.isWaiting).min { $0.number < $1.number }
        return oldest.map { .instead(of: $0.number) } ?? .full
    }
}
