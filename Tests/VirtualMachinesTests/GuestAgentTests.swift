import SnapshotModel
import Synchronization
import System
import Testing

@testable import VirtualMachines

@Suite struct GuestAgentTests {
    private static func number(_ line: String) -> String {
        line.firstRange(of: "\"id\":").map { range in
            String(line[range.upperBound...].prefix { $0.isNumber })
        } ?? ""
    }

    /// What QEMU's agent says to a delimited sync.
    private static func synchronized(_ line: String) -> [UInt8] {
        [0xFF] + Array("{\"return\": \(number(line))}\n".utf8)
    }

    private func agent(
        _ answer: @escaping @Sendable (String) -> [UInt8]?
    ) throws -> (GuestAgent, ScriptedPeer) {
        let (connection, peer) = try connection { answer($0) }
        return (GuestAgent(connection), peer)
    }

    @Test func filesystemsAreCountedWhenTheyFreezeAndThaw() throws {
        let (agent, peer) = try agent { line in
            if line.contains("guest-sync-delimited") { return Self.synchronized(line) }
            return Array("{\"return\": \(line.contains("freeze-freeze") ? 3 : 2)}\n".utf8)
        }
        try agent.synchronize(token: 7, by: patient)
        #expect(try agent.freeze(by: patient) == 3)
        #expect(try agent.thaw(by: patient) == 2)
        #expect(peer.lines.count == 3)
    }

    /// After a restore, answers to commands of before are still queued; and the agent first tells that the byte
    /// of the delimiter was no JSON.
    @Test func whatWasSaidBeforeTheMarkIsDropped() throws {
        let (agent, _) = try agent { line in
            guard line.contains("guest-sync-delimited") else {
                return Array("{\"return\": 1}\n".utf8)
            }
            return Array(
                "{\"return\": 9}\n{\"return\": 8}\n{\"error\": {\"desc\": \"Invalid JSON\"}}\n".utf8
            )
                + [0xFF] + Array("{\"return\": 41}\n".utf8) + Self.synchronized(line)
        }
        try agent.synchronize(token: 42, by: patient)
        #expect(try agent.freeze(by: patient) == 1)
    }

    @Test func anAgentThatNeverAnswersIsGivenUpInTime() throws {
        let (agent, _) = try agent { _ in [] }
        #expect(problem { try agent.synchronize(token: 1, by: soon) }?.code == .failed)
        #expect(problem { _ = try agent.freeze(by: soon) }?.code == .failed)
    }

    @Test func nonsenseInTheAnswerIsNoCount() throws {
        for text in [
            "{\"return\": -1}", "{\"return\": 1e300}", "{\"return\": \"2\"}", "{\"return\": {}}",
            "{}",
            "nonsense", "{\"return\": 99999999}",
        ] {
            let (agent, _) = try agent { _ in Array((text + "\n").utf8) }
            #expect(throws: Problem.self, "\(text)") { try agent.freeze(by: soon) }
        }
    }

    @Test func aRefusalHasTheAgentsReason() throws {
        let (agent, _) = try agent { _ in
            Array("{\"error\": {\"class\": \"GenericError\", \"desc\": \"not allowed\"}}\n".utf8)
        }
        let problem = problem { _ = try agent.freeze(by: patient) }
        #expect(problem?.message.contains("not allowed") == true)
    }

    @Test func aFloodBeforeTheMarkIsRefused() throws {
        let (agent, _) = try agent { _ in [UInt8](repeating: 0x20, count: 3 << 20) }
        let problem = problem { try agent.synchronize(token: 1, by: patient) }
        #expect(problem?.message.contains("says more than any answer has") == true)
    }
}
