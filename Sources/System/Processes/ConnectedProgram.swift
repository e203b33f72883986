internal import CSystem
internal import Glibc

/// A child in a session of its own whose standard input and output are one socket of this process. What it says on
/// standard error is kept, for when it fails.
package final class ConnectedProgram {
    /// Where one reads what it writes, and writes what it reads.
    package let end: PipeEnd
    private let socket: Int32
    private let errors: Int32
    private let id: pid_t
    private let name: String
    private var hasEnded = false

    private static let errorBytesMaximum = 16 << 10
    /// It can say so much on standard error, and no more: what is behind that fails to be written.
    private static let errorFileBytes = 1 << 20
    private static let lookMilliseconds = 5

    /// - Parameters:
    ///   - arguments: the program first; it is looked for in `PATH`.
    ///   - patienceMilliseconds: how long it may do nothing.
    ///   - isOver: whether the wait for it is to end.
    package init(
        _ arguments: [String], patienceMilliseconds: Int,
        isOver: @escaping @Sendable () -> Bool
    ) throws(IOFailure) {
        name = arguments.first ?? ""
        var ends: [Int32] = [-1, -1]
        guard snapmgr_socket_pair(&ends) == 0 else { throw .last("run", path: name) }
        defer { close(ends[1]) }
        let errors = snapmgr_memory_file("snapmgr-errors", Self.errorFileBytes)
        guard errors >= 0 else {
            close(ends[0])
            throw .last("run", path: name)
        }
        // The shell's standard output is the file; the program's is the socket.
        let words =
            ["/bin/sh", "-c", "exec \"$@\" <&3 >&3 3>&-", "sh"] + arguments
        let pointers = words.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        var id: pid_t = 0
        let code = snapmgr_spawn("/bin/sh", pointers + [nil], environ, errors, ends[1], 1, &id)
        guard code == 0 else {
            close(ends[0])
            close(errors)
            throw IOFailure("run", path: name, code: code)
        }
        self.id = id
        self.errors = errors
        socket = ends[0]
        end = PipeEnd(
            socket, path: name, patienceMilliseconds: patienceMilliseconds, isOver: isOver)
    }

    deinit {
        stop(afterMilliseconds: 0)
        close(socket)
        close(errors)
    }

    /// Waits for the program, which is told that nothing more comes; one that does not end is ended.
    package func stop(afterMilliseconds patience: Int) {
        guard !hasEnded else { return }
        shutdown(socket, Int32(SHUT_WR))
        var waited = 0
        while snapmgr_has_ended(id) == 0, waited < patience {
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
            waited += Self.lookMilliseconds
        }
        if snapmgr_has_ended(id) == 0 { kill(-id, SIGTERM) }
        waited = 0
        while snapmgr_has_ended(id) == 0, waited < 1000 {
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
            waited += Self.lookMilliseconds
        }
        // Also what it has started.
        kill(-id, SIGKILL)
        var status: Int32 = 0
        _ = retryingInterrupts { waitpid(id, &status, 0) }
        hasEnded = true
    }

    /// The last lines that it has said on standard error; nil when it has said nothing.
    package var lastWords: String? {
        // The program has the file with this position in it.
        let length = max(0, lseek(errors, 0, SEEK_CUR))
        var bytes = [UInt8](repeating: 0, count: Self.errorBytesMaximum)
        let start = max(0, length - off_t(bytes.count))
        let wanted = min(bytes.count, Int(length))
        let count = retryingInterrupts { pread(errors, &bytes, wanted, start) }
        guard count > 0 else { return nil }
        let lines = String(decoding: bytes[..<count], as: UTF8.self).split(
            whereSeparator: \.isNewline)
        return lines.isEmpty ? nil : lines.suffix(3).joined(separator: " / ")
    }
}
