import Glibc
import SnapshotModel

/// A command on one other machine. Its standard streams are this process's, and its exit code, too.
struct RemoteRun {
    private let host: RemoteHost
    private let arguments: [String]
    private let mark = RemoteHost.newMark()

    /// What ssh itself ends with when it fails; no command of ours does.
    private static let failureStatus: Int32 = 255
    private static let signals = [SIGINT, SIGTERM, SIGHUP, SIGCHLD]

    init(_ host: RemoteHost, _ arguments: [String]) {
        self.host = host
        self.arguments = arguments
    }

    /// - Returns: the exit code there.
    /// - Throws: `missing` when ssh cannot be run, or does not get there.
    func run() throws(Problem) -> Int32 {
        var blocked = Self.signalSet
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, &blocked, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        // A terminal here is one there: for questions, progress, and Ctrl-C.
        let isTerminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
        let id = try start(
            host.connector([isTerminal ? "-t" : "-T"], RemoteHost.command(arguments, mark: mark)),
            mask: before)
        let status = try wait(for: id, mask: before)
        guard status != Self.failureStatus else {
            throw Problem(
                .missing, "\(host.name) cannot be reached, or the connection has ended",
                hint: "see that it works by itself: ssh \(host.name)")
        }
        return status
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
                guard waitpid(id, &status, WNOHANG) == id else { continue }
                let isExit = status & 0x7f == 0
                return isExit ? (status >> 8) & 0xff : 128 + (status & 0x7f)
            }
            if isInterrupted || number == SIGHUP {
                kill(id, SIGTERM)
            } else {
                isInterrupted = true
                // Of a terminal, ssh has passed Ctrl-C on as what was typed.
                _ = try start(
                    host.connector(["-T", "-n"], RemoteHost.interruption(mark: mark)), mask: mask)
            }
        }
    }
}
