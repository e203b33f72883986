package import SnapshotModel
package import System

/// Something that QEMU has told on its own.
package struct MonitorEvent: Hashable, Sendable {
    package var name: String
    /// On QEMU's wall clock, in microseconds; 0 when it did not say.
    package var microseconds: Int64
}

/// Speaks QMP with a running QEMU. Whatever that says, or does not say, each call is over by its deadline.
package final class MonitorClient {
    private let connection: MachineConnection
    private var lastID = 0
    /// Of its version, as it says itself.
    let majorVersion: Int
    /// What QEMU has told since ``forgetEvents()``, the newest last; no more than ``eventsMaximum``.
    package private(set) var events: [MonitorEvent] = []

    private static let eventsMaximum = 256
    /// How many lines may come before an answer, so that a flood of them does not keep one until the deadline.
    private static let linesMaximum = 10_000

    /// Takes the greeting, and leaves the mode in which nothing else can be asked.
    package init(_ connection: MachineConnection, by deadline: Deadline) throws(Problem) {
        self.connection = connection
        let line = try connection.line(by: deadline)
        guard let heading = try? LineCodec.decode(MonitorMessage.Heading.self, line),
            let greeting = heading.greeting
        else { throw connection.nonsense("does not greet as QEMU's monitor does") }
        majorVersion = greeting.version.qemu.major
        try run("qmp_capabilities", by: deadline)
    }

    package static func connect(
        _ path: String, machine: String, by deadline: Deadline
    ) throws(Problem) -> MonitorClient {
        let connection = try MachineConnection.connect(
            path, subject: "the monitor of VM \(machine)", deadline: deadline)
        return try MonitorClient(connection, by: deadline)
    }

    /// The process that listens there, as far as the kernel tells.
    package var peerProcess: Int32? { connection.peerProcess }

    package func forgetEvents() { events = [] }

    /// The last event of a name since ``forgetEvents()``.
    package func lastEvent(_ name: String) -> MonitorEvent? { events.last { $0.name == name } }

    /// Runs a command without arguments whose answer says nothing more.
    func run(_ command: String, by deadline: Deadline) throws(Problem) {
        try run(command, MonitorMessage.NoArguments(), by: deadline)
    }

    func run(
        _ command: String, _ arguments: some Encodable, passing descriptor: Int32? = nil,
        by deadline: Deadline
    ) throws(Problem) {
        _ = try ask(
            command, arguments, as: MonitorMessage.Nothing.self, passing: descriptor, by: deadline)
    }

    /// Runs a command.
    ///
    /// - Throws: `failed` with what QEMU says when it refuses; `missing` when it has gone.
    func ask<Answer: Decodable>(
        _ command: String, _ arguments: some Encodable = MonitorMessage.NoArguments(),
        as type: Answer.Type, passing descriptor: Int32? = nil, by deadline: Deadline
    ) throws(Problem) -> Answer {
        lastID += 1
        let message = MonitorMessage.Command(
            execute: command, arguments: arguments, id: lastID)
        guard let bytes = try? LineCodec.encode(message) else {
            throw Problem(.failed, "the command \(command) cannot be written")
        }
        try connection.send(bytes, passing: descriptor, by: deadline)
        for _ in 0..<Self.linesMaximum {
            let line = try connection.line(by: deadline)
            guard let heading = try? LineCodec.decode(MonitorMessage.Heading.self, line) else {
                throw connection.nonsense("says what QEMU's monitor never says")
            }
            if let event = heading.event {
                note(event, heading.timestamp)
                continue
            }
            // What somebody asked before us, and was answered late.
            guard heading.id == lastID else { continue }
            if let error = heading.error {
                throw Problem(
                    .failed,
                    "\(connection.subject) refuses \(command): \(String(error.desc.prefix(500)))")
            }
            guard heading.hasReturned,
                let reply = try? LineCodec.decode(MonitorMessage.Reply<Answer>.self, line)
            else { throw connection.nonsense("gives no fitting answer to \(command)") }
            return reply.value
        }
        throw connection.nonsense("says much, and nothing to \(command)")
    }

    private func note(_ name: String, _ time: MonitorMessage.Time?) {
        if events.count >= Self.eventsMaximum { events.removeFirst() }
        let microseconds = time.map {
            $0.seconds.multipliedClamped(by: 1_000_000).addingClamped($0.microseconds)
        }
        events.append(
            MonitorEvent(name: String(name.prefix(100)), microseconds: microseconds ?? 0))
    }

    /// Waits until QEMU has closed the connection.
    ///
    /// - Returns: whether it has.
    package func waitForEnd(by deadline: Deadline) -> Bool { connection.waitForEnd(by: deadline) }
}
