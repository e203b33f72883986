import Foundation
import Glibc
import SnapshotModel
import System
import TestKit
import Testing
import WebTestKit

/// What a daemon posts, over kills of it.
@Suite(
    .serialized, .timeLimit(.minutes(10)),
    .enabled(if: CommandLineHarness.isBuilt, "needs a build"))
struct WebhookTests {
    @Test("nothing of the log is left out over a kill, and one that is silent holds up no other")
    func kill() throws {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "a", "--origin", "a.img", "--create-size", "1M")
        // What a kill may cut: the third event is answered by nobody until the daemon is another one.
        let isSecond = Flag()
        let receiver = try TestReceiver { count, request in
            if count == 1 { return .status(500) }
            return count < 3 || isSecond.isSet ? .status(200) : .silence
        }
        let silent = try TestReceiver { _, _ in .silence }
        let scene = try WebScene(harness, settings: try Self.settings(harness, receiver, silent))
        try scene.startDaemon()
        #expect(try state(scene) == ["silent": "idle", "siem": "idle"])
        for number in 1...4 { try harness.json("snapshot", "a", "--name", "s\(number)") }
        #expect(receiver.wait { $0.count >= 4 } && silent.wait { !$0.isEmpty })
        isSecond.set()
        try scene.restart()
        try harness.json("snapshot", "a", "--name", "s5")
        let newest = try #require(try ids(harness).last)
        #expect(receiver.wait { $0.contains { Self.id($0) == newest } })
        // Each of them, in their order, and none again that was taken.
        let wanted = try ids(harness).suffix(5)
        let taken = receiver.requests.compactMap(Self.id)
        #expect(taken.reduce(into: [Int]()) { if $0.last != $1 { $0.append($1) } } == Array(wanted))
        #expect(taken.count == 7)
        let secret = Array("0123456789abcdef".utf8)
        for request in receiver.requests {
            let (id, time) = (
                request.fields["webhook-id"] ?? "", request.fields["webhook-timestamp"] ?? ""
            )
            let sum = Array("\(id).\(time).\(request.text)".utf8).span.bytes.hmac(key: secret)
            let expected = "v1," + Data(try #require(sum)).base64EncodedString()
            #expect(request.fields["webhook-signature"] == expected)
            let flaws = try JSONSchema(named: "event").flaws(of: try JSONDocument(request.text))
            #expect(flaws.isEmpty)
        }
        let listed = try scene.client.get("/api/v1/webhooks").document()
        #expect(try JSONSchema(named: "webhook-list").flaws(of: listed).isEmpty)
        #expect(!"\(listed)".contains("0123456789abcdef"))
        withExtendedLifetime(silent) {}
    }

    @Test("where HTTP cannot be served, events are sent, and each once")
    func withoutHTTP() throws {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "a", "--origin", "a.img", "--create-size", "1M")
        let receiver = try TestReceiver { _, _ in .status(200) }
        let settings = try Self.settings(harness, receiver, receiver)
        let scene = try WebScene(harness, settings: settings)
        let (daemon, files) = try scene.launch(["--http", "unix:/no/such/folder/socket"])
        #expect(try state(scene) == ["silent": "idle", "siem": "idle"])
        for number in 1...3 { try harness.json("snapshot", "a", "--name", "s\(number)") }
        #expect(receiver.wait { $0.count >= 6 })
        try BusScene.await("what was sent") { try state(scene).values.allSatisfy { $0 == "idle" } }
        daemon.send(SIGTERM)
        let status = try daemon.wait()
        let errors = try harness.text(files.errors)
        #expect(status == 0, "\(errors)")
        // Two webhooks have it as their receiver.
        let wanted = try ids(harness).suffix(3).flatMap { [$0, $0] }
        #expect(receiver.requests.compactMap(Self.id).sorted() == wanted)
    }

    private static func settings(
        _ harness: CommandLineHarness, _ receiver: TestReceiver, _ silent: TestReceiver
    ) throws -> String {
        let secret = harness.folder + "/secret"
        try Data("0123456789abcdef\n".utf8).write(to: URL(filePath: secret))
        _ = try harness.tool(["chmod", "600", "secret"])
        return """
            [webhook.siem]
            url = "\(receiver.url)"
            secret-file = "\(secret)"
            events = ["snapshot_*"]
            timeout = "60s"
            [webhook.silent]
            url = "\(silent.url)"
            secret-file = "\(secret)"
            timeout = "60s"
            """
    }

    /// Waits until both have begun.
    private func state(_ scene: WebScene) throws -> [String: String] {
        var states: [String: String] = [:]
        try BusScene.await("the webhooks") {
            states = [:]
            guard case .array(let all)? = try? scene.printed(["webhook", "list"])["webhooks"] else {
                return false
            }
            for webhook in all {
                guard case .string(let name)? = webhook["name"],
                    case .string(let state)? = webhook["state"]
                else { continue }
                states[name] = state
            }
            return !states.values.contains("new")
        }
        return states
    }

    private func ids(_ harness: CommandLineHarness) throws -> [Int] {
        let events = try harness.json("events")["events"] as? [[String: Any]] ?? []
        return events.compactMap { $0["id"] as? Int }
    }

    private static func id(_ request: TestReceiver.Request) -> Int? {
        ((try? JSONSerialization.jsonObject(with: request.body)) as? [String: Any])?["id"] as? Int
    }
}

/// Something that is so from some moment on.
private final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var value = false

    var isSet: Bool { lock.withLock { value } }
    func set() { lock.withLock { value = true } }
}
