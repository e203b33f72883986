import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing

@testable import Manager
@testable import Posting

@Suite struct WebhookMessageTests {
    private let event = EventSummary(
        id: 7, time: Timestamp(clampingSeconds: 1_700_000_000), level: "info", kind: "pruned",
        message: "a", volume: "data")

    @Test("an event is signed as Standard Webhooks has it")
    func signature() throws {
        let message = WebhookMessage(event: event, state: "5c2a")
        let post = try message.signed(
            by: Array("0123456789abcdef".utf8), at: Timestamp(clampingSeconds: 1_700_000_009))
        let fields = Dictionary(uniqueKeysWithValues: post.fields.map { ($0.name, $0.value) })
        #expect(String(decoding: post.body, as: UTF8.self) == event.json.description)
        #expect(fields["webhook-id"] == "5c2a.1700000000.7")
        #expect(fields["webhook-timestamp"] == "1700000009")
        #expect(fields["X-Snapmgr-Event"] == "pruned")
        // Made by `openssl dgst -sha256 -hmac 0123456789abcdef -binary | base64`.
        #expect(fields["webhook-signature"] == "v1,Zhg7IsCiJei8agzciQSMlVPy/WNHSCeh9oK0z1MgqEA=")
        let other = try message.signed(
            by: Array("0123456789abcdeg".utf8), at: Timestamp(clampingSeconds: 1_700_000_009))
        #expect(other.fields.map(\.value) != post.fields.map(\.value))
        // Sent again, it is the same event at another time.
        let again = try message.signed(
            by: Array("0123456789abcdef".utf8), at: Timestamp(clampingSeconds: 1_700_000_010))
        #expect(again.fields[0].value == post.fields[0].value)
        #expect(again.fields[2].value != post.fields[2].value)
    }

    /// The vector of the specification's own.
    @Test("what Standard Webhooks' libraries verify is what is signed")
    func reference() throws {
        let fields = try PostSignature.fields(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek", of: Array(#"{"test": 2432232314}"#.utf8),
            by: secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"),
            at: Timestamp(clampingSeconds: 1_614_265_330))
        let signature = fields.first { $0.name == "webhook-signature" }?.value
        #expect(signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    }

    private func secret(_ text: String, mode: mode_t = 0o600) throws -> [UInt8] {
        let folder = TemporaryFolder()
        let path = folder.path + "/secret"
        try Data(text.utf8).write(to: URL(filePath: path))
        chmod(path, mode)
        return try withExtendedLifetime(folder) { try PostSecret.read(path) }
    }

    @Test("a secret is a file's content without the line's end, or Base64 behind whsec_")
    func secrets() throws {
        #expect(try secret("0123456789abcdef\n") == Array("0123456789abcdef".utf8))
        #expect(try secret("whsec_MDEyMzQ1Njc4OWFiY2RlZg==\n") == Array("0123456789abcdef".utf8))
        for (text, mode) in [
            ("short\n", mode_t(0o600)), ("", 0o600), ("whsec_not Base64 at all", 0o600),
            ("0123456789abcdef", 0o644),
        ] {
            let problem = #expect(throws: Problem.self) { try secret(text, mode: mode) }
            #expect(problem?.code == .refused, "\(text)")
            #expect(problem?.message.contains("0123456789abcdef") == false)
        }
        let problem = #expect(throws: Problem.self) { try PostSecret.read("/nonexistent/a") }
        #expect(problem?.code == .missing)
    }
}
