import Testing

@testable import Web

/// Who makes room for whom.
@Suite struct WebRoomTests {
    private typealias Guest = WebRoom.Guest

    private func answer(_ guests: [Guest], _ guest: Guest) -> WebRoom.Answer {
        var limits = WebLimits()
        (limits.connections, limits.networkConnections) = (2, 4)
        (limits.connectionsPerAddress, limits.knownConnections) = (2, 3)
        return WebRoom(limits: limits, guests: guests).answer(to: guest)
    }

    private func stranger(_ number: Int64, _ network: String) -> Guest {
        Guest(number: number, network: network)
    }

    @Test(
        "of one address the stranger who has rested longest makes room, and none at whom work is done"
    )
    func ofAddress() {
        var guests = [stranger(1, "b"), stranger(2, "a"), stranger(3, "a")]
        #expect(answer(guests, stranger(9, "b")) == .free)
        #expect(answer(guests, stranger(9, "a")) == .instead(of: 2))
        guests[1].isWaiting = false
        #expect(answer(guests, stranger(9, "a")) == .instead(of: 3))
        guests[2].isWaiting = false
        #expect(answer(guests, stranger(9, "a")) == .full)
        guests[2].isKnown = true
        #expect(answer(guests, stranger(9, "a")) == .free)
    }

    @Test("a proxy of this machine has no share of its own; all strangers have one")
    func ofAll() {
        var guests = (1...4).map { stranger($0, "p") }
        let proxy = Guest(number: 9, network: "p", isShared: true)
        #expect(answer(Array(guests.dropLast()), proxy) == .free)
        #expect(answer(guests, proxy) == .instead(of: 1))
        for index in 0..<3 { guests[index].isKnown = true }
        #expect(answer(guests, proxy) == .free)
        guests += (5...7).map { stranger($0, "q\($0)") }
        #expect(answer(guests, proxy) == .instead(of: 4))
        // Those with a token who are too many count among them.
        guests[3].isKnown = true
        #expect(answer(guests, proxy) == .instead(of: 5))
    }

    @Test("the socket's own are counted alone")
    func ofSocket() {
        let crowd = (1...7).map { stranger($0, "n\($0)") }
        let own = Guest(number: 9)
        #expect(answer(crowd + [Guest(number: 8)], own) == .free)
        #expect(answer(crowd + [Guest(number: 8), Guest(number: 10)], own) == .full)
        #expect(answer([Guest(number: 8), Guest(number: 10)], stranger(11, "a")) == .free)
    }
}
