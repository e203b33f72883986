import ArgumentParser
import Glibc
import ServiceLog
import SnapshotModel
import Logging

/// The standard streams.
enum Output {
    /// Writes a result. When nobody reads any more, the process ends quietly.
    static func write(_ text: String) {
        guard !put(text, to: STDOUT_FILENO), errno == EPIPE else { return }
        _exit(ExitStatus.done.rawValue)
    }

    /// Writes a part of a result that is no text.
    ///
    /// - Throws: `io` when it cannot be written; when nobody reads any more, an exit code that says nothing: what the
    ///   bytes come from, such as a mount, is ended first.
    static func write(bytes: RawSpan) throws {
        var done = 0
        while done < bytes.byteCount {
            let rest = bytes.extracting(done..<bytes.byteCount)
            let count = rest.withUnsafeBytes {
                Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                guard errno != EPIPE else { throw ExitCode(ExitStatus.done.rawValue) }
                throw Problem(
                    .inputOutput,
                    "cannot write to standard output: \(String(cString: strerror(errno)))",
                    hint: "look at where it goes")
            }
            done += count
        }
    }

    static func writeError(_ text: String) { _ = put(text, to: STDERR_FILENO) }

    /// Who reads standard error: a person, a script, or the journal.
    static let errorStream = ServiceStream(
        journal: getenv("JOURNAL_STREAM").map { String(cString: $0) })

    /// Says why a command, or a part of it, failed.
    static func writeError(_ problem: Problem, json: Bool) {
        let text = ErrorMessage(problem).text(json: json)
        writeError(json ? text : errorStream.text(text, at: .error))
    }

    /// Writes a result for people: of what a terminal obeys, only line feeds and ``Terminal``'s own
    /// sequences get there, wherever a name, a note or a tag comes from.
    static func show(_ text: String) { write(forPeople(text)) }

    /// The same on standard error.
    static func tell(_ text: String) { writeError(forPeople(text)) }

    static func forPeople(_ text: String) -> String {
        Terminal.sequences.reduce({ $0.escapedLinesForPeople }) {
            escape, own in
            { text in
                text.split(separator: own, omittingEmptySubsequences: false)
                    .map { escape(String($0)) }.joined(separator: own)
            }
        }(text)
    }

    /// Writes all of it; false when that fails, with the reason in errno.
    static func put(_ text: String, to descriptor: Int32) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(
                    descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                if count < 0 {
                    if errno == EINTR { continue }
                    return false
                }
                done += count
            }
            return true
        }
    }
}
