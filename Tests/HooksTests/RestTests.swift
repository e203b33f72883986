import SnapshotModel
import Synchronization
import Testing

@testable import Hooks

/// Hooks whose operation says itself when they run, and what they say that the snapshots are.
@Suite struct RestTests: Sendable {
    private var folder = ScriptFolder()

    private func hook(
        _ name: String, _ consistency: Consistency = .app, fatal: Bool = true,
        thaw: String? = nil
    ) throws -> Hook {
        var hook = Hook(name: name, programs: [:], timeoutSeconds: 600, isFatal: fatal)
        hook.consistency = consistency
        for event in [HookEvent.prepare, .beforeFreeze, .afterThaw, .afterSnapshot, .onFailure] {
            hook.programs[event] = [try folder.logging("\(name)-\(event.rawValue)")]
        }
        if let thaw { hook.programs[.afterThaw] = [thaw] }
        return hook
    }

    private func stack(_ hooks: [Hook], onRun: @escaping (HookRun) -> Void = { _ in }) -> HookStack
    {
        HookStack(
            HookOperation(.snapshot, volumes: ["data", "logs"]),
            hooks: hooks.map { BoundHook($0, volume: "data") }, watchdog: ScriptFolder.watchdog,
            onRun: onRun)
    }

    /// Takes a snapshot as the manager does.
    private func take(_ stack: HookStack) throws {
        try stack.perform(
            beginsItself: true,
            {
                try stack.prepare()
                try folder.file("log", folder.text("log") + "ready\n")
                try stack.begin()
                try stack.confirm()
                try stack.end(.succeeded(HookFacts()))
                try folder.file("log", folder.text("log") + "bookkeeping\n")
            }, facts: { HookFacts() })
    }

    @Test("What takes long is done first, and all go on before the bookkeeping")
    func order() throws {
        let told = Mutex<[String]>([])
        let stack = stack([try hook("one"), try hook("two", .fs)]) { run in
            told.withLock { $0.append("\(run.event.rawValue) \(run.hook)") }
        }
        try take(stack)
        #expect(
            folder.log == [
                "prepare one data", "prepare two data", "ready", "before-freeze one data",
                "before-freeze two data", "after-thaw two data", "after-thaw one data",
                "bookkeeping", "after-snapshot two data", "after-snapshot one data",
            ])
        #expect(
            told.withLock(\.self) == [
                "prepare one", "prepare two", "before-freeze one", "before-freeze two",
                "after-thaw two", "after-thaw one",
            ])
        #expect(try stack.consistency(of: "data") == .app)
        #expect(try stack.consistency(of: "logs") == nil)
    }

    @Test("A hook that fails to prepare ends it before anything is at rest")
    func preparation() throws {
        var failing = try hook("one")
        failing.programs[.prepare] = [try folder.script("fails", "exit 3")]
        let stack = stack([failing, try hook("two")])
        #expect(throws: Problem.self) { try take(stack) }
        #expect(folder.log == ["on-failure two data", "on-failure one data"])
    }

    @Test("Snapshots are not what a hook says whose program has failed, before or after")
    func failures() throws {
        let fails = try folder.script("fails", "exit 3")
        let late = stack([try hook("one"), try hook("two", thaw: fails)])
        try take(late)
        #expect(throws: Problem.self) { try late.consistency(of: "data") }
        var hook = try hook("three", fatal: false)
        hook.programs[.beforeFreeze] = [fails]
        let early = stack([hook])
        try take(early)
        #expect(throws: Problem.self) { try early.consistency(of: "data") }
        let silent = stack([try self.hook("four", .crash)])
        try take(silent)
        #expect(try silent.consistency(of: "data") == nil)
    }
}
