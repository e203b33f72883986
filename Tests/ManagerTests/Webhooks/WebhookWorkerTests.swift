import Foundation
import Glibc
import Settings
import SnapshotModel
import System
import Testing
import WebTestKit

@testable import Manager

/// A daemon's part that sends events, in this process, over a log that a test writes.
private final class WebhookScene {
    let fixture: ManagerFixture
    let manager: Manager
    private let settings = Monitored<[String: Webhook]>([:])
    private var dispatch: WebhookDispatch?

    init() throws {
        fixture = try ManagerFixture()
        let settings = settings
        var options = fixture.options
        options.operation.settings = SettingsSource {
            var known = Settings(defaults: SettingsDefaults())
            known.webhooks = settings.withLock { $0 }
            return known
        }
        manager = try Manager(options)
        let path = fixture.folder + "/secret"
        try Data("0123456789abcdef\n".utf8).write(to: URL(filePath: path))
        chmod(path, 0o600)
    }

    deinit { dispatch?.stop() }

    func add(
        _ name: String, _ receiver: TestReceiver, events: [String] = [],
        timeoutMilliseconds: Int = 10_000
    ) throws {
        let peer = PostPeer(
            try PostAddress(receiver.url), timeoutMilliseconds: timeoutMilliseconds)
        let webhook = Webhook(
            name: name, peer: peer, secretPath: fixture.folder + "/secret", events: events)
        settings.change { $0[name] = webhook }
    }

    func start() throws {
        let (settings, clock) = (settings, fixture.clock)
        dispatch = try manager.webhooks.begin(agent: "test/1") {
            Operation(
                clock: clock,
                settings: SettingsSource {
                    var known = Settings(defaults: SettingsDefaults())
                    known.webhooks = settings.withLock { $0 }
                    return known
                })
        }
    }

    func stop() {
        dispatch?.stop()
        dispatch = nil
    }

    /// Waits until a webhook is so far.
    func require(_ name: String, at event: Int64) throws {
        try #require(try wait(name) { $0.lastEvent == event })
    }

    /// Runs one sender alone, that knows of the log what it is told, and stops it behind the body.
    func alone(_ name: String, newest: Int64, _ body: (WebhookWorker) throws -> Void) throws {
        let webhook = try #require(settings.withLock { $0[name] })
        let worker = WebhookWorker(
            webhook, manager.webhooks.context, newest: newest, agent: "test/1")
        let thread = try BackgroundThread.startIfPossible(name: "alone") { worker.run() }
        defer {
            worker.stop()
            thread.join()
        }
        try body(worker)
    }

    /// Makes a record, as one that was begun when the log was empty.
    func begin(_ name: String, _ change: (inout WebhookRecord) -> Void = { _ in }) throws {
        try WebhookFolder(fixture.options.state).change(name) { record in
            var new = WebhookRecord(lastEvent: 0)
            change(&new)
            record = new
        }
    }

    func record(_ name: String) throws -> WebhookRecord? {
        try WebhookFolder(fixture.options.state).record(name)
    }

    func log(_ count: Int, _ kind: EventKind = .pruned) throws {
        for number in 0..<count { try manager.events.note(kind, "event \(number)") }
    }

    /// Waits until a record is as it is meant to be; false when it is not within a minute.
    func wait(_ name: String, until isEnough: (WebhookRecord) -> Bool) throws -> Bool {
        let deadline = Deadline(milliseconds: 60_000)
        while !deadline.hasPassed {
            if let record = try record(name), isEnough(record) { return true }
            BackgroundThread.sleep(milliseconds: 20)
        }
        return false
    }
}

extension TestReceiver.Request {
    /// The event's number.
    fileprivate var number: Int? {
        ((try? JSONSerialization.jsonObject(with: body)) as? [String: Any])?["id"] as? Int
    }
}

@Suite("Webhooks are sent what the log tells", .timeLimit(.minutes(5)))
struct WebhookWorkerTests {
    @Test("what fails comes again, in its order, and the others are not held up")
    func order() throws {
        let scene = try WebhookScene()
        let failing = try TestReceiver { count, _ in
            switch count {
            case 0: .status(500)
            case 1: .status(302, ["Location": "/elsewhere"])
            default: .status(204)
            }
        }
        let silent = try TestReceiver { _, _ in .silence }
        let good = try TestReceiver { _, _ in .status(200) }
        for (name, receiver) in [("failing", failing), ("silent", silent), ("good", good)] {
            try scene.add(name, receiver)
            try scene.begin(name)
        }
        try scene.log(3)
        try scene.start()
        #expect(good.wait { $0.count >= 3 })
        #expect(try scene.wait("good") { $0.lastEvent == 3 })
        #expect(try scene.wait("failing") { $0.lastEvent == 3 })
        #expect(failing.requests.map(\.number) == [1, 1, 1, 2, 3])
        #expect(good.requests.map(\.number) == [1, 2, 3])
        #expect(Set(good.requests.map(\.line)) == ["POST /hook?a=1 HTTP/1.1"])
        #expect(Set(failing.requests.prefix(3).compactMap { $0.fields["webhook-id"] }).count == 1)
        #expect(Set(good.requests.compactMap { $0.fields["webhook-id"] }).count == 3)
        scene.stop()
        // Nobody has answered: it is sent again by the next daemon.
        #expect(try scene.record("silent")?.lastEvent == 0)
        #expect(try scene.record("failing")?.failureCount == 0)
    }

    @Test("what is not wanted is passed over, and a new webhook begins with what comes")
    func filters() throws {
        let scene = try WebhookScene()
        try scene.log(2)
        let receiver = try TestReceiver { _, _ in .status(200) }
        try scene.add("some", receiver, events: ["reverted"])
        try scene.start()
        #expect(try scene.wait("some") { $0.lastEvent == 2 })
        try scene.log(130)
        try scene.log(1, .reverted)
        #expect(try scene.wait("some") { $0.lastEvent == 133 })
        #expect(receiver.requests.map(\.number) == [133])
    }

    @Test(
        "what is old and fails again is given up, what comes behind is tried, and it can be sent again"
    )
    func deadLetters() throws {
        let scene = try WebhookScene()
        let isGood = Monitored(false)
        let receiver = try TestReceiver { count, _ in
            count > 0 && isGood.withLock { $0 } ? .status(200) : .status(500)
        }
        try scene.add("w", receiver)
        try scene.log(2)
        scene.fixture.clock.advance(bySeconds: 2 * 86_400)
        try scene.begin("w") { $0.failureCount = WebhookPolicy.failuresToGiveUp - 1 }
        try scene.start()
        #expect(try scene.wait("w") { !$0.dead.isEmpty })
        scene.stop()
        let listed = try #require(try scene.manager.webhooks.list(["w"]).first)
        #expect(listed.dead.map(\.event) == [1] && listed.state == .failing)
        #expect(listed.lastError == "answered 500" && listed.pendingCount == 1)
        isGood.change { $0 = true }
        let unknown = #expect(throws: Problem.self) {
            try scene.manager.webhooks.retry("w", [2], isDryRun: false)
        }
        #expect(unknown?.code == .notFound)
        #expect(try scene.manager.webhooks.retry("w", [], isDryRun: true) == [1])
        #expect(try scene.record("w")?.dead.count == 1)
        #expect(try scene.manager.webhooks.retry("w", [1], isDryRun: false) == [1])
        try scene.start()
        #expect(try scene.wait("w") { $0.lastEvent == 2 })
        #expect(receiver.requests.map(\.number) == [1, 1, 2])
        #expect(try scene.record("w")?.again == [] && scene.record("w")?.dead == [])
    }

    @Test("what is logged while it looks has its turn later, and nothing is sent again")
    func loggedMeanwhile() throws {
        let scene = try WebhookScene()
        let receiver = try TestReceiver { _, _ in .status(200) }
        try scene.add("w", receiver, events: ["reverted"])
        try scene.begin("w")
        try scene.log(1, .reverted)
        try scene.log(1)
        try scene.log(1, .reverted)
        try scene.alone("w", newest: 2) { worker in
            try scene.require("w", at: 2)
            #expect(receiver.requests.map(\.number) == [1])
            worker.tell(newest: 3)
            try scene.require("w", at: 3)
        }
        #expect(receiver.requests.map(\.number) == [1, 3])
    }

    @Test("a record that another daemon has moved on meanwhile is no log that has begun anew")
    func movedMeanwhile() throws {
        let scene = try WebhookScene()
        let receiver = try TestReceiver { _, _ in .status(200) }
        try scene.add("w", receiver)
        try scene.begin("w") { $0.lastEvent = 3 }
        try scene.log(4)
        try scene.alone("w", newest: 2) { worker in
            worker.tell(newest: 2)
            BackgroundThread.sleep(milliseconds: 50)
            worker.tell(newest: 4)
            try scene.require("w", at: 4)
        }
        #expect(receiver.requests.map(\.number) == [4])
    }

    @Test("a log that has begun anew is sent from its beginning")
    func newLog() throws {
        let scene = try WebhookScene()
        let receiver = try TestReceiver { _, _ in .status(200) }
        try scene.add("w", receiver)
        try scene.begin("w") { $0.lastEvent = 1_000 }
        try scene.log(2)
        try scene.start()
        #expect(receiver.wait { $0.count >= 2 })
        #expect(receiver.requests.map(\.number) == [1, 2])
    }

    @Test("a test is an event like others, and tells what is answered")
    func test() throws {
        let scene = try WebhookScene()
        let receiver = try TestReceiver { count, _ in .status(count == 0 ? 202 : 401) }
        try scene.add("w", receiver)
        let test = try scene.manager.webhooks.test("w", agent: "test/1")
        #expect(test.status == 202 && test.place == "http://127.0.0.1:\(receiver.port)")
        let request = try #require(receiver.requests.first)
        #expect(request.fields["x-snapmgr-event"] == "webhook_test")
        #expect(request.fields["user-agent"] == "test/1")
        #expect(request.fields["webhook-signature"]?.hasPrefix("v1,") == true)
        #expect(!request.text.contains("0123456789abcdef"))
        let problem = #expect(throws: Problem.self) {
            try scene.manager.webhooks.test("w", agent: "test/1")
        }
        #expect(problem?.message.contains("answered 401") == true)
        let unknown = #expect(throws: Problem.self) {
            try scene.manager.webhooks.test("x", agent: "test/1")
        }
        #expect(unknown?.code == .notFound)
    }
}
