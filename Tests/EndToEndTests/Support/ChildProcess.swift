import Glibc
import SnapshotModel
import Synchronization

/// A process that a test started, ended by its id.
final class ChildProcess: Sendable {
    let id: pid_t
    /// The exit status as waitpid(2) tells it, once the process was waited for.
    private let ending = Mutex<Int32?>(nil)

    struct Files {
        var output: String
        var errors: String
    }

    /// Starts a program that is found as a shell finds it. Standard input is empty. One that is not
    /// found ends with 127.
    ///
    /// - Parameter descriptor: becomes descriptor 3 of the process.
    init(
        _ arguments: [String], environment: [String: String], folder: String, files: Files,
        passing descriptor: Int32? = nil
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let flags = O_WRONLY | O_CREAT | O_TRUNC
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, files.output, flags, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, files.errors, flags, 0o600)
        if let descriptor { posix_spawn_file_actions_adddup2(&actions, descriptor, 3) }
        // A thread of a pool blocks signals, and a child would go on blocking them.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // Who runs the tests may ignore SIGHUP, as nohup(1) has it.
        var hangUp = none
        sigaddset(&hangUp, SIGHUP)
        posix_spawnattr_setsigdefault(&attributes, &hangUp)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        // env(1) changes the folder and then becomes the program: the id stays.
        let env = ["env", "--chdir=\(folder)"]
        var argv: [UnsafeMutablePointer<CChar>?] =
            (env + arguments).map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] =
            environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for pointer in argv + variables { free(pointer) } }
        var id: pid_t = 0
        let code = posix_spawnp(&id, env[0], &actions, &attributes, &argv, &variables)
        guard code == 0 else {
            throw Problem(.failed, "cannot run \(arguments[0]): error \(code)")
        }
        self.id = id
    }

    /// Does nothing once the process was waited for: its id may be another's by then.
    func send(_ signal: Int32) {
        ending.withLock { if $0 == nil { kill(id, signal) } }
    }

    var isRunning: Bool { poll() == nil }

    /// The exit code, or 128 and the signal's number.
    ///
    /// - Throws: `failed` when the process did not end in time; it is killed then.
    func wait(seconds: Double = Instant.patience) throws -> Int32 {
        let deadline = Instant.now + seconds
        while Instant.now < deadline {
            if let status = poll() { return status }
            usleep(2_000)
        }
        send(SIGKILL)
        while poll() == nil { usleep(2_000) }
        throw Problem(.failed, "process \(id) did not end within \(seconds) s")
    }

    /// Ends it at once.
    func end() {
        send(SIGKILL)
        _ = try? wait()
    }

    private func poll() -> Int32? {
        ending.withLock { ending in
            if let ending { return ending }
            var status: Int32 = 0
            guard waitpid(id, &status, WNOHANG) == id else { return nil }
            let signal = status & 0x7f
            ending = signal == 0 ? (status >> 8) & 0xff : 128 + signal
            return ending
        }
    }
}

/// Seconds of the clock that nobody sets.
enum Instant {
    /// How long something that always comes may take on a machine that has much else to do.
    static let patience = 300.0

    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    static func sleep(_ seconds: Double) { usleep(UInt32(seconds * 1e6)) }
}
