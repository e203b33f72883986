package import SnapshotModel
package import System

/// Speaks with QEMU's agent in a guest. The guest is not trusted: it may answer late, never, or with anything.
package final class GuestAgent {
    private let connection: MachineConnection

    package init(_ connection: MachineConnection) { self.connection = connection }

    package static func connect(
        _ path: String, machine: String, by deadline: Deadline
    ) throws(Problem) -> GuestAgent {
        GuestAgent(
            try MachineConnection.connect(
                path, subject: "the guest agent of VM \(machine)", deadline: deadline))
    }

    private struct Token: Encodable { var id: Int64 }

    /// More filesystems than a guest has.
    private static let countMaximum: Int64 = 1 << 20

    /// Has both sides forget what was begun before. What the agent still has to say of that ends with a byte that is in
    /// no JSON, and is dropped; so is an answer to somebody who was here before.
    ///
    /// - Parameter token: tells the own answer from those.
    package func synchronize(token: Int64, by deadline: Deadline) throws(Problem) {
        // The agent's parser drops what was half said when it meets the byte.
        try send("guest-sync-delimited", Token(id: token), prefix: [0xFF], by: deadline)
        while true {
            try connection.skipToMark(by: deadline)
            let line = try connection.line(by: deadline)
            let reply = try? LineCodec.decode(MonitorMessage.Reply<Int64>.self, line)
            if reply?.value == token { return }
        }
    }

    /// Freezes all filesystems of the guest.
    ///
    /// - Returns: how many are frozen.
    package func freeze(by deadline: Deadline) throws(Problem) -> Int64 {
        try count("guest-fsfreeze-freeze", by: deadline)
    }

    /// Thaws them.
    ///
    /// - Returns: how many were frozen until then: fewer than were frozen when somebody else has thawed some.
    package func thaw(by deadline: Deadline) throws(Problem) -> Int64 {
        try count("guest-fsfreeze-thaw", by: deadline)
    }

    /// Tells it to thaw them, and does not wait for an answer.
    package func requestThaw(by deadline: Deadline) throws(Problem) {
        try send("guest-fsfreeze-thaw", MonitorMessage.NoArguments(), by: deadline)
    }

    private func count(_ command: String, by deadline: Deadline) throws(Problem) -> Int64 {
        try send(command, MonitorMessage.NoArguments(), by: deadline)
        let line = try connection.line(by: deadline)
        guard let heading = try? LineCodec.decode(MonitorMessage.Heading.self, line) else {
            throw connection.nonsense("says what no agent says")
        }
        if let error = heading.error {
            throw Problem(
                .failed,
                "\(connection.subject) refuses \(command): \(String(error.desc.prefix(500)))")
        }
        guard let reply = try? LineCodec.decode(MonitorMessage.Reply<Int64>.self, line),
            (0...Self.countMaximum).contains(reply.value)
        else { throw connection.nonsense("gives no fitting answer to \(command)") }
        return reply.value
    }

    private func send(
        _ command: String, _ arguments: some Encodable, prefix: [UInt8] = [], by deadline: Deadline
    ) throws(Problem) {
        let message = MonitorMessage.Command(execute: command, arguments: arguments)
        guard let bytes = try? LineCodec.encode(message) else {
            throw Problem(.failed, "the command \(command) cannot be written")
        }
        try connection.send(prefix + bytes, by: deadline)
    }
}
