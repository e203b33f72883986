internal import CSystem
internal import Glibc

/// Runs a program and reads what it prints, on both of its outputs.
package enum ProgramOutput {
    /// How long a program may print nothing, in milliseconds, before it is ended.
    private static let silenceMilliseconds: Int32 = 60_000
    private static let limitBytes = 1 << 20

    /// The lines that a program prints. It runs in the folder /, with this process's environment.
    /// EINVAL when it does not end with 0, ETIMEDOUT when it hangs, EFBIG when it does not end.
    package static func lines(of arguments: [String]) throws(IOFailure) -> [String] {
        guard let path = arguments.first else { throw IOFailure("run", path: "", code: EINVAL) }
        var ends: [Int32] = [-1, -1]
        guard snapmgr_pipe(&ends) == 0 else { throw .last("run", path: path) }
        defer { close(ends[0]) }
        var id: pid_t = 0
        let pointers = arguments.map { strdup($0) }
        let code = snapmgr_spawn(path, pointers + [nil], environ, ends[1], -1, 1, &id)
        for pointer in pointers { free(pointer) }
        close(ends[1])
        guard code == 0 else { throw IOFailure("run", path: path, code: code) }
        let (bytes, failure) = readAll(ends[0])
        if failure != 0 { kill(-id, SIGKILL) }
        var status: Int32 = 0
        _ = retryingInterrupts { waitpid(id, &status, 0) }
        guard failure == 0, status == 0 else {
            throw IOFailure("run", path: path, code: failure == 0 ? EINVAL : failure)
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// Reads to the end; the number of what went wrong, or 0.
    private static func readAll(_ descriptor: Int32) -> ([UInt8], Int32) {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while bytes.count <= limitBytes {
            var state = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = retryingInterrupts { poll(&state, 1, silenceMilliseconds) }
            guard ready > 0 else { return (bytes, ready == 0 ? ETIMEDOUT : errno) }
            let count = retryingInterrupts { read(descriptor, &buffer, buffer.count) }
            guard count >= 0 else { return (bytes, errno) }
            guard count > 0 else { return (bytes, 0) }
            bytes += buffer.prefix(count)
        }
        return (bytes, EFBIG)
    }
}
