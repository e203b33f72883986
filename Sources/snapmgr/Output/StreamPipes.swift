import Glibc
import Manager
import ShellWords
import SnapshotModel
import Stream
import System

/// Standard output as where a stream goes. Unlike a text's, its reader's end is a failure: he has not all of it.
final class StandardOutputSink: SlowStreamSink {
    /// A pipe that holds more has reader and writer wait for each other less often.
    private static let pipeBytes: Int32 = 1 << 20
    /// F_SETPIPE_SZ of Linux, which the C library shows to GNU programs alone.
    private static let setPipeSize: Int32 = 1031

    private let end: PipeEnd
    private let patience: StreamPatience

    init(_ patience: StreamPatience = .standard) {
        self.patience = patience
        // What is no pipe, or may not be so long, stays as it is.
        _ = fcntl(STDOUT_FILENO, Self.setPipeSize, Self.pipeBytes)
        end = patience.end(STDOUT_FILENO, "standard output")
    }

    var beforeWaiting: (() -> Void)? {
        get { end.beforeWaiting }
        set { end.beforeWaiting = newValue }
    }

    func write(_ bytes: RawSpan) throws(Problem) {
        do throws(IOFailure) { try end.write(bytes) } catch { throw problem(error.code) }
    }

    private func problem(_ code: Int32) -> Problem {
        if let problem = patience.problem(code, "nobody has read it") { return problem }
        guard code != EPIPE else {
            return Problem(
                .failed, "whoever read the stream has ended before its end",
                hint: "see what the receiver says, then send it again")
        }
        return Problem(
            code == ENOSPC ? .noSpace : .inputOutput,
            "the stream cannot be written to standard output: \(String(cString: strerror(code)))",
            hint: "look at where it goes, then send it again")
    }
}

/// Standard input as where a stream comes from.
final class StandardInputSource: StreamSource {
    private let end: PipeEnd
    private let patience: StreamPatience

    init(_ patience: StreamPatience = .standard) {
        self.patience = patience
        end = patience.end(STDIN_FILENO, "standard input")
    }

    func read(into buffer: inout MutableRawSpan) throws(Problem) -> Int {
        do throws(IOFailure) { return try end.read(into: &buffer) } catch {
            if let problem = patience.problem(error.code, "nothing has come") { throw problem }
            throw Problem(
                .inputOutput,
                "the stream cannot be read from standard input: \(String(cString: strerror(error.code)))",
                hint: "look at where it comes from, then send it again")
        }
    }
}

/// How long a stream may stand still before it is given up.
struct StreamPatience {
    let milliseconds: Int

    static let standard = StreamPatience(milliseconds: 600_000)

    /// - Throws: `usage` when a text is no length of time.
    init(_ text: String?) throws(Problem) {
        guard let text else {
            self = .standard
            return
        }
        guard let seconds = TimeText.durationSeconds(text), (1...86_400).contains(seconds) else {
            throw Problem(
                .usage, "`\(text)` is no length of time from a second to a day",
                hint: "write 30s or 10m")
        }
        milliseconds = Int(seconds) * 1000
    }

    private init(milliseconds: Int) { self.milliseconds = milliseconds }

    func end(_ number: Int32, _ name: String) -> PipeEnd {
        PipeEnd(number, path: name, patienceMilliseconds: milliseconds) {
            Interruption.cancellation.isRequested
        }
    }

    /// Why it was given up; nil when it was not.
    fileprivate func problem(_ code: Int32, _ what: String) -> Problem? {
        switch code {
        case ECANCELED: Cancellation.problem
        case ETIMEDOUT:
            Problem(
                .failed, "the stream has stood still: \(what) for \(milliseconds / 1000) s",
                hint:
                    "see what the other side does, then send it again; --stall-limit gives it more time"
            )
        default: nil
        }
    }
}
