import ArgumentParser
import Manager
import ShellWords
import SnapshotModel
import System

/// `status` of several machines, in one table. Those that cannot be reached are told, and no reason not to
/// show the others.
struct FleetStatus {
    private let hosts: [RemoteHost]
    private let arguments: [String]
    private let command: StatusCommand

    /// How long one may say nothing.
    private static let patienceMilliseconds = 30_000
    private static let answerBytesMaximum = 64 << 20
    private static let options = [
        "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=15",
    ]

    init(_ hosts: [RemoteHost], _ arguments: [String]) throws {
        self.hosts = hosts
        self.arguments = arguments
        do {
            let parsed = try SnapmgrCommand.parseAsRoot(GlobalArguments.moved(arguments))
            guard let command = parsed as? StatusCommand, !command.watch, !command.nagios,
                !command.prometheus
            else {
                throw Problem(
                    .usage, "--watch, --nagios and --prometheus are for one host",
                    hint: "name one host")
            }
            self.command = command
        } catch let problem as Problem {
            throw problem
        } catch {
            throw ParserProblem(error, arguments).problem
        }
    }

    /// What one machine has answered.
    private struct Answer {
        var host: RemoteHost
        var text = ""
        var volumes: [RemoteVolume] = []
        var problem: Problem?
    }

    /// - Returns: the exit code: 3 when some have not answered, 5 when none has.
    func run() throws -> Int32 {
        let words = (command.global.json ? [] : ["--json"]) + arguments
        let remote = RemoteHost.command(words, mark: RemoteHost.newMark())
        // All are asked before the first is waited for.
        let programs = hosts.map { host in
            (
                host,
                try? ConnectedProgram(
                    host.connector(Self.options, remote),
                    patienceMilliseconds: Self.patienceMilliseconds, isOver: { false })
            )
        }
        let answers = programs.map { answer($0.0, $0.1) }
        if command.global.json { Output.write(Self.document(answers)) } else { show(answers) }
        let failed = answers.filter { $0.problem != nil }.count
        if failed == 0 { return ExitStatus.done.rawValue }
        return failed < answers.count
            ? ExitStatus.partlyDone.rawValue : ExitStatus.missing.rawValue
    }

    private func answer(_ host: RemoteHost, _ program: ConnectedProgram?) -> Answer {
        var answer = Answer(host: host)
        do {
            guard let program else { throw Problem(.missing, "ssh cannot be run") }
            let bytes = try Self.read(program)
            program.stop(afterMilliseconds: 1000)
            guard let status = try? LineCodec.decode(RemoteStatus.self, bytes) else {
                throw Problem(.missing, program.lastWords ?? "it has not answered with a status")
            }
            answer.volumes = status.volumes
            answer.text = String(decoding: bytes, as: UTF8.self)
        } catch {
            answer.problem = Problem(error)
        }
        return answer
    }

    private static func read(_ program: ConnectedProgram) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count <= answerBytesMaximum {
            var span = buffer.mutableSpan
            var raw = span.mutableBytes
            let count = try program.end.read(into: &raw)
            guard count > 0 else { return bytes }
            bytes += buffer.prefix(count)
        }
        throw Problem(.failed, "its answer is too long")
    }

    // MARK: output

    /// What was answered is passed on as it came.
    private static func document(_ answers: [Answer]) -> String {
        let items = answers.map { answer in
            let status = answer.text.filter { !$0.isNewline }
            let error: JSONValue =
                answer.problem.map {
                    ["code": JSONValue($0.code), "message": JSONValue($0.message)]
                } ?? .null
            return "{\"host\":\(JSONValue(answer.host.name)),\"status\":"
                + "\(status.isEmpty ? "null" : status),\"error\":\(error)}"
        }
        return "{\"hosts\":[\(items.joined(separator: ","))]}\n"
    }

    private func show(_ answers: [Answer]) {
        let terminal = Terminal(command.global, environment: CommandContext.readEnvironment())
        var table = Table([
            .init(title: "HOST", isCut: true), .init(title: "VOLUME", isCut: true),
            .init(title: "STATE", emphasis: StateWords.emphasis),
            .init(title: "SNAPSHOTS", alignment: .right, rank: 1), .init(title: "NEWEST"),
            .init(title: "FREE", alignment: .right, emphasis: StateWords.roomEmphasis),
            .init(title: "FULL IN", alignment: .right, emphasis: StateWords.fullEmphasis),
            .init(title: "WARNINGS", alignment: .right),
        ])
        let rows = answers.flatMap { answer in
            answer.volumes.map { row(answer.host, $0) }
        }
        Output.show(table.lines(rows, on: terminal))
        for answer in answers {
            guard let problem = answer.problem else { continue }
            Output.writeError(
                Problem(problem.code, "\(answer.host.name): \(problem.message)"), json: false)
        }
    }

    private func row(_ host: RemoteHost, _ volume: RemoteVolume) -> [String] {
        [
            host.name, volume.name, volume.state, "\(volume.snapshots)",
            command.display.time(volume.newestAt.flatMap { TimeText.moment($0, in: .utc) }),
            command.display.size(volume.freeBytes), StateWords.fullIn(days: volume.daysToFull),
            volume.warnings.isEmpty ? "-" : "\(volume.warnings.count)",
        ]
    }
}

/// What is shown of a machine's `status --json`; it may have more.
struct RemoteStatus: Decodable {
    var volumes: [RemoteVolume]
}

/// One of its volumes.
struct RemoteVolume: Decodable {
    var name: String
    var state: String
    var snapshots: Int
    var newestAt: String?
    var freeBytes: Int?
    var daysToFull: Double?
    var warnings: [String]

    enum CodingKeys: String, CodingKey {
        case name, state, snapshots, warnings
        case newestAt = "newest_at"
        case freeBytes = "free_bytes"
        case daysToFull = "days_to_full"
    }
}
