import SnapshotModel
import Synchronization
import System

/// The sockets of a QEMU and of a guest's agent that do what a test says. A real QEMU is in Tests/VirtualMachine; this
/// is for what one never does: to lie, and to say nothing.
final class FakeMachine: Sendable {
    struct Behaviour: Sendable {
        var status = "running"
        /// What the agent says it froze; nil says nothing at all.
        var frozen: Int? = 2
        /// What it says it thawed.
        var thawed: Int? = 2
        /// Whether the monitor refuses to write memory.
        var refusesMemory = true
        /// Of QEMU's version.
        var majorVersion = 7
    }

    private let state: Mutex<Behaviour>
    private let heard = Mutex<[String]>([])
    private let listeners: [LocalListener]
    private let threads: [BackgroundThread]

    init(in folder: String, _ behaviour: Behaviour = Behaviour()) throws {
        let box = MachineBox()
        state = Mutex(behaviour)
        let monitor = try LocalListener(folder: folder, name: "qmp")
        let agent = try LocalListener(folder: folder, name: "qga")
        listeners = [monitor, agent]
        threads = listeners.enumerated().map { index, listener in
            BackgroundThread.start(name: "fake") {
                while let socket = try? listener.accept() {
                    box.serve(socket, version: index == 0 ? behaviour.majorVersion : nil)
                }
            }
        }
        box.set { [weak self] line in self?.answer(line) ?? [] }
    }

    deinit {
        for listener in listeners { listener.stop() }
        for thread in threads { thread.join() }
    }

    /// The commands that came, in their order.
    var commands: [String] { heard.withLock { $0 } }

    var status: String { state.withLock { $0.status } }

    func change(_ change: @Sendable (inout Behaviour) -> Void) { state.withLock { change(&$0) } }

    private func answer(_ line: String) -> [UInt8] {
        let command = Self.value("\"execute\":\"", in: line) { $0 != "\"" }
        let id = Self.value("\"id\":", in: line) { $0.isNumber }
        heard.withLock { $0.append(command) }
        func reply(_ value: String) -> [UInt8] {
            Array("{\"return\":\(value),\"id\":\(id)}\n".utf8)
        }
        let behaviour = state.withLock { $0 }
        switch command {
        case "guest-sync-delimited":
            return behaviour.frozen == nil ? [] : [0xFF] + Array("{\"return\":\(id)}\n".utf8)
        case "guest-fsfreeze-freeze":
            return behaviour.frozen.map { Array("{\"return\":\($0)}\n".utf8) } ?? []
        case "guest-fsfreeze-thaw":
            return behaviour.thawed.map { Array("{\"return\":\($0)}\n".utf8) } ?? []
        case "query-status":
            let isRunning = behaviour.status == "running"
            return reply("{\"status\":\"\(behaviour.status)\",\"running\":\(isRunning)}")
        case "stop": state.withLock { $0.status = "paused" }
        case "cont": state.withLock { $0.status = "running" }
        case "migrate" where behaviour.refusesMemory:
            return Array("{\"error\":{\"desc\":\"no memory today\"},\"id\":\(id)}\n".utf8)
        default: break
        }
        return reply("{}")
    }

    private static func value(
        _ key: String, in line: String, while isPart: (Character) -> Bool
    ) -> String {
        line.firstRange(of: key).map { String(line[$0.upperBound...].prefix(while: isPart)) } ?? ""
    }
}

/// What the threads of a fake have of it.
private final class MachineBox: Sendable {
    private let answer = Mutex<(@Sendable (String) -> [UInt8])?>(nil)

    func set(_ body: @escaping @Sendable (String) -> [UInt8]) { answer.withLock { $0 = body } }

    /// - Parameter version: with which a monitor greets; nil for an agent.
    func serve(_ socket: LocalSocket, version: Int?) {
        if let version {
            let greeting =
                #"{"QMP":{"version":{"qemu":{"major":\#(version),"minor":2}},"capabilities":[]}}"#
                + "\n"
            try? socket.send(Array(greeting.utf8).span.bytes)
        }
        var lines = LineBuffer(limitBytes: 1 << 20)
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            var elements = piece.mutableSpan
            var space = elements.mutableBytes
            guard let count = try? socket.receive(into: &space), count > 0 else { return }
            lines.append(piece[..<count])
            while let line = lines.next() {
                let body = answer.withLock { $0 }
                let bytes = body?(String(decoding: line, as: UTF8.self)) ?? []
                if !bytes.isEmpty, (try? socket.send(bytes.span.bytes)) == nil { return }
                // As QEMU does that ends; this one goes on to listen.
                if String(decoding: line, as: UTF8.self).contains("\"execute\":\"quit\"") { return }
            }
        }
    }
}
