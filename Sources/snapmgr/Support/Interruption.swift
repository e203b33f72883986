import Glibc
import Manager
import Monitoring
import ShellWords
import SnapshotModel
import Synchronization

/// Makes SIGINT and SIGTERM end the command between two of its steps, and a second one at once.
enum Interruption {
    /// What the use cases look at.
    static let cancellation = Cancellation()

    private static let isPlugin = Atomic(false)

    /// How long a step may go on before the process ends all the same, in milliseconds. Ending
    /// anywhere is safe: the next command reconciles what this one has begun.
    private static let graceMilliseconds = 1000

    /// Whether the command is a monitoring plugin, whose exit codes are those of plugins.
    static func endsPlugin(_ isTrue: Bool) { isPlugin.store(isTrue, ordering: .relaxed) }

    /// Blocks the signals in this thread, and so in all later ones, and waits for them in another.
    static func install() {
        signal(SIGPIPE, SIG_IGN)
        // A limit on the size of files is an error of the write, and told as one. Whoever this process
        // becomes or starts shall have it so, too: a server must not end in mid-write.
        signal(SIGXFSZ, SIG_IGN)
        var signals = blockedSignals
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { _ in
                Interruption.waitForSignals()
                return nil
            }, nil)
    }

    /// Gives the signals back, for a program that this process becomes.
    static func uninstall() {
        var signals = blockedSignals
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        signal(SIGPIPE, SIG_DFL)
    }

    private static var blockedSignals: sigset_t {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        return signals
    }

    private static func waitForSignals() {
        var (signals, number) = (blockedSignals, Int32(0))
        sigwait(&signals, &number)
        cancellation.request()
        var grace = timespec(
            tv_sec: graceMilliseconds / 1000, tv_nsec: graceMilliseconds % 1000 * 1_000_000)
        sigtimedwait(&signals, nil, &grace)
        guard !isPlugin.load(ordering: .relaxed) else {
            let output = PluginOutput(Cancellation.problem, .shell)
            Output.write(output.text)
            _exit(output.status)
        }
        Output.writeError(Cancellation.problem, json: false)
        _exit(ExitStatus.interrupted.rawValue)
    }
}
