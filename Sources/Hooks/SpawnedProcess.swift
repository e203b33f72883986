internal import System
internal import CSystem
internal import Glibc

/// A child process in a process group of its own.
struct SpawnedProcess: ~Copyable {
    let id: pid_t
    /// Readable when the process has ended; -1 where the kernel knows no such descriptors.
    private let watch: Int32

    /// - Parameters:
    ///   - environment: nil hands on that of this process.
    ///   - output: becomes standard output and standard error.
    ///   - extra: becomes descriptor 3.
    ///   - leadsSession: whether it has a session of its own, too.
    /// - Throws: the error's number.
    init(
        _ arguments: [String], environment: [String: String]?, output: Int32 = -1,
        extra: Int32 = -1, leadsSession: Bool = true
    ) throws(Errno) {
        let variables = environment.map { $0.map { "\($0.key)=\($0.value)" }.sorted() }
        var id: pid_t = 0
        let code = Self.withPointers(arguments) { arguments in
            guard let path = arguments[0] else { return EINVAL }
            guard let variables else {
                return snapmgr_spawn(
                    path, arguments, environ, output, extra, leadsSession ? 1 : 0, &id)
            }
            return Self.withPointers(variables) { variables in
                snapmgr_spawn(path, arguments, variables, output, extra, leadsSession ? 1 : 0, &id)
            }
        }
        guard code == 0 else { throw Errno(code: code) }
        self.id = id
        watch = snapmgr_process_descriptor(id)
    }

    deinit { if watch >= 0 { close(watch) } }

    private static func withPointers<Result>(
        _ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let pointers = texts.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        return body(pointers + [nil])
    }

    /// To be polled for reading; -1 says to look at ``hasEnded`` now and then instead.
    var pollDescriptor: Int32 { watch }

    /// True also for one that somebody else waited for.
    var hasEnded: Bool { snapmgr_has_ended(id) != 0 }

    /// To all of its group. Only while it was not waited for: its id may be another's afterwards.
    func signalGroup(_ signal: Int32) { kill(-id, signal) }

    /// Forgets a process that has ended; nil when somebody else waited for it.
    consuming func reap() -> ProgramResult.Ending? {
        var status: Int32 = 0
        var result: pid_t
        repeat { result = waitpid(id, &status, 0) } while result < 0 && errno == EINTR
        guard result == id else { return nil }
        let signal = status & 0x7f
        return signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
    }
}

/// An error's number, from calls that return it.
struct Errno: Error, Hashable {
    var code: Int32

    var text: String { String(cString: strerror(code)) }
}
