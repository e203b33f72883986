import Glibc
import SnapshotModel

/// A command on one other machine. Its standard streams are this process's, and its exit code, too.
struct RemoteRun {
    private let host: RemoteHost
    private let arguments: [String]
    private let mark = RemoteHost.newMark()

    /// What ssh itself ends with when it fails; no command of ours does.
    private static let failureStatus: Int32 = 255
    /// What a shell, or `env`, ends with when it cannot run a program; no command of ours does, either.
    private static let notRunStatuses: ClosedRange<Int32> = 126...127
    /// The commands that read what is given to this process.
    private static let readers = [["receive"], ["mirror", "accept"]]
    private static let signals = [SIGINT, SIGTERM, SIGHUP, SIGCHLD]

    init(_ host: RemoteHost, _ arguments: [String]) {
        self.host = host
        self.arguments = arguments
    }

    /// - Returns: the exit code there.
    /// - Throws: `missing` when ssh cannot be run, does not get there, or finds no snapmgr there.
    func run() throws(Problem) -> Int32 {
        // Where it is ignored, nobody is told when the program ends, nor with what.
        signal(SIGCHLD, SIG_DFL)
        var blocked = Self.signalSet
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, &blocked, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let id = try start(
            host.connector(options, RemoteHost.command(arguments, mark: mark)), mask: before)
        let status = try wait(for: id, mask: before)
        guard !Self.notRunStatuses.contains(status) else {
            throw Problem(
                .missing, "snapmgr cannot be run on \(host.name)",
                hint: "install it there, or say with SNAPMGR_REMOTE_PROGRAM what it is called")
        }
        guard status != Self.failureStatus else {
            throw Problem(
                .missing, "\(host.name) cannot be reached, or the connection has ended",
                hint: "see that it works by itself: ssh \(host.name)")
        }
        return status
    }

    /// Of ssh. A terminal here is one there: for questions, progress, and Ctrl-C. Else what nobody reads there stays
    /// for whoever reads it here.
    private var options: [String] {
        let streams = [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
        guard !streams.allSatisfy({ isatty($0) == 1 }) else { return ["-t"] }
        return Self.readers.contains(NamedCommand(arguments).path) ? ["-T"] : ["-T", "-n"]
    }

    private static var signalSet: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        return set
    }

    /// Starts a program with this process's streams.
    private func start(_ words: [String], mask: sigset_t) throws(Problem) -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var mask = mask
        posix_spawnattr_setsigmask(&attributes, &mask)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let pointers = words.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        var id: pid_t = 0
        let code = posix_spawnp(&id, words[0], nil, &attributes, pointers + [nil], environ)
        guard code == 0 else {
            throw Problem(
                .missing, "cannot run \(words[0]): \(String(cString: strerror(code)))",
                hint: "install it, or name another with SNAPMGR_SSH")
        }
        return id
    }

    /// Waits for it. A signal interrupts the command there, and a second one ends the connection.
    private func wait(for id: pid_t, mask: sigset_t) throws(Problem) -> Int32 {
        var (signals, isInterrupted) = (Self.signalSet, false)
        while true {
            var number: Int32 = 0
            sigwait(&signals, &number)
            if number == SIGCHLD {
                var status: Int32 = 0
                let ended = waitpid(id, &status, WNOHANG)
                guard ended != -1 || errno == EINTR else {
                    throw Problem(
                        .failed,
                        "cannot wait for ssh to \(host.name): \(String(cString: strerror(errno)))")
                }
                guard ended == id else { continue }
                return Self.exitCode(status, isInterrupted: isInterrupted)
            }
            if isInterrupted || number == SIGHUP {
                isInterrupted = true
                kill(id, SIGTERM)
            } else {
                isInterrupted = true
                // Of a terminal, ssh has passed Ctrl-C on as what was typed.
                _ = try start(
                    host.connector(
                        Self.interruptionOptions, RemoteHost.interruption(mark: mark)), mask: mask)
            }
        }
    }

    /// Nobody is asked for a password then, nor waits for long.
    private static let interruptionOptions = [
        "-T", "-n", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10",
    ]

    /// - Parameters:
    ///   - status: as `waitpid` has given it.
    ///   - isInterrupted: whether the end of ssh itself is what was asked for.
    private static func exitCode(_ status: Int32, isInterrupted: Bool) -> Int32 {
        let signal = status & 0x7f
        let code = signal == 0 ? (status >> 8) & 0xff : 128 + signal
        let isOwnEnd = signal != 0 || code == failureStatus
        return isInterrupted && isOwnEnd ? ExitStatus.interrupted.rawValue : code
    }
}
