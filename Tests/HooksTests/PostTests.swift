import FoundationEssentials
import SnapshotModel
import System
import TestKit
import Testing
import WebTestKit

@testable import Hooks

/// Posts in the place of programs: the same order, and the same ends.
@Suite(.timeLimit(.minutes(5))) struct PostTests {
    private struct Body: Decodable {
        var event: String
        var hook: String
        var volumes: String
        var result: String?
        var error: String?
        var environment: [String: String]
    }

    private func hook(
        _ receiver: TestReceiver, _ events: [HookEvent] = [.beforeFreeze, .afterThaw],
        fatal: Bool = true, timeoutSeconds: Double = 60
    ) throws -> Hook {
        var hook = Hook(
            name: "shop", programs: [:], timeoutSeconds: timeoutSeconds, isFatal: fatal,
            environment: ["ROOM": "7"])
        for event in events { hook.posts[event] = PostPeer(try PostAddress(receiver.url)) }
        return hook
    }

    private func stack(
        _ hook: Hook, isInterrupted: @escaping () -> Bool = { false }
    ) -> HookStack {
        HookStack(
            HookOperation(.snapshot, volumes: ["a", "b"]), hooks: [BoundHook(hook)],
            watchdog: ScriptFolder.watchdog, isInterrupted: isInterrupted)
    }

    private func bodies(_ receiver: TestReceiver) throws -> [Body] {
        try receiver.requests.map { try JSONDecoder().decode(Body.self, from: $0.body) }
    }

    @Test("what a program would be told is posted, in the order of programs, and signed")
    func order() throws {
        let receiver = try TestReceiver { _, _ in .status(200) }
        let folder = ScriptFolder()
        var hook = try hook(receiver, [.prepare, .beforeFreeze, .afterThaw, .afterSnapshot])
        hook.secretPath = try folder.file("secret", "0123456789abcdef\n", mode: 0o600)
        let stack = stack(hook)
        try stack.prepare()
        try stack.perform({ try stack.confirm() }, facts: { HookFacts() })
        #expect(stack.warnings.isEmpty && stack.runs.count == 4)
        let bodies = try bodies(receiver)
        #expect(
            bodies.map(\.event) == ["prepare", "before-freeze", "after-thaw", "after-snapshot"])
        #expect(bodies.map(\.result) == [nil, nil, "ok", "ok"])
        #expect(bodies.allSatisfy { $0.hook == "shop" && $0.volumes == "a b" })
        #expect(bodies.allSatisfy { $0.environment == ["ROOM": "7"] })
        for request in receiver.requests {
            let (id, time) = (
                request.fields["webhook-id"] ?? "", request.fields["webhook-timestamp"] ?? ""
            )
            let sum = Array("\(id).\(time).\(request.text)".utf8).span.bytes
                .hmac(key: Array("0123456789abcdef".utf8))
            let expected = "v1," + Data(try #require(sum)).base64EncodedString()
            #expect(request.fields["webhook-signature"] == expected)
        }
        withExtendedLifetime(folder) {}
    }

    @Test(
        "what is not taken ends the operation, is undone all the same, and is told by its place alone"
    )
    func refused() throws {
        let receiver = try TestReceiver { count, _ in .status(count == 0 ? 500 : 200) }
        let stack = stack(try hook(receiver, [.beforeFreeze, .afterThaw, .onFailure]))
        let problem = #expect(throws: Problem.self) {
            try stack.perform({ try stack.confirm() }, facts: { HookFacts() })
        }
        #expect(
            problem?.message
                == "hook shop: before-freeze post to http://127.0.0.1:\(receiver.port) was answered 500"
        )
        let bodies = try bodies(receiver)
        #expect(bodies.map(\.event) == ["before-freeze", "after-thaw", "on-failure"])
        #expect(bodies[1].result == "failed" && bodies[1].error?.contains("answered 500") == true)
    }

    @Test("one that is not fatal is a warning")
    func notFatal() throws {
        let receiver = try TestReceiver { count, _ in .status(count == 0 ? 302 : 204) }
        let stack = stack(try hook(receiver, fatal: false))
        try stack.perform({ try stack.confirm() }, facts: { HookFacts() })
        #expect(stack.warnings.count == 1 && receiver.requests.count == 2)
    }

    @Test("a receiver that is silent has its time, and no more")
    func silent() throws {
        let receiver = try TestReceiver { count, _ in count == 0 ? .silence : .status(200) }
        let stack = stack(try hook(receiver, timeoutSeconds: 1))
        let problem = #expect(throws: Problem.self) { try stack.begin() }
        // Whether its undo comes in a second, too, is the machine's.
        #expect(problem?.message.contains("longer than its timeout") == true)
    }

    @Test("an interruption ends it before its time")
    func interrupted() throws {
        let receiver = try TestReceiver { count, _ in count == 0 ? .silence : .status(200) }
        let stack = stack(
            try hook(receiver, timeoutSeconds: 600), isInterrupted: { !receiver.requests.isEmpty })
        let problem = #expect(throws: Problem.self) { try stack.begin() }
        #expect(problem?.code == .interrupted)
        #expect(receiver.wait { $0.count == 2 })
    }

    @Test("without a secret that can be used nothing is posted")
    func noSecret() throws {
        let receiver = try TestReceiver { _, _ in .status(200) }
        var hook = try hook(receiver, [.beforeFreeze])
        hook.secretPath = "/nonexistent/secret"
        let stack = stack(hook)
        let problem = #expect(throws: Problem.self) { try stack.begin() }
        #expect(problem?.message.contains("there is no /nonexistent/secret") == true)
        #expect(receiver.requests.isEmpty)
    }
}
