import System
import CSystem
import Glibc
import SnapshotModel
import Testing

@testable import Hooks

/// What happens when one of the two processes ends or hangs: everything is undone, once.
@Suite struct WatchdogTests {
    private var folder = ScriptFolder()

    private let before3 = [
        "before-freeze h1 data", "before-freeze h2 data", "before-freeze h3 data",
    ]
    private let after3 = ["after-thaw h3 data", "after-thaw h2 data", "after-thaw h1 data"]

    /// Scripts that note what they do. The parent of a script is the watchdog.
    private func writeScripts(before: String = "", after: String = "") throws {
        try folder.logging("before", #"echo $PPID >"$F/watchdog""# + "\n" + before)
        try folder.logging("after", after)
    }

    /// As ``ScriptFolder/inTime(_:)``, with the scene's tools in the fresh folder.
    private func inTime(_ scene: (_ tests: Self, _ seconds: Int) throws -> Bool) throws {
        try ScriptFolder.inTime { folder, seconds in
            var tests = self
            tests.folder = folder
            return try scene(tests, seconds)
        }
    }

    private func startCaller(
        hooks: Int, windowSeconds: Double = 1_000_000
    ) throws -> SpawnedProcess {
        try SpawnedProcess(
            [ScriptFolder.probe, "caller", folder.path, "\(hooks)", "\(windowSeconds)"],
            environment: nil)
    }

    private func makeStack(hooks: Int, windowSeconds: Double? = nil) -> HookStack {
        let programs: [HookEvent: [String]] = [
            .beforeFreeze: [folder.path + "/before"], .afterThaw: [folder.path + "/after"],
        ]
        return HookStack(
            HookOperation(.snapshot, volumes: ["data"]),
            hooks: (1...hooks).map { number in
                BoundHook(Hook(name: "h\(number)", programs: programs, timeoutSeconds: 600))
            }, watchdog: ScriptFolder.watchdog, windowSeconds: windowSeconds)
    }

    private func waitForWatchdogsEnd() throws {
        let watchdog = try folder.number("watchdog")
        try folder.wait { !ScriptFolder.isRunning(watchdog) }
    }

    @Test(
        "A caller that is ended in mid-operation is undone once, in reverse order",
        arguments: [SIGKILL, SIGTERM, SIGINT])
    func callerEnds(signal: Int32) throws {
        try writeScripts(after: #"echo "$SNAPMGR_RESULT $SNAPMGR_ERROR" >>"$F/told""#)
        let caller = try startCaller(hooks: 3)
        try folder.wait { folder.exists("frozen") }
        // To the whole group, as a terminal or a service manager does.
        caller.signalGroup(signal)
        try waitForWatchdogsEnd()
        #expect(folder.log == before3 + after3)
        #expect(
            folder.lines("told")
                == Array(repeating: "failed snapmgr ended in mid-operation", count: 3))
        #expect(caller.reap() == .signalled(signal))
    }

    @Test("A program that runs when its caller is killed is ended before it is undone")
    func callerEndsInProgram() throws {
        try writeScripts(
            before: #"""
                test "$SNAPMGR_HOOK" = h2 || exit 0
                trap 'echo ended >>"$F/log"; exit 1' TERM
                touch "$F/running"
                while true; do sleep 0.1; done
                """#)
        let caller = try startCaller(hooks: 3)
        try folder.wait { folder.exists("running") }
        caller.signalGroup(SIGKILL)
        try waitForWatchdogsEnd()
        #expect(folder.log == Array(before3.prefix(2)) + ["ended"] + Array(after3.suffix(2)))
        _ = caller.reap()
    }

    @Test("A caller that hangs is undone at its deadline, learns it, and has failed")
    func callerHangs() throws {
        try inTime { tests, seconds in
            let folder = tests.folder
            try tests.writeScripts()
            let caller = try tests.startCaller(hooks: 3, windowSeconds: Double(seconds))
            try folder.wait { folder.exists("frozen") || folder.exists("result") }
            guard folder.exists("frozen") else {
                _ = caller.reap()
                return false
            }
            caller.signalGroup(SIGSTOP)
            try folder.wait { folder.log.count == 6 }
            #expect(folder.log == before3 + after3)
            try folder.file("go", "")
            caller.signalGroup(SIGCONT)
            try folder.wait { folder.exists("result") }
            #expect(folder.text("result").contains("held the volumes longer than it may"))
            #expect(caller.reap() == .exited(0))
            #expect(folder.log == before3 + after3)
            return true
        }
    }

    @Test("A window that is exceeded after the barrier was confirmed is a warning")
    func lateWindow() throws {
        try inTime { tests, seconds in
            let folder = tests.folder
            try tests.writeScripts()
            let stack = tests.makeStack(hooks: 1, windowSeconds: Double(seconds))
            guard (try? stack.begin()) != nil, (try? stack.confirm()) != nil else { return false }
            try folder.wait { folder.log.count == 2 }
            try stack.end(.succeeded(HookFacts()))
            #expect(stack.warnings.count == 1)
            #expect(folder.log == ["before-freeze h1 data", "after-thaw h1 data"])
            return true
        }
    }

    @Test("A window that is exceeded before the barrier fails an operation that never asked")
    func unconfirmedWindow() throws {
        try writeScripts()
        try inTime { tests, seconds in
            let folder = tests.folder
            try tests.writeScripts()
            let stack = tests.makeStack(hooks: 1, windowSeconds: Double(seconds))
            guard (try? stack.begin()) != nil else { return false }
            try folder.wait { folder.log.count == 2 }
            #expect(throws: Problem.self) { try stack.end(.succeeded(HookFacts())) }
            #expect(folder.log == ["before-freeze h1 data", "after-thaw h1 data"])
            return true
        }
    }

    @Test("A window that ends within a program ends the program, and says why")
    func windowInProgram() throws {
        try inTime { tests, seconds in
            try tests.writeScripts(before: "sleep 1000")
            let problem = #expect(throws: Problem.self) {
                try tests.makeStack(hooks: 1, windowSeconds: Double(seconds)).begin()
            }
            guard tests.folder.log.first == "before-freeze h1 data" else { return false }
            #expect(problem?.message.contains("longer than it may") == true)
            #expect(tests.folder.log == ["before-freeze h1 data", "after-thaw h1 data"])
            return true
        }
    }

    @Test("When the watchdog is killed, the caller fails the operation and undoes it itself")
    func watchdogEnds() throws {
        try writeScripts()
        let stack = makeStack(hooks: 3)
        try stack.begin()
        kill(try folder.number("watchdog"), SIGKILL)
        let problem = #expect(throws: Problem.self) { try stack.confirm() }
        #expect(problem?.message.contains("watchdog of the hooks was ended") == true)
        try stack.end(.failed(Problem(.failed, "x")))
        #expect(folder.log == before3 + after3)
    }

    @Test(
        "When the watchdog is killed after the barrier was confirmed, the operation has succeeded")
    func watchdogEndsLate() throws {
        try writeScripts()
        let stack = makeStack(hooks: 3)
        try stack.begin()
        try stack.confirm()
        kill(try folder.number("watchdog"), SIGKILL)
        try stack.end(.succeeded(HookFacts()))
        #expect(stack.warnings.count == 1)
        #expect(folder.log == before3 + after3)
    }

    @Test("When the watchdog is killed within a program, that is ended, and what ran is undone")
    func watchdogEndsInProgram() throws {
        try writeScripts(
            before: #"""
                test "$SNAPMGR_HOOK" = h2 || exit 0
                echo $$ >"$F/id"
                kill -9 $PPID
                sleep 1000
                """#)
        let problem = #expect(throws: Problem.self) { try makeStack(hooks: 3).begin() }
        #expect(problem?.message.contains("watchdog of the hooks was ended") == true)
        #expect(!ScriptFolder.isRunning(try folder.number("id")))
        #expect(folder.log == Array(before3.prefix(2)) + Array(after3.suffix(2)))
    }

    @Test("When the watchdog is killed while it undoes, the rest is undone and nothing twice")
    func watchdogEndsInUndo() throws {
        try writeScripts(
            after: #"""
                test "$SNAPMGR_HOOK" = h2 || exit 0
                test -e "$F/killed" && exit 0
                touch "$F/killed"
                kill -9 $PPID
                sleep 1000
                """#)
        let stack = makeStack(hooks: 3)
        try stack.begin()
        try stack.confirm()
        try stack.end(.succeeded(HookFacts()))
        // The one that was under way is ended and begun again.
        #expect(folder.log == before3 + [after3[0], after3[1], after3[1], after3[2]])
    }

    @Test("A watchdog that owes something is not ended by the usual signals")
    func signals() throws {
        try writeScripts()
        let stack = makeStack(hooks: 1)
        try stack.begin()
        let watchdog = try folder.number("watchdog")
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] { kill(watchdog, signal) }
        try stack.confirm()
        try stack.end(.succeeded(HookFacts()))
        #expect(stack.warnings.isEmpty)
        #expect(folder.log == ["before-freeze h1 data", "after-thaw h1 data"])
    }

    @Test("A watchdog holds no descriptor of its caller, and a session of its own")
    func detached() throws {
        let leak = open(try folder.file("leak", ""), O_RDONLY)
        defer { close(leak) }
        #expect(leak >= 0)
        try writeScripts(
            before: #"""
                ls -l /proc/$PPID/fd >"$F/descriptors"
                cut -d' ' -f6 /proc/$PPID/stat >"$F/session"
                """#)
        let stack = makeStack(hooks: 1)
        try stack.begin()
        #expect(try folder.number("session") == folder.number("watchdog"))
        #expect(folder.text("descriptors").contains(" 0 -> /dev/null\n"))
        #expect(!folder.text("descriptors").contains("/leak"))
    }
}

/// The protocol, spoken by a caller that makes mistakes.
@Suite struct WatchdogProtocolTests {
    private let folder = ScriptFolder()

    /// A watchdog and the bare connection to it.
    private struct Bare: ~Copyable {
        let process: SpawnedProcess
        let socket: Int32

        static func start() throws -> Bare {
            var ends: [Int32] = [-1, -1]
            try #require(snapmgr_socket_pair(&ends) == 0)
            defer { close(ends[1]) }
            let process = try SpawnedProcess(
                [ScriptFolder.probe, "watchdog"], environment: nil, extra: ends[1])
            return Bare(process: process, socket: ends[0])
        }

        func send(_ bytes: [UInt8]) {
            var sent = 0
            while sent < bytes.count {
                let count = bytes[sent...].withUnsafeBytes {
                    Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { return }
                sent += count
            }
        }

        func send(_ request: HookRequest) { send((try? LineCodec.encode(request)) ?? []) }

        consuming func endStatus() -> ProgramResult.Ending? { Self.reap(process) }

        private static func reap(_ process: consuming SpawnedProcess) -> ProgramResult.Ending? {
            process.reap()
        }
    }

    private func step(_ name: String) throws -> HookRequest {
        func program(_ event: HookEvent) throws -> HookProgram {
            HookProgram(
                hook: name, event: event, arguments: [try folder.logging("p")],
                environment: [
                    "PATH": "/bin:/usr/bin", "SNAPMGR_EVENT": event.rawValue,
                    "SNAPMGR_HOOK": name,
                ], timeoutMilliseconds: ScriptFolder.patienceMilliseconds)
        }
        return .step(HookStep(before: try program(.beforeFreeze), undo: try program(.afterThaw)))
    }

    private let hello = HookRequest.hello(
        version: HookWire.version, windowMilliseconds: 1_000_000_000)

    private static let mistakes: [String: [UInt8]] = [
        "no JSON": Array("nonsense\n".utf8),
        "an empty line": Array("\n".utf8),
        "an unknown request": Array("{\"thaw\":{}}\n".utf8),
        "a second greeting":
            (try? LineCodec.encode(
                HookRequest.hello(version: HookWire.version, windowMilliseconds: 1))) ?? [],
        "a line without an end": [UInt8](
            repeating: UInt8(ascii: " "), count: HookWire.limitBytes + (1 << 20)),
        "bytes": [0, 255, 10],
    ]

    @Test(
        "After a mistake in mid-operation what is owed is done", arguments: mistakes.keys.sorted())
    func mistake(kind: String) throws {
        let bare = try Bare.start()
        bare.send(hello)
        bare.send(try step("one"))
        try folder.wait { folder.log.count == 1 }
        bare.send(try step("two"))
        try folder.wait { folder.log.count == 2 }
        bare.send(Self.mistakes[kind] ?? [])
        try folder.wait { folder.log.count == 4 }
        #expect(folder.log.suffix(2) == ["after-thaw two", "after-thaw one"])
        close(bare.socket)
        #expect(bare.endStatus() == .exited(0))
    }

    @Test("A mistake while a program runs ends the program, and what is owed is done")
    func mistakeInProgram() throws {
        let bare = try Bare.start()
        bare.send(hello)
        let path = try folder.logging("slow", "sleep 1000")
        bare.send(
            .step(
                HookStep(
                    before: HookProgram(
                        hook: "x", event: .beforeFreeze, arguments: [path],
                        environment: ["PATH": "/bin:/usr/bin"],
                        timeoutMilliseconds: 1_000_000_000),
                    undo: HookProgram(
                        hook: "x", event: .afterThaw, arguments: [try folder.logging("p")],
                        environment: ["PATH": "/bin:/usr/bin", "SNAPMGR_EVENT": "after-thaw"]))))
        try folder.wait { folder.log.count == 1 }
        bare.send(Array("nonsense\n".utf8))
        try folder.wait { folder.log.count == 2 }
        #expect(folder.log.last?.hasPrefix("after-thaw") == true)
        close(bare.socket)
        #expect(bare.endStatus() == .exited(0))
    }

    @Test("A connection that ends in half a request is one that ended")
    func halfALine() throws {
        let bare = try Bare.start()
        bare.send(hello)
        bare.send(try step("one"))
        try folder.wait { folder.log.count == 1 }
        bare.send(Array(try LineCodec.encode(HookRequest.finish([])).dropLast(3)))
        close(bare.socket)
        #expect(bare.endStatus() == .exited(0))
        #expect(folder.log == ["before-freeze one", "after-thaw one"])
    }

    @Test("Another version, or no greeting, is refused")
    func greeting() throws {
        for first in [HookRequest.hello(version: 2, windowMilliseconds: 1), try step("one")] {
            let bare = try Bare.start()
            bare.send(first)
            let socket = bare.socket
            defer { close(socket) }
            let ending = bare.endStatus()
            #expect(ending == .exited(1))
        }
        #expect(folder.log == [])
    }

    @Test("Messages are read as they were written")
    func roundTrip() throws {
        let program = HookProgram(hook: "h", event: .onFailure, arguments: ["/a", "b\n\"c\u{0}"])
        let endings: [ProgramResult.Ending] = [
            .exited(3), .signalled(9), .timedOut, .stopped, .unknown,
            .couldNotStart(2, cause: "x"),
        ]
        for ending in endings {
            let result = ProgramResult(ending: ending, milliseconds: 5, output: "\u{fffd}\n")
            for reply in [
                HookReply.ran(result), .undid(UndoRun(step: 1, program: program, result: result)),
            ] {
                let line = try LineCodec.encode(reply)
                #expect(line.filter { $0 == UInt8(ascii: "\n") }.count == 1)
                #expect(try LineCodec.decode(HookReply.self, Array(line.dropLast())) == reply)
            }
        }
        for reply in [HookReply.undone(nil), .undone(.windowExceeded), .frozen, .ran(nil)] {
            let line = try LineCodec.encode(reply)
            #expect(try LineCodec.decode(HookReply.self, Array(line.dropLast())) == reply)
        }
    }
}
