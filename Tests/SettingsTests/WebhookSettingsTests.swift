import SnapshotModel
import Testing

@testable import Settings

@Suite struct WebhookSettingsTests {
    private static func table(_ lines: String...) -> String {
        (["[webhook.siem]"] + lines).joined(separator: "\n") + "\n"
    }

    private static let url = "url = \"https://host/a\""
    private static let secret = "secret-file = \"/etc/secret\""

    @Test("a webhook has what its table says, and defaults")
    func values() throws {
        let plain = try #require(
            try Settings.load(Self.table(Self.url, Self.secret)).webhooks["siem"])
        #expect(plain.peer.address.place == "https://host" && plain.secretPath == "/etc/secret")
        #expect(plain.peer.timeoutMilliseconds == 10_000 && plain.giveUpSeconds == 86_400)
        #expect(plain.events.isEmpty && plain.volumes.isEmpty && plain.peer.authorityPath == nil)
        let full = try #require(
            try Settings.load(
                Self.table(
                    "url = \"http://host/a\"", Self.secret, "insecure = true",
                    "events = [\"pruned\", \"*_failed\"]", "volumes = [\"a\"]", "timeout = \"1s\"",
                    "give-up = \"7d\"")
            ).webhooks["siem"])
        #expect(full.events == ["pruned", "*_failed"] && full.volumes == ["a"])
        #expect(full.peer.isPlainAllowed && full.peer.timeoutMilliseconds == 1_000)
        #expect(full.giveUpSeconds == 7 * 86_400)
        #expect(try Settings.load("time-zone = \"UTC\"\n").webhooks.isEmpty)
    }

    @Test(
        "what is wrong is told",
        arguments: [
            (table(secret), "webhook.siem has no url"),
            (table(url), "webhook.siem has no secret-file"),
            (table("url = \"host\"", secret), "webhook.siem.url: it begins with https://"),
            (
                table("url = \"http://host/\"", secret),
                "webhook.siem.url goes over the network without TLS"
            ),
            (table(url, "secret-file = \"secret\""), "is not an absolute path"),
            (table(url, secret, "events = [\"prunde\"]"), "there is no event \"prunde\""),
            (table(url, secret, "events = [\"x*\"]"), "there is no event \"x*\""),
            (table(url, secret, "timeout = \"2m\""), "webhook.siem.timeout is 2m"),
            (table(url, secret, "give-up = \"1s\""), "webhook.siem.give-up is 1s"),
            (table(url, secret, "colour = 1"), "unknown key \"colour\""),
            (
                table("url = \"http://127.0.0.1/\"", secret, "ca-file = \"/a.pem\""),
                "webhook.siem.ca-file is of no use"
            ),
        ])
    func flaws(text: String, expected: String) {
        let errors = Settings.errors(text)
        #expect(errors.count == 1 && errors.first?.contains(expected) == true, "\(errors)")
    }

    @Test("this machine may be reached without TLS")
    func loopback() throws {
        _ = try Settings.load(Self.table("url = \"http://localhost:8080/\"", Self.secret))
    }
}
