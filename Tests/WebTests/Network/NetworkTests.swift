import Catalog
import Foundation
import Glibc
import Manager
import SnapshotModel
import System
import TestKit
import Testing
import WebTestKit

@testable import Web

/// Who is let in over the network, and by what.
@Suite(.serialized, .timeLimit(.minutes(5))) struct NetworkTests {
    @Test("who shows nothing gets the page and what needs no role, and is told what to show")
    func strangers() throws {
        let scene = try NetworkScene()
        for path in ["/", "/assets/app.js", "/healthz", "/api/v1/openapi.json"] {
            #expect(try scene.client.get(path).status == 200, "\(path)")
        }
        for path in ["/api/v1/session", "/api/v1/volumes", "/metrics", "/api/v1/events/stream"] {
            let answer = try scene.client.get(path)
            #expect(answer.status == 401, "\(path)")
            #expect(answer.fields["www-authenticate"] == "Bearer")
            #expect(answer.text.contains(#""code":"unauthorized""#), "\(answer.text)")
        }
        let change = try scene.client.request("POST", "/api/v1/prune", body: "{}")
        #expect(change.status == 401)
    }

    @Test("a token lets in for what its role says, and is known by its name")
    func roles() throws {
        let scene = try NetworkScene()
        let token = try scene.makeToken("anna", .read)
        let session = try scene.get("/api/v1/session", token: token)
        #expect(
            session.text
                == #"{"name":"anna","role":"read","expires_at":null,"how":"token"}"# + "\n")
        #expect(try scene.get("/api/v1/volumes", token: token).status == 200)
        let fields = ["Authorization": "bearer \(token)"]
        let refused = try scene.client.request("POST", "/api/v1/prune", fields, body: "{}")
        #expect(refused.status == 403)
        let operators = ["Authorization": "Bearer \(try scene.makeToken("ops", .operate))"]
        let done = try scene.client.request("POST", "/api/v1/prune", operators, body: "{}")
        #expect(done.status == 200, "\(done.text)")
        let jobs = try scene.get("/api/v1/jobs", token: token).text
        #expect(jobs.contains(#""token":"ops""#), "\(jobs)")
        #expect(try scene.tokens.list().map { $0.lastUsedAt != nil } == [true, true])
    }

    @Test("nothing that the state keeps has the secret in it, or lets in")
    func secrecy() throws {
        let scene = try NetworkScene()
        let token = try scene.makeToken()
        let secret = try #require(token.split(separator: "_").last)
        let names = try FileManager.default.subpathsOfDirectory(atPath: scene.folder.path)
        for name in names {
            let path = scene.folder.path + "/" + name
            guard let data = FileManager.default.contents(atPath: path) else { continue }
            #expect(data.range(of: Data(secret.utf8)) == nil, "\(name)")
        }
        let path = scene.folder.path + "/http-tokens.json"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(try mode(path) == 0o600)
        let digest = try #require(text.matches(of: /"digest":"([0-9a-f]{64})"/).first).1
        let id = try #require(token.split(separator: "_").dropFirst().first)
        #expect(try scene.get("/metrics", token: "snapmgr_\(id)_\(digest)").status == 401)
    }

    private func mode(_ path: String) throws -> mode_t {
        var status = stat()
        #expect(stat(path, &status) == 0)
        return status.st_mode & 0o777
    }

    @Test("a token that has expired, or was revoked, lets nobody in from then on")
    func ends() throws {
        let scene = try NetworkScene()
        let short = try scene.makeToken("short", seconds: 3_600)
        let long = try scene.makeToken("long")
        #expect(try scene.get("/metrics", token: short).status == 200)
        scene.clock.advance(seconds: 3_601)
        #expect(try scene.get("/metrics", token: short).status == 401)
        #expect(try scene.get("/metrics", token: long).status == 200)
        _ = try scene.tokens.revoke(["long"], isDryRun: true)
        #expect(try scene.get("/metrics", token: long).status == 200)
        _ = try scene.tokens.revoke(["long"], isDryRun: false)
        #expect(try scene.get("/metrics", token: long).status == 401)
    }

    @Test("what is no file of tokens lets nobody in")
    func damage() throws {
        let scene = try NetworkScene()
        let token = try scene.makeToken()
        #expect(try scene.get("/metrics", token: token).status == 200)
        let path = scene.folder.path + "/http-tokens.json"
        for text in ["{", #"{"version":2,"tokens":[]}"#, ""] {
            try Data(text.utf8).write(to: URL(filePath: path))
            #expect(try scene.get("/metrics", token: token).status == 500, "\(text)")
        }
        try FileManager.default.removeItem(atPath: path)
        #expect(try scene.get("/metrics", token: token).status == 401)
    }

    @Test("who follows events hears no more once his token is revoked")
    func revokedFollower() throws {
        let scene = try NetworkScene()
        let token = try scene.makeToken()
        let follower = try HTTPConnection(port: scene.port)
        follower.send(
            "GET /api/v1/events/stream?after=0 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer \(token)\r\n\r\n"
        )
        let head = try #require(follower.receive())
        #expect(String(decoding: head, as: UTF8.self).hasPrefix("HTTP/1.1 200"))
        _ = try scene.tokens.revoke(["anna"], isDryRun: false)
        // Something that he would be told.
        let catalog = try CatalogStore(
            path: StateFolder(path: scene.folder.path).catalogPath, now: { SystemClock().now() })
        try catalog.record(Event(.info, kind: "test", message: "secret"))
        let rest = try rest(of: follower)
        #expect(!rest.contains("secret"), "\(rest)")
    }

    /// Until the answer's last chunk.
    private func rest(of connection: HTTPConnection) throws -> String {
        var text = ""
        while !text.hasSuffix("0\r\n\r\n"), let next = connection.receive(), !next.isEmpty {
            text += String(decoding: next, as: UTF8.self)
        }
        return text
    }

    @Test("every address of the machine is that of IPv4, too, each family by a socket of its own")
    func families() throws {
        let scene = try NetworkScene(host: "[::]")
        let answered = scene.service.ports.filter { port in
            (try? HTTPClient(port: port).get("/healthz").status) == 200
        }
        #expect(!answered.isEmpty, "\(scene.service.ports)")
        let hasIPv6 = FileManager.default.fileExists(atPath: "/proc/net/if_inet6")
        #expect(scene.service.ports.count == (hasIPv6 ? 2 : 1))
        let notes = scene.notes.withLock { $0 }
        #expect(notes.count == 1 && notes[0].contains("without TLS"), "\(notes)")
    }

    @Test("uses of tokens that come at once are all written down")
    func uses() throws {
        let scene = try NetworkScene()
        let secrets = try (0..<64).map { try scene.makeToken("t\($0)") }
        let book = TokenBook(state: scene.folder.path, clock: scene.clock)
        let ids = try secrets.map { secret in
            let id = try #require(TokenSecret(secret)?.id)
            _ = try book.token(id)
            return id
        }
        DispatchQueue.concurrentPerform(iterations: ids.count) { book.noteUse(of: ids[$0]) }
        let unused = try scene.tokens.list().filter { $0.lastUsedAt == nil }
        #expect(unused.isEmpty, "\(unused.map(\.token.name))")
    }

    @Test("who shows wrong tokens is kept waiting, and keeps nobody else waiting")
    func failures() throws {
        let scene = try NetworkScene()
        let token = try scene.makeToken()
        let cookie = try scene.signIn(token)
        for number in 0..<SignInLimits.failuresMaximum {
            #expect(try scene.get("/metrics", token: "wrong-\(number)").status == 401)
        }
        let blocked = try scene.get("/metrics", token: "wrong")
        #expect(blocked.status == 429)
        #expect(blocked.fields["retry-after"] == "30")
        let form = try scene.client.request(
            "POST", "/api/v1/session", body: #"{"token": "wrong"}"#)
        #expect(form.status == 429)
        let notes = scene.notes.withLock { $0 }.filter { $0.contains("wrong tokens") }
        #expect(notes == ["many wrong tokens came from 127.0.0.1"])
        // Others at the same address, as all behind a proxy, are let in, and so is what needs nothing.
        #expect(try scene.get("/metrics", token: token).status == 200)
        _ = try scene.signIn(token)
        #expect(try scene.status("/metrics", cookie: cookie) == 200)
        #expect(try scene.client.get("/healthz").status == 200)
        scene.clock.advance(seconds: 31)
        #expect(try scene.get("/metrics", token: "wrong").status == 401)
    }

    @Test(
        "strangers who say nothing keep out nobody: not others, nor who has a token, nor the socket's"
    )
    func crowd() throws {
        var limits = WebLimits()
        limits.networkConnections = 3
        let scene = try NetworkScene(limits, withSocket: true)
        let (known, token) = (try HTTPConnection(port: scene.port), try scene.makeToken())
        func isAnswered() -> Bool {
            known.send(
                "GET /healthz HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer \(token)\r\n\r\n")
            return known.receive()?.isEmpty == false
        }
        #expect(isAnswered())
        let silent = try (0..<3).map { _ in try HTTPConnection(port: scene.port) }
        #expect(try scene.client.get("/healthz").status == 200)
        #expect(try silent[0].rest().isEmpty)
        #expect(isAnswered())
        let socket = HTTPClient(path: scene.folder.path + "/http.sock")
        #expect(try socket.get("/api/v1/volumes").status == 200)
        withExtendedLifetime(silent) {}
    }

    @Test("a request of one token is not the same one of another, whatever its key")
    func keys() throws {
        let scene = try NetworkScene()
        let tokens = try ["a", "b"].map { try scene.makeToken($0, .operate) }
        let places = try tokens.map { token in
            let answer = try scene.client.request(
                "POST", "/api/v1/prune",
                [
                    "Authorization": "Bearer \(token)", "Idempotency-Key": "k",
                    "Prefer": "wait=0",
                ], body: "{}")
            return answer.fields["location"] ?? answer.text
        }
        let jobs = try scene.get("/api/v1/jobs", token: tokens[0]).text
        #expect(jobs.matches(of: /"kind":"prune"/).count == 2, "\(places) \(jobs)")
    }
}

/// Browsers' sessions.
@Suite(.serialized, .timeLimit(.minutes(5))) struct NetworkSessionTests {
    @Test("a token begins a session, whose cookie no script and no other site has")
    func cookie() throws {
        let scene = try NetworkScene()
        let token = try scene.makeToken("anna", .operate)
        let answer = try scene.client.request(
            "POST", "/api/v1/session", body: #"{"token": "\#(token)"}"#)
        let field = try #require(answer.fields["set-cookie"])
        for word in [
            "__Host-snapmgr=", "Secure", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200",
        ] {
            #expect(field.contains(word), "\(word)")
        }
        #expect(!field.contains(token) && !field.contains("Domain"))
        let cookie = String(field.prefix { $0 != ";" })
        let session = try scene.client.get("/api/v1/session", ["Cookie": "a=b; \(cookie); c=d"])
        #expect(session.text.contains(#""name":"anna","role":"operate""#), "\(session.text)")
        #expect(session.text.contains(#""how":"cookie""#))
        #expect(try scene.status("/metrics", cookie: cookie) == 200)
        #expect(try scene.status("/metrics", cookie: cookie + "0") == 401)
    }

    @Test("a session ends when it rests, after half a day, with its token, and when it is told to")
    func ends() throws {
        let scene = try NetworkScene()
        let token = try scene.makeToken()
        let resting = try scene.signIn(token)
        scene.clock.advance(seconds: WebSessions.idleSeconds + 1)
        #expect(try scene.status("/metrics", cookie: resting) == 401)

        let long = try scene.signIn(token)
        let step: Int64 = 1_200
        for _ in 0..<(WebSessions.longestSeconds / step - 1) {
            scene.clock.advance(seconds: step)
            #expect(try scene.status("/metrics", cookie: long) == 200)
        }
        scene.clock.advance(seconds: step)
        #expect(try scene.status("/metrics", cookie: long) == 401)

        let told = try scene.signIn(token)
        let own = ["Cookie": told, "Sec-Fetch-Site": "same-origin"]
        let out = try scene.client.request("DELETE", "/api/v1/session", own)
        #expect(out.status == 200 && out.fields["set-cookie"]?.contains("Max-Age=0") == true)
        #expect(try scene.status("/metrics", cookie: told) == 401)

        let replaced = try scene.signIn(token)
        let again = try scene.client.request(
            "POST", "/api/v1/session", ["Cookie": replaced, "Sec-Fetch-Site": "same-origin"],
            body: #"{"token": "\#(token)"}"#)
        #expect(again.status == 200)
        #expect(try scene.status("/metrics", cookie: replaced) == 401)

        let last = try scene.signIn(token)
        _ = try scene.tokens.revoke(["anna"], isDryRun: false)
        #expect(try scene.status("/metrics", cookie: last) == 401)
        // The page is there to ask for another one.
        #expect(try scene.status("/", cookie: last) == 200)
    }

    @Test("what a page asks by itself while nobody is there has no session go on")
    func unattended() throws {
        let scene = try NetworkScene()
        let token = try scene.makeToken()
        func status(_ cookie: String, _ fields: [String: String]) throws -> Int {
            try scene.client.get("/metrics", fields.merging(["Cookie": cookie]) { $1 }).status
        }
        for fields in [["X-Snapmgr-Unattended": "1"], ["Accept": "text/event-stream"]] {
            let cookie = try scene.signIn(token)
            scene.clock.advance(seconds: WebSessions.idleSeconds - 60)
            #expect(try status(cookie, fields) == 200)
            scene.clock.advance(seconds: 61)
            #expect(try status(cookie, fields) == 401)
        }
    }

    @Test("a change by a cookie is the page's own, and says so; one by a token need not")
    func foreignChanges() throws {
        let scene = try NetworkScene()
        let token = try scene.makeToken("anna", .operate)
        let cookie = ["Cookie": try scene.signIn(token)]
        func status(_ fields: [String: String]) throws -> Int {
            try scene.client.request(
                "POST", "/api/v1/merges/pause", fields, body: "{}"
            ).status
        }
        func with(_ more: [String: String]) -> [String: String] {
            cookie.merging(more) { $1 }
        }
        #expect(try status(cookie) == 403)
        #expect(try status(with(["Origin": "https://evil.example"])) == 403)
        #expect(try status(with(["Origin": "null"])) == 403)
        #expect(try status(with(["Sec-Fetch-Site": "cross-site"])) == 403)
        #expect(try status(with(["Sec-Fetch-Site": "same-site"])) == 403)
        #expect(try status(with(["Sec-Fetch-Site": "none"])) == 403)
        #expect(try status(with(["Origin": "http://localhost"])) == 200)
        #expect(try status(with(["Sec-Fetch-Site": "same-origin"])) == 200)
        #expect(try status(["Authorization": "Bearer \(token)"]) == 200)
        // Nor does a page of another site sign anybody in.
        let foreign = try scene.client.request(
            "POST", "/api/v1/session", ["Origin": "https://evil.example"],
            body: #"{"token": "\#(token)"}"#)
        #expect(foreign.status == 403)
    }

    @Test("on a Unix socket there are no sessions, and tokens mean nothing")
    func socket() throws {
        let scene = try NetworkScene(withSocket: true)
        let token = try scene.makeToken()
        let client = HTTPClient(path: scene.folder.path + "/http.sock")
        let answer = try client.request(
            "POST", "/api/v1/session", body: #"{"token": "\#(token)"}"#)
        #expect(answer.status == 409)
        #expect(try client.get("/metrics", ["Authorization": "Bearer wrong"]).status == 200)
    }
}
