import SnapshotModel
import Testing

@Suite struct PostAddressTests {
    @Test(
        "addresses are taken apart",
        arguments: [
            ("https://host", true, "host", 443, "/", "https://host"),
            (
                "HTTPS://Host.example:8443/a/b?c=d", true, "Host.example", 8443, "/a/b?c=d",
                "https://Host.example:8443"
            ),
            ("http://127.0.0.1:80?x", false, "127.0.0.1", 80, "/?x", "http://127.0.0.1"),
            ("https://[::1]:1/", true, "::1", 1, "/", "https://[::1]:1"),
        ])
    func parts(
        text: String, isEncrypted: Bool, host: String, port: Int, target: String, place: String
    ) throws {
        let address = try PostAddress(text)
        #expect(address.isEncrypted == isEncrypted && address.host == host)
        #expect(address.port == port && address.target == target && address.place == place)
        #expect(try PostAddress(address.place + address.target) == address)
    }

    @Test(
        "what is none is refused",
        arguments: [
            "", "host", "ftp://host/", "https://", "https:///a", "https://a b/",
            "https://a/\r\nX: y",
            "https://a/ä", "https://user:secret@host/", "https://host:0/", "https://host:65536/",
            "https://host:+1/", "https://host:/", "https://[::1/", "https://[::1]x/",
            "https://ho$t/", "https://host/#part",
            "https://" + String(repeating: "a", count: 254),
            "https://a/" + String(repeating: "b", count: 2_048),
        ])
    func flaws(text: String) {
        #expect(throws: PostAddress.Flaw.self) { try PostAddress(text) }
    }

    @Test("this machine is known by its names alone")
    func loopback() throws {
        for host in ["localhost", "127.0.0.1", "127.1", "[::1]"] {
            #expect(try PostAddress("http://\(host)/").isLoopback, "\(host)")
        }
        for host in ["127.0.0.1.example.org", "localhost.example.org", "[::2]", "10.0.0.1"] {
            #expect(try !PostAddress("http://\(host)/").isLoopback, "\(host)")
        }
    }
}

@Suite struct WebhookFilterTests {
    private func webhook(_ events: [String], _ volumes: [String]) throws -> Webhook {
        Webhook(
            name: "w", peer: PostPeer(try PostAddress("https://host")), secretPath: "/s",
            events: events, volumes: volumes)
    }

    @Test(
        "a pattern's star stands for any characters, and for none",
        arguments: [
            ("pruned", "pruned", true), ("pruned", "prune", false),
            ("hook_failed", "*_failed", true),
            ("hook_failed", "hook*", true), ("hook_failed", "h*k*d", true), ("aba", "ab*ba", false),
            ("a", "*", true), ("", "*", true), ("abcbc", "a*bc", true), ("abc", "a*b", false),
        ])
    func patterns(name: String, pattern: String, expected: Bool) {
        #expect(Webhook.fits(name, pattern) == expected)
    }

    @Test("both filters have to let an event through")
    func both() throws {
        let all = try webhook([], [])
        #expect(all.wants(kind: "pruned", volume: nil) && all.wants(kind: "x", volume: "a"))
        let some = try webhook(["*_failed", "reverted"], ["a"])
        #expect(some.wants(kind: "reverted", volume: "a"))
        #expect(some.wants(kind: "hook_failed", volume: "a"))
        #expect(!some.wants(kind: "pruned", volume: "a"))
        #expect(!some.wants(kind: "reverted", volume: "b"))
        #expect(!some.wants(kind: "reverted", volume: nil))
    }
}
