import System
import Glibc

/// A filesystem that is kept busy by programs: a database that commits one transaction after the
/// other, each with a counter, and a tree that is unpacked and removed again and again.
final class BusyFilesystem {
    let folder: String
    private let journalMode: String
    private var processes: [pid_t] = []
    private let stopPath: String
    private let answersPath: String

    private static let transactionsMaximum = 100_000
    private static let filesInTree = 300

    /// - Parameter journalMode: SQLite's: `delete` or `wal`.
    init(_ context: GuestContext, folder: String, journalMode: String) throws {
        self.folder = folder
        self.journalMode = journalMode
        stopPath = try Tool.scratch("stop")
        answersPath = try Tool.scratch("answers")
        context.cleanUp { [self] in try stop() }
    }

    /// Starts both programs; returns when both have done something.
    func start() throws {
        unlink(stopPath)
        let archive = try Self.makeArchive()
        let statements = try Tool.scratch("statements")
        try Tool.write(Self.script(journalMode), to: statements)
        processes.append(
            try ChildProcess.start([
                "bash", "-c", "exec stdbuf -oL sqlite3 \"$1\" <\"$2\" >\"$3\" 2>&1", "database",
                folder + "/database", statements, answersPath,
            ]))
        processes.append(
            try ChildProcess.start([
                "bash", "-c",
                """
                while [[ ! -e $3 ]]; do rm -rf "$1"; mkdir "$1"; tar -xf "$2" -C "$1"; done
                """, "tree", folder + "/tree", archive, stopPath,
            ]))
        let deadline = Deadline(milliseconds: 300_000)
        while try committed() < 3, !deadline.hasPassed { usleep(10_000) }
        let text = try answers()
        try expect(try committed() >= 3, "the database commits nothing: \(text)")
    }

    /// Ends both programs, the database's in the middle of whatever it does.
    func stop() throws {
        try Tool.write("", to: stopPath)
        if let database = processes.first { kill(database, SIGKILL) }
        processes.forEach { ChildProcess.wait(for: $0) }
        processes = []
    }

    /// The counter of the last transaction that the database has said to be committed.
    func committed() throws -> Int {
        let lines = try answers().split(separator: "\n", omittingEmptySubsequences: false)
        // Behind the last line's end nothing, or a number that is not all there.
        return lines.dropLast().last.flatMap { Int($0) } ?? 0
    }

    private func answers() throws -> String {
        access(answersPath, F_OK) == 0 ? try Tool.read(answersPath) : ""
    }

    /// Ends the case unless the database in `folder` is whole; returns its counter.
    ///
    /// The transactions are 1, 2, 3 and so on: none is missing in the middle.
    static func lastTransaction(
        in folder: String, fileID: StaticString = #fileID, line: Int = #line
    ) throws -> Int {
        let text = try Tool.run(
            "sqlite3", folder + "/database",
            "PRAGMA integrity_check; SELECT count(*), max(n), min(n), total(touched) FROM log;",
            fileID: fileID, line: line)
        let lines = text.split(separator: "\n").map(String.init)
        try expect(
            lines.count == 2 && lines[0] == "ok", "the database in \(folder): \(text)",
            fileID: fileID, line: line)
        let numbers = lines[1].split(separator: "|").compactMap { Double($0) }
        try expect(
            numbers.count == 4 && numbers[0] == numbers[1] && numbers[2] == 1
                // Every tenth transaction touches all rows before it, all or none.
                && numbers[3] == Self.touches(upTo: Int(numbers[1])),
            "the database in \(folder) has torn transactions: \(lines[1])", fileID: fileID,
            line: line)
        return Int(numbers[0])
    }

    private static func touches(upTo last: Int) -> Double {
        stride(from: 10, through: last, by: 10).reduce(0) { $0 + Double(min($1, 100)) }
    }

    private static func script(_ journalMode: String) -> String {
        var text = """
            PRAGMA journal_mode = \(journalMode);
            PRAGMA synchronous = FULL;
            CREATE TABLE log(n INTEGER PRIMARY KEY, filling BLOB, touched INTEGER DEFAULT 0);

            """
        text.reserveCapacity(transactionsMaximum * 100)
        for index in 1...transactionsMaximum {
            text += "BEGIN;INSERT INTO log(n, filling) VALUES(\(index), randomblob(500));"
            if index % 10 == 0 {
                text += "UPDATE log SET touched = touched + 1 WHERE n > \(index - 100);"
            }
            text += "COMMIT;SELECT \(index);\n"
        }
        return text
    }

    private static func makeArchive() throws -> String {
        let folder = try Tool.scratch("tree")
        let archive = try Tool.scratch("tree.tar")
        _ = mkdir(folder, 0o700)
        for index in 0..<filesInTree {
            let inner = folder + "/\(index % 20)"
            _ = mkdir(inner, 0o700)
            let text = String(repeating: "file \(index)\n", count: 1 + index * 7 % 2000)
            try Tool.write(text, to: inner + "/\(index)")
        }
        try Tool.run("tar", "-cf", archive, "-C", folder, ".")
        return archive
    }
}
