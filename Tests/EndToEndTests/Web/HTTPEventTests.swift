import Foundation
import SnapshotModel
import TestKit
import WebTestKit
import Testing

/// Events as they happen, over HTTP.
@Suite(
    .serialized, .timeLimit(.minutes(10)),
    .enabled(if: CommandLineHarness.isBuilt, "needs a build"))
struct HTTPEventTests {
    private func scene() throws -> WebScene {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "a", "--origin", "a.img", "--create-size", "1M")
        return try WebScene(harness)
    }

    /// Somebody who follows.
    private struct Follower {
        let connection: HTTPConnection
        private var text = ""

        init(_ path: String, _ query: String = "", lastSeen: Int? = nil) throws {
            connection = try HTTPConnection(path)
            let field = lastSeen.map { "Last-Event-ID: \($0)\r\n" } ?? ""
            // As it is, without chunks.
            connection.send(
                "GET /api/v1/events/stream\(query) HTTP/1.0\r\nHost: localhost\r\n\(field)\r\n")
        }

        /// The numbers of all events that have come, when there are so many.
        mutating func ids(_ count: Int) throws -> [Int] {
            let deadline = Instant.now + Instant.patience
            while Instant.now < deadline {
                let found = ids
                if found.count >= count { return found }
                guard let data = connection.receive(), !data.isEmpty else { break }
                text += String(decoding: data, as: UTF8.self)
            }
            throw Problem(
                .failed, "of \(count) events, \(ids.count) have come: \(text.suffix(500))")
        }

        /// Of whole events.
        private var ids: [Int] {
            text.components(separatedBy: "\n\n").dropLast()
                .compactMap { block in
                    let line = block.components(separatedBy: "\n").first { $0.hasPrefix("id: ") }
                    return line.flatMap { Int($0.dropFirst(4)) }
                }
        }

        /// Until the answer has begun: what happens then is news.
        mutating func begin() throws {
            while !text.contains("retry: ") {
                guard let data = connection.receive(), !data.isEmpty else {
                    throw Problem(.failed, "no answer: \(text)")
                }
                text += String(decoding: data, as: UTF8.self)
            }
        }
    }

    private func newest(_ scene: WebScene) throws -> Int {
        let events = try scene.harness.json("events", "--limit", "1")["events"] as? [[String: Any]]
        return events?.last?["id"] as? Int ?? 0
    }

    @Test("who follows hears what other processes do, and nothing of before")
    func news() throws {
        let scene = try scene()
        try scene.startDaemon()
        let before = try newest(scene)
        var follower = try Follower(scene.socket)
        try follower.begin()
        for _ in 0..<3 { try scene.harness.json("snapshot", "a") }
        let ids = try follower.ids(3)
        #expect(ids == Array(before + 1...before + ids.count))
    }

    @Test("who comes back goes on where he was, also when the daemon was away")
    func replay() throws {
        let scene = try scene()
        let first = try scene.startDaemon()
        var follower = try Follower(scene.socket, "?after=0")
        let seen = try follower.ids(1)
        try scene.harness.json("snapshot", "a")
        first.send(SIGTERM)
        #expect(try first.wait() == 0)
        for _ in 0..<5 { try scene.harness.json("snapshot", "a") }
        try scene.startDaemon()
        let newest = try newest(scene)
        let last = try #require(seen.last)
        // The field goes before the address, which a browser keeps.
        var again = try Follower(scene.socket, "?after=0", lastSeen: last)
        #expect(try again.ids(newest - last) == Array(last + 1...newest))
        // What the log does not have is another log's: then all of it is news.
        var other = try Follower(scene.socket, "?after=100000")
        #expect(try other.ids(newest) == Array(1...newest))
    }

    @Test("who is ahead of the other followers is sent nothing again")
    func ahead() throws {
        let scene = try scene()
        try scene.startDaemon()
        var first = try Follower(scene.socket)
        try first.begin()
        for _ in 0..<5 {
            try scene.harness.json("snapshot", "a")
            let newest = try newest(scene)
            var ahead = try Follower(scene.socket, "?after=\(newest)")
            try ahead.begin()
            try scene.harness.json("snapshot", "a")
            #expect(try ahead.ids(1).first == newest + 1)
        }
    }

    @Test("many followers hear everything once")
    func crowd() throws {
        let scene = try scene()
        try scene.startDaemon()
        let before = try newest(scene)
        var followers = try (0..<200).map { _ in try Follower(scene.socket, "?after=\(before)") }
        for _ in 0..<10 { try scene.harness.json("snapshot", "a") }
        let newest = try newest(scene)
        for index in followers.indices {
            #expect(try followers[index].ids(newest - before) == Array(before + 1...newest))
        }
    }

    @Test("where to begin is a number")
    func nonsense() throws {
        let scene = try scene()
        try scene.startDaemon()
        for (query, fields) in [
            ("?after=x", [:]), ("?after=-1", [:]), ("", ["Last-Event-ID": "x"]),
        ] as [(String, [String: String])] {
            let answer = try scene.client.get("/api/v1/events/stream" + query, fields)
            #expect(answer.status == 400, "\(query) \(fields)")
        }
    }
}
