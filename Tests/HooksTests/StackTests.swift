import System
import Glibc
import SnapshotModel
import Synchronization
import TestKit
import Testing

@testable import Hooks

/// The stack: which programs run, in which order, with which environment, and what a failure does.
@Suite struct StackTests: Sendable {
    private var folder = ScriptFolder()

    private func hook(
        _ name: String, _ events: [HookEvent] = [.beforeFreeze, .afterThaw], fatal: Bool = true,
        timeoutSeconds: Double = 600
    ) throws -> Hook {
        var hook = Hook(
            name: name, programs: [:], timeoutSeconds: timeoutSeconds, isFatal: fatal)
        for event in events {
            hook.programs[event] = [try folder.logging("\(name)-\(event.rawValue)")]
        }
        return hook
    }

    private func stack(
        _ hooks: [Hook], kind: HookOperation.Kind = .snapshot,
        watchdog: WatchdogCommand = ScriptFolder.watchdog
    ) -> HookStack {
        HookStack(
            HookOperation(kind, volumes: ["data"]), hooks: hooks.map { BoundHook($0) },
            watchdog: watchdog)
    }

    @Test("Hooks run in order before, and in reverse order after; a set's are the outermost")
    func order() throws {
        let events: [HookEvent] = [.beforeFreeze, .afterThaw, .afterSnapshot, .onFailure]
        let (set, app) = (try hook("set", events), try hook("app", events))
        let stack = HookStack(
            HookOperation(.snapshot, volumes: ["a", "b"]),
            hooks: [
                BoundHook(set), BoundHook(app, volume: "a"), BoundHook(app, volume: "b"),
            ], watchdog: ScriptFolder.watchdog)
        try stack.perform(
            {
                try folder.file("log", folder.text("log") + "operation\n")
                try stack.confirm()
            }, facts: { HookFacts() })
        #expect(
            folder.log == [
                "before-freeze set", "before-freeze app a", "before-freeze app b", "operation",
                "after-thaw app b", "after-thaw app a", "after-thaw set",
                "after-snapshot app b", "after-snapshot app a", "after-snapshot set",
            ])
        #expect(stack.warnings.isEmpty)
        #expect(stack.runs.count == 9)
    }

    @Test("A failing operation is undone and told to on-failure; its own error stays")
    func failure() throws {
        let stack = stack([
            try hook("one", HookEvent.allCases), try hook("two", HookEvent.allCases),
        ])
        let problem = #expect(throws: Problem.self) {
            try stack.perform(
                { throw Problem(.noSpace, "the store is full") }, facts: { HookFacts() })
        }
        #expect(problem?.code == .noSpace)
        #expect(
            folder.log == [
                "before-freeze one data", "before-freeze two data",
                "after-thaw two data", "after-thaw one data",
                "on-failure two data", "on-failure one data",
            ])
    }

    @Test("A revert has events of its own")
    func revert() throws {
        let stack = stack([try hook("one", HookEvent.allCases)], kind: .revert)
        try stack.perform({ try stack.confirm() }, facts: { HookFacts() })
        #expect(folder.log == ["before-revert one data", "after-revert one data"])
    }

    @Test("A fatal failure ends the operation; the hooks that ran are undone, the others not")
    func fatal() throws {
        let second = try hook("two")
        try folder.logging("two-before-freeze", "echo no >&2; exit 7")
        let stack = stack([try hook("one"), second, try hook("three")])
        var hasRun = false
        let problem = #expect(throws: Problem.self) {
            try stack.perform({ hasRun = true }, facts: { HookFacts() })
        }
        #expect(!hasRun)
        #expect(problem?.message.contains("hook two") == true)
        #expect(problem?.message.contains("exit status 7: no") == true)
        #expect(
            folder.log == [
                "before-freeze one data", "before-freeze two data",
                "after-thaw two data", "after-thaw one data",
            ])
    }

    @Test("A failure that is not fatal is a warning, and its hook is undone at the end")
    func notFatal() throws {
        let first = try hook("one", fatal: false)
        try folder.logging("one-before-freeze", "exit 1")
        let stack = stack([first, try hook("two")])
        try stack.perform({ try stack.confirm() }, facts: { HookFacts() })
        #expect(stack.warnings.count == 1)
        #expect(stack.warnings.first?.message.contains("hook one") == true)
        #expect(folder.log.last == "after-thaw one data")
        #expect(folder.log.count == 4)
    }

    @Test("What could not be started is not undone")
    func missing() throws {
        var first = try hook("one")
        first.programs[.beforeFreeze] = [folder.path + "/none"]
        let stack = stack([first])
        let problem = #expect(throws: Problem.self) { try stack.begin() }
        #expect(problem?.message.contains("\(folder.path)/none could not be started") == true)
        #expect(problem?.hint?.description.contains("before-freeze in [hooks.one]") == true)
        #expect(folder.log == [])
    }

    @Test("A hook with only an after-program counts as run once its turn came")
    func onlyAfter() throws {
        let failing = try hook("two")
        try folder.script("two-before-freeze", "exit 1")
        let stack = stack([
            try hook("one", [.afterThaw]), failing, try hook("three", [.afterThaw]),
        ])
        #expect(throws: Problem.self) { try stack.begin() }
        #expect(folder.log == ["after-thaw two data", "after-thaw one data"])
    }

    @Test("A program whose time is up has failed, and is undone")
    func timeout() throws {
        try ScriptFolder.inTime { folder, seconds in
            var tests = self
            tests.folder = folder
            let first = try tests.hook("one", timeoutSeconds: Double(seconds))
            try folder.logging("one-before-freeze", "sleep 1000")
            let problem = #expect(throws: Problem.self) { try tests.stack([first]).begin() }
            #expect(problem?.message.contains("longer than its timeout") == true)
            #expect(problem?.hint?.description.contains("timeout in [hooks.one]") == true)
            // The limit is that of what undoes it, too.
            return folder.log == ["before-freeze one data", "after-thaw one data"]
        }
    }

    @Test("Failing after-programs are warnings, keep no other from running, and hide no result")
    func afterFailures() throws {
        let hooks = [try hook("one"), try hook("two", [.afterThaw, .afterSnapshot])]
        try folder.logging("two-after-thaw", "exit 1")
        try folder.logging("two-after-snapshot", "exit 1")
        let stack = stack(hooks)
        let value = try stack.perform(
            {
                try stack.confirm()
                return 42
            }, facts: { _ in HookFacts() })
        #expect(value == 42)
        #expect(stack.warnings.count == 2)
        #expect(folder.log.contains("after-thaw one data"))
    }

    @Test("An interruption ends the program that runs, and what ran is undone")
    func interruption() throws {
        let second = try hook("two")
        try folder.logging("two-before-freeze", "sleep 1000")
        let folder = folder
        let stack = HookStack(
            HookOperation(.snapshot, volumes: ["data"]),
            hooks: [BoundHook(try hook("one")), BoundHook(second), BoundHook(try hook("three"))],
            watchdog: ScriptFolder.watchdog, isInterrupted: { folder.log.count >= 2 })
        let problem = #expect(throws: Problem.self) { try stack.begin() }
        #expect(problem?.code == .interrupted)
        #expect(
            folder.log == [
                "before-freeze one data", "before-freeze two data",
                "after-thaw two data", "after-thaw one data",
            ])
    }

    @Test("A stack that is let go without an end is undone")
    func dropped() throws {
        try stack([try hook("one")]).begin()
        #expect(folder.log == ["before-freeze one data", "after-thaw one data"])
    }

    @Test("An undoing program that somebody else's SIGTERM ends is run again")
    func undoIsRepeated() throws {
        let first = try hook("one")
        try folder.logging(
            "one-after-thaw", #"test -e "$F/again" || { touch "$F/again"; kill -TERM $$; }"#)
        let stack = stack([first])
        try stack.perform({ try stack.confirm() }, facts: { HookFacts() })
        #expect(
            folder.log == [
                "before-freeze one data", "after-thaw one data", "after-thaw one data",
            ])
        #expect(stack.warnings.isEmpty)
    }

    @Test("Without a watchdog nothing is put at rest")
    func noWatchdog() throws {
        let commands = [[folder.path + "/none"], ["/bin/true"]].map { WatchdogCommand($0) }
        for command in commands {
            let problem = #expect(throws: Problem.self) {
                try stack([try hook("one", HookEvent.allCases)], watchdog: command).begin()
            }
            #expect(problem?.message.contains("watchdog of the hooks") == true)
        }
        #expect(folder.log == [])
    }

    @Test("Without a watchdog, what puts nothing at rest runs all the same")
    func noWatchdogNeeded() throws {
        let command = WatchdogCommand([folder.path + "/none"])
        let after = stack(
            [try hook("one", [.afterThaw, .afterSnapshot])], watchdog: command)
        try after.perform({ try after.confirm() }, facts: { HookFacts() })
        #expect(after.warnings.count == 1)
        let snapshot = stack([try hook("two", [.afterSnapshot])], watchdog: command)
        try snapshot.perform({ try snapshot.confirm() }, facts: { HookFacts() })
        #expect(snapshot.warnings.isEmpty)
        #expect(
            folder.log == [
                "after-thaw one data", "after-snapshot one data", "after-snapshot two data",
            ])
    }

    @Test("Many stacks run at once from many threads and do not mix")
    func parallel() throws {
        let folders = (0..<8).map { _ in ScriptFolder() }
        let failures = Mutex(0)
        let watchdog = ScriptFolder.watchdog
        for folder in folders {
            try folder.logging("before")
            try folder.logging("after")
        }
        WorkerThreads.run(folders.count) { index in
            let hooks = ["x", "y"].map { name in
                BoundHook(
                    Hook(
                        name: name,
                        programs: [
                            .beforeFreeze: [folders[index].path + "/before"],
                            .afterThaw: [folders[index].path + "/after"],
                        ], timeoutSeconds: 600))
            }
            for _ in 0..<5 {
                let stack = HookStack(
                    HookOperation(.snapshot, volumes: ["v\(index)"]), hooks: hooks,
                    watchdog: watchdog)
                do {
                    try stack.perform({ try stack.confirm() }, facts: { HookFacts() })
                } catch { failures.withLock { $0 += 1 } }
            }
        }
        #expect(failures.withLock { $0 } == 0)
        for (index, folder) in folders.enumerated() {
            let once = [
                "before-freeze x v\(index)", "before-freeze y v\(index)",
                "after-thaw y v\(index)", "after-thaw x v\(index)",
            ]
            #expect(folder.log == (0..<5).flatMap { _ in once })
        }
    }

    @Test("Descriptors do not pile up in who runs many stacks")
    func descriptors() throws {
        try folder.script("before", "")
        try folder.script("after", "")
        let caller = try SpawnedProcess(
            [ScriptFolder.probe, "repeat", folder.path, "50"], environment: nil)
        try folder.wait { folder.exists("result") }
        #expect(caller.reap() == .exited(0))
        let counts = folder.text("result").split(separator: " ")
        #expect(counts.count == 2)
        #expect(counts.first == counts.last)
    }
}
