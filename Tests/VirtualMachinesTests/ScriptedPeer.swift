import SnapshotModel
import Synchronization
import System

@testable import VirtualMachines

/// The other end of a connection, which answers each line by what a test says, as long as the near end is open.
final class ScriptedPeer: Sendable {
    private let heard: HeardLines

    /// - Parameters:
    ///   - greeting: sent at once.
    ///   - answer: what is sent when a line has come; nil ends the connection.
    init(
        _ socket: LocalSocket, greeting: [UInt8] = [],
        _ answer: @escaping @Sendable (String) -> [UInt8]?
    ) {
        let heard = HeardLines()
        self.heard = heard
        BackgroundThread.start(name: "peer") {
            try? socket.send(greeting.span.bytes)
            var lines = LineBuffer(limitBytes: 1 << 20)
            var piece = [UInt8](repeating: 0, count: 4096)
            while true {
                var elements = piece.mutableSpan
                var space = elements.mutableBytes
                guard let count = try? socket.receive(into: &space), count > 0 else { return }
                lines.append(piece[..<count])
                while let line = lines.next() {
                    let text = String(decoding: line.filter { $0 != 0xFF }, as: UTF8.self)
                    heard.add(text)
                    guard let bytes = answer(text) else { return socket.shutDown() }
                    if !bytes.isEmpty, (try? socket.send(bytes.span.bytes)) == nil { return }
                }
            }
        }
    }

    var lines: [String] { heard.lines }

    static let greeting =
        [UInt8](
            #"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}"#
                .utf8) + [0x0D, 0x0A]

    /// The id of a command.
    static func id(of line: String) -> String {
        line.firstRange(of: "\"id\":").map { range in
            String(line[range.upperBound...].prefix { $0.isNumber })
        } ?? "0"
    }

    /// An answer to a command.
    static func answer(_ line: String, _ value: String = "{}") -> String {
        "{\"return\": \(value), \"id\": \(id(of: line))}\r\n"
    }
}

/// What a peer has heard.
final class HeardLines: Sendable {
    private let texts = Mutex<[String]>([])

    func add(_ text: String) { texts.withLock { $0.append(text) } }
    var lines: [String] { texts.withLock { $0 } }
}

/// A connection to a peer.
func connection(
    greeting: [UInt8] = [], _ answer: @escaping @Sendable (String) -> [UInt8]?
) throws -> (MachineConnection, ScriptedPeer) {
    let (near, far) = try LocalSocket.pair()
    let peer = ScriptedPeer(far, greeting: greeting, answer)
    return (MachineConnection(near, subject: "the test's peer"), peer)
}

/// Soon enough for a test, and late enough for a busy machine.
var soon: Deadline { Deadline(milliseconds: 300) }
var patient: Deadline { Deadline(milliseconds: 20_000) }

/// Runs something, and gives the problem that it throws.
func problem(_ body: () throws -> Void) -> Problem? {
    do { try body() } catch { return error as? Problem }
    return nil
}
