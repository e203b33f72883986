import Glibc
import SnapshotModel
import Stream

/// Standard output as where a stream goes. Unlike a text's, its reader's end is a failure: he has not all of it.
final class StandardOutputSink: StreamSink {
    /// A pipe that holds more has reader and writer wait for each other less often.
    private static let pipeBytes: Int32 = 1 << 20
    /// F_SETPIPE_SZ of Linux, which the C library shows to GNU programs alone.
    private static let setPipeSize: Int32 = 1031

    init() {
        // What is no pipe, or may not be so long, stays as it is.
        _ = fcntl(STDOUT_FILENO, Self.setPipeSize, Self.pipeBytes)
    }

    func write(_ bytes: RawSpan) throws(Problem) {
        var done = 0
        while done < bytes.byteCount {
            let rest = bytes.extracting(done..<bytes.byteCount)
            let count = rest.withUnsafeBytes {
                Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.problem(errno) }
            done += count
        }
    }

    private static func problem(_ code: Int32) -> Problem {
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
    func read(into buffer: inout MutableRawSpan) throws(Problem) -> Int {
        while true {
            let count = buffer.withUnsafeMutableBytes {
                Glibc.read(STDIN_FILENO, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw Problem(
                    .inputOutput,
                    "the stream cannot be read from standard input: \(String(cString: strerror(errno)))",
                    hint: "look at where it comes from, then send it again")
            }
            return count
        }
    }
}
