import System
import Glibc
import SnapshotModel
import Testing

@testable import Hooks

/// One program: what it gets, what is learned of its end, and that it does end.
@Suite struct ProgramTests: Sendable {
    private let folder = ScriptFolder()

    private func run(
        _ arguments: [String], environment: [String: String] = ["PATH": "/usr/bin:/bin"],
        timeoutMilliseconds: Int = ScriptFolder.patienceMilliseconds, stop: StopCheck = .never
    ) -> ProgramResult {
        ProgramRunner.run(
            HookProgram(
                hook: "test", event: .beforeFreeze, arguments: arguments, environment: environment,
                timeoutMilliseconds: timeoutMilliseconds),
            stop: stop)
    }

    @Test("Arguments reach the program as they are, without a shell")
    func arguments() throws {
        let script = try folder.script("p", #"for a in "$@"; do echo "<$a>"; done"#)
        let result = run([script, "a b", "", "$HOME;`id`", "*"])
        #expect(result.output == "<a b>\n<>\n<$HOME;`id`>\n<*>\n")
        #expect(result.ending == .exited(0))
    }

    @Test("The environment is the given one and nothing else")
    func environment() {
        setenv("SNAPMGR_TEST_LEAK", "1", 1)
        let result = run(["/usr/bin/env"], environment: ["A": "b c", "PATH": "/bin"])
        #expect(Set(result.output.split(separator: "\n")) == ["A=b c", "PATH=/bin"])
    }

    @Test("A program has a session of its own, empty input, the root folder, and clean signals")
    func surroundings() throws {
        let script = try folder.script(
            "p",
            """
            cat
            pwd
            test "$(cut -d' ' -f6 /proc/$$/stat)" = $$ && echo leader
            sed -nE 's/^Sig(Blk|Ign):.//p' /proc/self/status
            """)
        // As in our command line; a program that ignores it may never end.
        _ = Glibc.signal(SIGPIPE, SIG_IGN)
        let result = Box<ProgramResult>()
        // A thread that blocks all signals, as ours do.
        BackgroundThread.start(name: "runner") { result.value = run([script]) }.join()
        let lines = (result.value?.output ?? "").split(separator: "\n")
        #expect(lines.prefix(2) == ["/", "leader"])
        // The C library keeps signals 32 and 33 to itself.
        let signals = lines.dropFirst(2).compactMap { UInt64($0, radix: 16) }
        #expect(signals.map { $0 & ~(3 << 31) } == [0, 0])
    }

    @Test("Standard output and error are both kept")
    func output() throws {
        let result = run([try folder.script("p", "echo out; echo err >&2; exit 3")])
        #expect(result.output == "out\nerr\n")
        #expect(result.ending == .exited(3))
        #expect(result.lastWords == "out / err")
    }

    @Test("A signal that ends it is told")
    func signal() throws {
        #expect(run([try folder.script("p", "kill -9 $$")]).ending == .signalled(SIGKILL))
    }

    @Test("Of 100 MB of output the end is kept, and the program never waits for us")
    func muchOutput() throws {
        let result = run([
            try folder.script("p", "head -c 100000000 /dev/zero | tr '\\0' x; echo end")
        ])
        #expect(result.ending == .exited(0))
        #expect(result.output.utf8.count == OutputTail.limitBytes)
        #expect(result.output.hasSuffix("xxxend\n"))
    }

    @Test("A process that is left behind with the output open keeps nobody waiting")
    func leftBehind() throws {
        let result = run([try folder.script("p", #"sleep 1000 & echo $! >"$F/child"; echo x"#)])
        let child = try folder.number("child")
        #expect(result.ending == .exited(0))
        #expect(result.output == "x\n")
        #expect(ScriptFolder.isRunning(child))
        kill(child, SIGKILL)
    }

    @Test("A timeout ends the whole group, also those who ignore the first signal")
    func timeout() throws {
        try ScriptFolder.inTime { folder, seconds in
            let script = try folder.script(
                "p",
                """
                trap '' TERM
                (trap '' TERM; sleep 1000 >/dev/null 2>&1 & echo $! >"$F/grandchild"; wait) &
                echo ready
                while true; do sleep 1; done
                """)
            let result = run([script], timeoutMilliseconds: seconds * 1000)
            #expect(result.ending == .timedOut)
            #expect(!result.isStillRunning)
            guard folder.text("grandchild").hasSuffix("\n") else { return false }
            let grandchild = try folder.number("grandchild")
            try folder.wait { !ScriptFolder.isRunning(grandchild) }
            return true
        }
    }

    @Test("A program that ends well when asked may do so, and its time was up all the same")
    func politeTimeout() throws {
        try ScriptFolder.inTime { folder, seconds in
            let script = try folder.script(
                "p", "trap 'echo bye; exit 0' TERM; while true; do sleep 0.1; done")
            let result = run([script], timeoutMilliseconds: seconds * 1000)
            #expect(result.ending == .timedOut)
            return result.output.hasSuffix("bye\n")
        }
    }

    @Test("A program is ended when a stop is wanted")
    func stopped() throws {
        let script = try folder.script("p", #"echo $$ >"$F/id"; sleep 1000"#)
        let folder = folder
        let result = run([script], stop: StopCheck { folder.text("id").hasSuffix("\n") })
        #expect(result.ending == .stopped)
        let id = try folder.number("id")
        #expect(!ScriptFolder.isRunning(id))
    }

    @Test("What cannot be started says why")
    func notStarted() throws {
        let cases = [
            ("bin/x", "its path is not absolute"),
            (folder.path + "/none", "there is no such file"),
            (try folder.script("plain", "", mode: 0o644), "it is not executable"),
            (folder.path, "it is not executable"),
            (
                try folder.file("bad", "#!/no/such/shell\n", mode: 0o755),
                "the interpreter in its first line is missing"
            ),
            (
                try folder.file("text", "echo hello\n", mode: 0o755),
                "it is neither a program nor a script that begins with #!"
            ),
        ]
        for (path, cause) in cases {
            let result = run([path])
            guard case .couldNotStart(_, let told) = result.ending else {
                Issue.record("\(path) was started")
                continue
            }
            #expect(told == cause)
            #expect(!result.hasRun)
        }
        #expect(!run([]).hasRun)
    }

    @Test("A failure names hook, volume, program, cause, last words and the next step")
    func problem() throws {
        let path = try folder.script("p", "echo disk is on fire >&2; exit 3")
        let program = HookProgram(hook: "pg", event: .beforeFreeze, arguments: [path])
        let problem = HookRun(program, volume: "data", run([path])).problem
        #expect(
            problem.message
                == "hook pg of volume data: before-freeze program \(path) ended with exit status 3: "
                + "disk is on fire")
        #expect(problem.hint?.description.contains("[hooks.pg]") == true)
    }

    @Test("A program inherits no descriptor, however many are open")
    func descriptors() throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        // Fewer than would reach the numbers that another test of this process passes sockets with.
        let opened = (0..<min(500, Int(clamping: limit.rlim_cur) - 512)).map { _ in
            open("/dev/null", O_RDONLY)
        }
        defer { for descriptor in opened { close(descriptor) } }
        #expect(!opened.contains(-1))
        // The shell opens the script itself at 10 or more; `set --` lists without a descriptor.
        let script = try folder.script("p", "exec /bin/ls /proc/self/fd")
        #expect(run([script]).output == "0\n1\n2\n3\n", "3 is the listing's own")
    }
}

/// Where a thread leaves its result.
final class Box<Value>: @unchecked Sendable {
    var value: Value?
}
