import SnapshotModel
import System
import TestKit
import Testing

@testable import Web

/// What only reckons: limits, sessions, secrets, addresses.
@Suite struct AccessValueTests {
    private static let second: Int64 = 1_000_000_000

    @Test("who is wrong too often waits; half a minute forgives one time")
    func forgiving() {
        var limits = SignInLimits()
        for _ in 0..<SignInLimits.failuresMaximum {
            #expect(limits.mayTry("a", token: nil, at: 0))
            limits.fail("a", token: nil, at: 0)
        }
        #expect(!limits.mayTry("a", token: nil, at: 29 * Self.second))
        #expect(limits.mayTry("b", token: nil, at: 0))
        #expect(limits.mayTry("a", token: nil, at: 31 * Self.second))
        limits.fail("a", token: nil, at: 31 * Self.second)
        #expect(!limits.mayTry("a", token: nil, at: 32 * Self.second))
        #expect(limits.mayTry("a", token: nil, at: .max))
    }

    @Test("one too many is told once, until all are forgiven")
    func telling() {
        var limits = SignInLimits()
        func told(_ count: Int, at second: Int64) -> Int {
            (0..<count).count { _ in
                limits.fail("a", token: nil, at: second * Self.second)
            }
        }
        #expect(told(SignInLimits.failuresMaximum - 1, at: 0) == 0)
        #expect(told(1, at: 0) == 1)
        #expect(told(1, at: 31) == 0)
        #expect(told(SignInLimits.failuresMaximum - 1, at: 1_000) == 0)
        #expect(told(1, at: 1_000) == 1)
    }

    @Test("a clock that is set back gives no token its life back")
    func clockSetBack() {
        let made = Timestamp(clampingSeconds: 1_000_000)
        var token = WebToken(
            id: "", name: "", roleWord: "read", digest: "", createdAt: made, createdBy: "",
            expiresAt: made.advanced(bySeconds: 3_600))
        #expect(!token.hasExpired(at: made.advanced(bySeconds: 3_599)))
        #expect(token.hasExpired(at: made.advanced(bySeconds: 3_600)))
        #expect(!token.hasExpired(at: made.advanced(bySeconds: -3_600)))
        #expect(token.hasExpired(at: made.advanced(bySeconds: -100_000)))
        token.expiresAt = nil
        #expect(!token.hasExpired(at: made.advanced(bySeconds: -100_000)))
    }

    @Test("a token that many guess at is tried by nobody who was wrong before, and by its owner")
    func ofToken() {
        var limits = SignInLimits()
        for number in 0..<SignInLimits.failuresMaximum {
            limits.fail("stranger-\(number)", token: "t", at: 0)
        }
        #expect(!limits.mayTry("stranger-0", token: "t", at: 1))
        #expect(limits.mayTry("stranger-0", token: "other", at: 1))
        #expect(limits.mayTry("owner", token: "t", at: 1))
    }

    @Test("a crowd takes no more memory than a table has, and the latest are kept in mind")
    func crowd() {
        var limits = SignInLimits(countMaximum: 64)
        for number in 0..<10_000 {
            limits.fail("a\(number)", token: "t\(number)", at: Int64(number))
            #expect(limits.knownCount <= 64)
        }
        for _ in 0..<9 { limits.fail("a9999", token: nil, at: 10_000) }
        #expect(!limits.mayTry("a9999", token: nil, at: 10_000))
    }

    @Test("there are so many sessions of a token, and the one that rested longest makes room")
    func sessions() {
        var sessions = WebSessions()
        for number in 0..<WebSessions.countOfToken {
            sessions.begin("s\(number)", token: "t", at: Int64(number))
        }
        #expect(sessions.use("s0", at: 100) != nil)
        sessions.begin("new", token: "t", at: 101)
        #expect(sessions.count == WebSessions.countOfToken)
        #expect(sessions.look("s0", at: 102) != nil && sessions.look("s1", at: 102) == nil)
        for number in 0..<2_000 {
            sessions.begin("o\(number)", token: "o\(number)", at: 200)
        }
        #expect(sessions.count == WebSessions.countMaximum)
        // Looking alone does not keep one alive.
        let idle = WebSessions.idleSeconds * Self.second
        #expect(sessions.look("o1999", at: 200 + idle - 1) != nil)
        #expect(sessions.look("o1999", at: 200 + idle) == nil)
    }

    @Test("a secret has the form that it has, and no two are the same")
    func secrets() throws {
        let secrets = (0..<100).map { _ in TokenSecret() }
        #expect(Set(secrets.map(\.text)).count == 100 && Set(secrets.map(\.id)).count == 100)
        let text = secrets[0].text
        #expect(TokenSecret(text)?.id == secrets[0].id)
        #expect(text.utf8.count == 8 + 16 + 1 + 64)
        for wrong in [
            "", "snapmgr_", String(text.dropLast()), text + "0", text.uppercased(),
            "x" + text, text.replacing("_", with: "-"), String(repeating: "a", count: 1 << 16),
        ] {
            #expect(TokenSecret(wrong) == nil, "\(wrong.prefix(90))")
        }
    }

    @Test("sums are compared whole")
    func sums() {
        #expect(SecretSum.isSame("abc", "abc") && SecretSum.isSame("", ""))
        for wrong in ["abd", "bbc", "ab", "abcd", ""] {
            #expect(!SecretSum.isSame("abc", wrong))
        }
    }

    @Test("an address of the network is read, and is not served without TLS unasked")
    func addresses() throws {
        func address(_ text: String) throws(Problem) -> NetworkAddress {
            try NetworkAddress(text, certificates: "/tls", isInsecure: false)
        }
        let plain = try address("tcp:192.0.2.7:8443")
        #expect(plain.host == "192.0.2.7" && plain.port == 8443)
        #expect(try address("tcp:[::]:443").host == "::")
        #expect(try address("tcp:[::1]:443").text == "tcp:[::1]:443")
        for text in [
            "tcp:", "tcp:host", "tcp::80", "tcp:host:0", "tcp:host:65536", "tcp:host:x",
            "tcp:::1:80", "tcp:[::1]", "tcp:[]:80", "tcp:a b:80", "unix", "192.0.2.7:80",
            "tcp:host:99999999999999999999",
        ] {
            #expect(throws: Problem.self, "\(text)") { _ = try address(text) }
        }
        let insecure = { (certificates: String?, isInsecure: Bool) throws(Problem) in
            try NetworkAddress(
                "tcp:127.0.0.1:80", certificates: certificates, isInsecure: isInsecure)
        }
        do throws(Problem) {
            _ = try insecure(nil, false)
            Issue.record("loopback is served without TLS")
        } catch {
            #expect(error.code == .refused)
        }
        #expect(try insecure(nil, true).text == "tcp:127.0.0.1:80, without TLS")
        #expect(throws: Problem.self) { _ = try insecure("/tls", true) }
    }

    @Test("tokens have names that can stand anywhere, each once, and there are so many")
    func names() throws {
        let folder = TemporaryFolder()
        let tokens = WebTokens(state: folder.path)
        func make(_ name: String) throws {
            let request = WebTokens.Request(
                name: name, role: .read, seconds: nil, creator: "test")
            _ = try tokens.create(request, isDryRun: false)
        }
        for name in ["", "a b", "-a", "a/b", "ä", "a\n", String(repeating: "a", count: 65)] {
            #expect(throws: Problem.self, "\(name)") { try make(name) }
        }
        for number in 0..<TokenFile.countMaximum { try make("t\(number)") }
        #expect(throws: Problem.self) { try make("one-more") }
        #expect(throws: Problem.self) { _ = try tokens.revoke(["t0", "none"], isDryRun: false) }
        #expect(try tokens.list().count == TokenFile.countMaximum)
        _ = try tokens.revoke(["t0", "t1"], isDryRun: false)
        try make("t0")
        #expect(throws: Problem.self) { try make("t0") }
    }
}
