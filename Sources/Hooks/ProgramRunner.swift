internal import System
internal import CSystem
internal import Glibc

/// Runs one program and waits for it: no shell, a session of its own, nothing on standard input,
/// output read at once whatever its amount, an end when its time is up.
enum ProgramRunner {
    /// How long a process group may take to end once it was asked to, in milliseconds.
    static let graceMilliseconds = 2000
    /// How long a killed program is waited for: one that waits in the kernel does not end.
    static let killMilliseconds = 5000

    /// - Parameter leadsSession: whether the program has a session of its own. In the watchdog, which
    ///   has one, its programs stay: so they can be found when it is killed.
    static func run(
        _ program: HookProgram, stop: StopCheck = .never,
        leadsSession: Bool = true
    ) -> ProgramResult {
        let begin = SystemClock().monotonicNanoseconds()
        var result =
            if let post = program.post {
                HookPoster.run(program, post, stop)
            } else {
                runChecked(program, stop, leadsSession)
            }
        result.milliseconds = Int((SystemClock().monotonicNanoseconds() - begin) / 1_000_000)
        return result
    }

    private static func runChecked(
        _ program: HookProgram, _ stop: StopCheck, _ leadsSession: Bool
    ) -> ProgramResult {
        guard let path = program.arguments.first, path.hasPrefix("/") else {
            return notStarted(EINVAL, "its path is not absolute")
        }
        var ends: [Int32] = [-1, -1]
        guard snapmgr_pipe(&ends) == 0 else { return notStarted(errno, Errno(code: errno).text) }
        let reader = OwnedDescriptor(owning: ends[0])
        let writer = OwnedDescriptor(owning: ends[1])
        do throws(Errno) {
            let process = try start(program, output: writer.number, leadsSession)
            // Else the output would never end.
            _ = consume writer
            var run = RunningProgram(
                process, output: reader, deadline: Deadline(program.timeoutMilliseconds))
            run.follow(stop)
            return run.finish()
        } catch {
            return notStarted(error.code, cause(error, of: path))
        }
    }

    /// How long a program that somebody has open for writing is tried again, in milliseconds: it is
    /// being replaced.
    private static let busyMilliseconds = 2000

    private static func start(
        _ program: HookProgram, output: Int32, _ leadsSession: Bool
    ) throws(Errno) -> SpawnedProcess {
        let deadline = Deadline(busyMilliseconds)
        while true {
            do throws(Errno) {
                return try SpawnedProcess(
                    program.arguments, environment: program.environment, output: output,
                    leadsSession: leadsSession)
            } catch {
                guard error.code == ETXTBSY, !deadline.hasPassed else { throw error }
                BackgroundThread.sleep(milliseconds: 20)
            }
        }
    }

    private static func notStarted(_ code: Int32, _ cause: String) -> ProgramResult {
        ProgramResult(ending: .couldNotStart(code, cause: cause), milliseconds: 0, output: "")
    }

    /// The error alone would blame the program where its interpreter is missing.
    private static func cause(_ error: Errno, of path: String) -> String {
        switch error.code {
        case ENOENT where access(path, F_OK) == 0: "the interpreter in its first line is missing"
        case ENOENT: "there is no such file"
        case EACCES where access(path, F_OK) == 0: "it is not executable"
        case EACCES: "the folder cannot be searched"
        case ENOEXEC: "it is neither a program nor a script that begins with #!"
        default: error.text
        }
    }
}

extension Deadline {
    init(_ milliseconds: Int) { self.init(milliseconds: milliseconds) }
}
