import System
import Glibc
import SnapshotModel

/// The real program (`$SNAPMGR_BINARY`, else the one beside this), which waits where it would begin: each
/// command is run by a copy of it, so that none waits for the loader.
final class LookupServer {
    let fault: LookupFault
    let clock: CommandClock
    private let socket: OwnedDescriptor
    private let process: pid_t
    private let output: String
    private let errors: String

    struct Outcome {
        /// The exit code, or 128 and the signal's number.
        var status: Int32
        var output: String
        var errors: String
    }

    /// - Parameters:
    ///   - folder: for what the server needs; not below the root.
    ///   - root: where look-ups fail.
    ///   - program: another program than that.
    init(folder: String, root: String, program: String? = nil) throws {
        (output, errors) = (folder + "/output", folder + "/errors")
        fault = try LookupFault(
            path: folder + "/fault", root: root, output: output, errors: errors)
        clock = try CommandClock(path: folder + "/clock")
        let binaries = try Self.binaries()
        var ends: [Int32] = [0, 0]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw IOFailure("connect", path: "socket", code: errno)
        }
        socket = OwnedDescriptor(owning: ends[0])
        let other = OwnedDescriptor(owning: ends[1])
        let environment = [
            "LD_PRELOAD=\(binaries)/libsnapmgr-test-clock.so "
                + "\(binaries)/libsnapmgr-lookup-fault.so",
            "SNAPMGR_TEST_CLOCK=\(clock.path)", "SNAPMGR_LOOKUP_FAULT=\(fault.path)",
            "SNAPMGR_LOOKUP_SERVER=3", "SNAPMGR_STATE=\(root)/state",
            "SNAPMGR_CONFIG=\(root)/snapmgr.toml", "TZ=UTC", "HOME=\(folder)",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SWIFT_BACKTRACE=enable=no",
        ]
        let program =
            program ?? getenv("SNAPMGR_BINARY").map { String(cString: $0) }
            ?? "\(binaries)/snapmgr"
        process = try Self.spawn(program, environment: environment, passing: other.number)
    }

    deinit {
        kill(process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    /// Runs a command to its end.
    ///
    /// - Parameters:
    ///   - input: the file that is its standard input.
    ///   - whileRunning: works with the process before it is waited for.
    func run(
        _ arguments: [String], input: String? = nil,
        whileRunning: (pid_t) throws -> Void = { _ in }
    ) throws -> Outcome {
        try fault.setInput(input ?? "")
        var words: [UInt8] = []
        for argument in ["snapmgr"] + arguments { words += Array(argument.utf8) + [0] }
        let count = UInt32(words.count)
        try send(withUnsafeBytes(of: count) { Array($0) } + words)
        let id = try receive(milliseconds: 60_000)
        try whileRunning(id)
        let status: Int32
        do {
            status = try receive(milliseconds: 60_000)
        } catch {
            kill(id, SIGKILL)
            _ = try receive(milliseconds: 60_000)
            throw Problem(.failed, "\(arguments) did not end")
        }
        let signal = status & 0x7f
        return Outcome(
            status: signal == 0 ? (status >> 8) & 0xff : 128 + signal, output: text(output),
            errors: text(errors))
    }

    /// Has a command's output in a file.
    func keepOutput(of arguments: [String], as path: String) throws {
        let outcome = try run(arguments)
        guard outcome.status == 0 else {
            throw Problem(.failed, "\(arguments): \(outcome.status), \(outcome.errors)")
        }
        guard rename(output, path) == 0 else { throw IOFailure("rename", path: path, code: errno) }
    }

    func text(_ path: String) -> String {
        guard let device = try? FileDevice(path: path, access: .readOnly),
            let count = try? device.byteCount(), count > 0
        else { return "" }
        var buffer = AlignedBuffer(count: count)
        var bytes = buffer.mutableBytes
        try? device.read(into: &bytes, at: 0)
        return String(decoding: buffer.bytes.array, as: UTF8.self)
    }

    private func send(_ bytes: [UInt8]) throws {
        guard write(socket.number, bytes, bytes.count) == bytes.count else {
            throw IOFailure("write", path: "socket", code: errno)
        }
    }

    private func receive(milliseconds: Int32) throws -> Int32 {
        var poller = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
        guard poll(&poller, 1, milliseconds) == 1 else {
            throw IOFailure("wait for", path: "socket", code: ETIMEDOUT)
        }
        var value: Int32 = 0
        guard read(socket.number, &value, 4) == 4 else {
            throw IOFailure("read", path: "socket", code: EPIPE)
        }
        return value
    }

    /// The folder of this program, and of the one that it tests.
    static func binaries() throws -> String {
        let program = try FileFolder.realPath("/proc/self/exe")
        return String(program[..<(program.lastIndex(of: "/") ?? program.startIndex)])
    }

    private static func spawn(
        _ path: String, environment: [String], passing descriptor: Int32
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, descriptor, 3)
        let words = [strdup(path), nil]
        let variables = environment.map { strdup($0) } + [nil]
        defer { for text in words + variables { free(text) } }
        var process = pid_t()
        let error = posix_spawn(&process, path, &actions, nil, words, variables)
        guard error == 0 else { throw IOFailure("start", path: path, code: error) }
        return process
    }
}
