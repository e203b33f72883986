import FileSystems
import Manager
import SnapshotModel

/// Files as `ls -l` lists them.
struct FileTable {
    private let display: DisplayOptions
    private let terminal: Terminal
    private var table = Table([
        .init(title: "MODE"), .init(title: "UID", alignment: .right),
        .init(title: "GID", alignment: .right), .init(title: "SIZE", alignment: .right),
        .init(title: "MODIFIED"), .init(title: "PATH"),
    ])

    init(_ display: DisplayOptions, on terminal: Terminal) {
        self.display = display
        self.terminal = terminal
    }

    mutating func lines(_ files: [FileSummary]) -> String {
        table.lines(files.map(row), on: terminal)
    }

    private func row(_ file: FileSummary) -> [String] {
        let (node, device) = (file.node, file.node.device)
        let isDevice = node.kind == .blockDevice || node.kind == .characterDevice
        return [
            node.modeText, String(node.user), String(node.group),
            isDevice ? "\(device.major), \(device.minor)" : display.size(node.byteCount),
            display.time(node.modified.timestamp),
            file.path.text + (file.target.map { " -> \($0.text)" } ?? ""),
        ]
    }
}

/// What could not be done of many things.
struct FlawReport {
    private let flaws: [FileFlaw]
    private let what: String

    init(_ flaws: [FileFlaw], _ what: String) {
        self.flaws = flaws
        self.what = what
    }

    /// What is told of something that was done in part.
    static func partly(_ failure: Problem, _ rest: String) -> Problem {
        guard failure.code != .interrupted else { return failure }
        return Problem(.partial, "\(failure.message); \(rest)", hint: failure.hint)
    }

    /// So many are told one by one.
    private static let shownMaximum = 20

    /// - Throws: `partial` when there are any.
    func end(_ context: CommandContext, isShown: Bool) throws {
        guard let first = flaws.first else { return }
        if isShown {
            for flaw in flaws.prefix(Self.shownMaximum) {
                Output.tell("\(flaw.path.text.escapedForPeople): \(flaw.reason.escapedForPeople)\n")
            }
        }
        throw Problem(
            .partial,
            "\(flaws.count) of the files \(what), the first is \(first.path.text): \(first.reason)")
    }
}
