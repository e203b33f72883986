import Foundation
import Participation
import SnapshotModel
import System
import Testing

/// Commands and the service that knows the participants, on their socket.
@Suite final class ServerTests {
    private let folder: String
    private let registry = ParticipantRegistry()
    private let caller = FakeCaller()
    private let server: ParticipantServer

    init() throws {
        folder = NSTemporaryDirectory() + "snapmgr-rounds-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        server = try ParticipantServer.start(folder: folder, registry: registry, caller: caller)
    }

    deinit {
        server.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    private func join() throws -> Int64 {
        try registry.add(Participant(id: 0, who: "one", freezeMilliseconds: 200)).id
    }

    private func client() throws -> ParticipantClient {
        try #require(try ParticipantClient.connect(folder: folder))
    }

    @Test("a command has participants prepare, freeze and thaw, and hears of each")
    func round() throws {
        let id = try join()
        let client = try client()
        #expect(try client.begin(.snapshot, volumes: ["a"]).map(\.id) == [id])
        #expect(try client.prepare().map(\.reason) == [nil])
        #expect(try client.freeze().map(\.reason) == [nil])
        #expect(try client.thaw(succeeded: true).map(\.reason) == [nil])
        try client.conclude([SnapshotID(rawValue: 3)], .app)
        #expect(caller.log.suffix(3) == ["thaw \(id)", "ends", "taken"])
    }

    @Test("a command that ends leaves nobody at rest")
    func killed() throws {
        let id = try join()
        var client: ParticipantClient? = try client()
        _ = try client?.begin(.snapshot, volumes: ["a"])
        _ = try client?.prepare()
        _ = try client?.freeze()
        #expect(caller.debts.count == 1)
        client = nil
        #expect(caller.awaitNote("thaw-failed \(id)"))
        #expect(caller.awaitNote("ends"))
        #expect(caller.debts.isEmpty)
    }

    @Test("a command that takes too long leaves nobody at rest, and hears of it")
    func ceiling() throws {
        let id = try join()
        let client = try client()
        _ = try client.begin(.snapshot, volumes: ["a"])
        _ = try client.prepare()
        let start = SystemClock().monotonicNanoseconds()
        _ = try client.freeze()
        #expect(caller.awaitNote("thaw-failed \(id)"))
        let seconds = Double(SystemClock().monotonicNanoseconds() - start) / 1e9
        #expect((9.5..<12).contains(seconds), "\(seconds)")
        let reason = try client.thaw(succeeded: true).first?.reason
        #expect(reason == "it was to be at rest for longer than it may be")
    }

    @Test("a command that is to end does not wait for programs, and asks nothing more")
    func interrupted() throws {
        let id = try registry.add(
            Participant(id: 0, who: "slow", prepareMilliseconds: 5_000, freezeMilliseconds: 200)
        ).id
        caller.behave(id) { call in if case .prepare = call { nil } else { .yes } }
        let isDue = Monitored(false)
        let client = try #require(
            try ParticipantClient.connect(folder: folder) {
                isDue.withLock { $0 } ? Problem(.interrupted, "interrupted") : nil
            })
        _ = try client.begin(.snapshot, volumes: ["a"])
        isDue.withLock { $0 = true }
        let start = SystemClock().monotonicNanoseconds()
        #expect(throws: Problem.self) { try client.prepare() }
        #expect(SystemClock().monotonicNanoseconds() - start < 5_000_000_000)
        let error = #expect(throws: Problem.self) { try client.thaw(succeeded: true) }
        #expect(error?.code == .interrupted)
    }

    @Test("without a service there are no participants")
    func nobody() throws {
        #expect(try ParticipantClient.connect(folder: folder + "/none") == nil)
        server.stop()
        #expect(try ParticipantClient.connect(folder: folder) == nil)
    }

    @Test("a service that ends has everybody go on")
    func stopped() throws {
        let id = try join()
        let client = try client()
        _ = try client.begin(.snapshot, volumes: ["a"])
        _ = try client.prepare()
        _ = try client.freeze()
        server.stop()
        #expect(caller.log.contains("thaw-failed \(id)"))
        #expect(throws: Problem.self) { try client.thaw(succeeded: true) }
    }
}
