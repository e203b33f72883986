import System
import Glibc

/// A `snapmgr daemon` that runs beside a case, and is ended with it.
final class RunningDaemon {
    private let process: pid_t
    private let logPath: String
    private var hasEnded = false

    /// Starts it; it watches when this returns.
    init(_ context: GuestContext, _ snapmgr: Snapmgr, config: String? = nil) throws {
        logPath = "/run/snapmgr-daemon-log"
        let options = config.map { ["--config", $0] } ?? []
        process = try snapmgr.spawn(
            options + ["daemon"], output: ["/dev/null", logPath])
        context.cleanUp { [self] in _ = end(SIGKILL) }
        try waitFor("a daemon that watches") { try said("watching the kernel's devices") }
    }

    /// Whether it has said something.
    func said(_ text: String) throws -> Bool { try log.tail(after: text) != nil }

    /// All that it has said.
    var log: String { get throws { try TextFile.read(logPath) } }

    /// Ends the case unless something comes to be; the daemon does it at its own time.
    func waitFor(
        _ what: String, fileID: StaticString = #fileID, line: Int = #line,
        _ isSo: () throws -> Bool
    ) throws {
        let deadline = Deadline(milliseconds: 300_000)
        while try !isSo() {
            try expect(
                !deadline.hasPassed, "no \(what); the daemon said: \((try? log) ?? "nothing")",
                fileID: fileID, line: line)
            BackgroundThread.sleep(milliseconds: 20)
        }
    }

    /// Ends it by a signal; the status of its end, 128 and more for a signal.
    func end(_ signal: Int32) -> Int32 {
        guard !hasEnded else { return 0 }
        hasEnded = true
        kill(process, signal)
        let status = ChildProcess.wait(for: process)
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + status & 0x7f
    }
}
