import SnapshotModel
import Testing

@testable import Hooks

/// What the programs are told.
@Suite struct EnvironmentTests {
    private let folder = ScriptFolder()

    /// The environment that each event's program of each hook saw, by `EVENT HOOK`.
    private func environments(
        _ operation: HookOperation, _ hooks: [(Hook, String?)], facts: HookFacts = HookFacts(),
        failure: Problem? = nil
    ) throws -> [String: [String: String]] {
        let path = try folder.script(
            "p", #"env >"$F/env $SNAPMGR_EVENT $SNAPMGR_HOOK""#)
        let bound = hooks.map { hook, volume in
            var hook = hook
            for event in HookEvent.allCases { hook.programs[event] = [path] }
            return BoundHook(hook, volume: volume)
        }
        let stack = HookStack(operation, hooks: bound, watchdog: ScriptFolder.watchdog)
        _ = try? stack.perform(
            {
                try stack.confirm()
                if let failure { throw failure }
            }, facts: { facts })
        var result: [String: [String: String]] = [:]
        for (hook, _) in hooks {
            for event in HookEvent.allCases
            where folder.exists("env \(event.rawValue) \(hook.name)") {
                let key = "\(event.rawValue) \(hook.name)"
                let pairs = folder.lines("env \(key)").map { line in
                    let parts = line.split(
                        separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                    return (String(parts[0]), String(parts[1]))
                }
                // What /bin/sh sets by itself.
                result[key] = Dictionary(uniqueKeysWithValues: pairs)
                    .filter { !["PWD", "OLDPWD", "SHLVL", "_"].contains($0.key) }
            }
        }
        return result
    }

    @Test("A set's snapshot names everything that is known by then")
    func set() throws {
        var operation = HookOperation(
            .snapshot, volumes: ["root", "data"], set: "vm1", schedule: "quarter-hourly")
        operation.requester = "anna (as root)"
        let facts = HookFacts(snapshots: [
            "root": SnapshotID(rawValue: 41), "data": SnapshotID(rawValue: 42),
        ])
        let seen = try environments(
            operation,
            [
                (Hook(name: "s", programs: [:]), nil),
                (Hook(name: "v", programs: [:], environment: ["PGDATA": "/srv/a b"]), "data"),
            ], facts: facts)
        let common = [
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
            "SNAPMGR_VOLUMES": "root data", "SNAPMGR_SET": "vm1",
            "SNAPMGR_SCHEDULE": "quarter-hourly", "SNAPMGR_REQUESTED_BY": "anna (as root)",
        ]
        let set = common.merging(["SNAPMGR_HOOK": "s"]) { $1 }
        let volume = common.merging([
            "SNAPMGR_HOOK": "v", "SNAPMGR_VOLUME": "data", "PGDATA": "/srv/a b",
        ]) { $1 }
        let known = ["SNAPMGR_RESULT": "ok", "SNAPMGR_SNAPSHOT_IDS": "41 42"]
        #expect(seen.count == 6)
        for (name, base) in [("s", set), ("v", volume)] {
            let own = name == "v" ? ["SNAPMGR_SNAPSHOT_ID": "42"] : [:]
            for event in [HookEvent.beforeFreeze, .afterThaw, .afterSnapshot] {
                var expected = base.merging(["SNAPMGR_EVENT": event.rawValue]) { $1 }
                if event != .beforeFreeze {
                    expected.merge(known.merging(own) { $1 }) { $1 }
                }
                #expect(seen["\(event.rawValue) \(name)"] == expected)
            }
        }
    }

    @Test("A failure is told with its message, and a hook may change the path but not our words")
    func failed() throws {
        let hook = Hook(
            name: "h", programs: [:],
            environment: ["PATH": "/opt/bin:/bin:/usr/bin", "SNAPMGR_EVENT": "mine"])
        let seen = try environments(
            HookOperation(.snapshot, volumes: ["data"]), [(hook, nil)],
            failure: Problem(.noSpace, "the store is full"))
        for event in [HookEvent.afterThaw, .onFailure] {
            let environment = seen["\(event.rawValue) h"]
            #expect(environment?["SNAPMGR_RESULT"] == "failed")
            #expect(environment?["SNAPMGR_ERROR"] == "the store is full")
            #expect(environment?["PATH"] == "/opt/bin:/bin:/usr/bin")
            #expect(environment?["SNAPMGR_EVENT"] == event.rawValue)
            #expect(environment?["SNAPMGR_VOLUME"] == "data")
        }
        #expect(seen["after-snapshot h"] == nil)
    }

    @Test("A revert knows its snapshot beforehand and its id afterwards")
    func revert() throws {
        let target = HookFacts(snapshots: ["data": SnapshotID(rawValue: 42)])
        let done = HookFacts(
            snapshots: target.snapshots, reverts: ["data": RevertID(rawValue: 7)])
        let seen = try environments(
            HookOperation(.revert, volumes: ["data"], facts: target),
            [(Hook(name: "h", programs: [:]), "data")], facts: done)
        #expect(seen.keys.sorted() == ["after-revert h", "before-revert h"])
        #expect(seen["before-revert h"]?["SNAPMGR_SNAPSHOT_ID"] == "42")
        #expect(seen["before-revert h"]?["SNAPMGR_REVERT_ID"] == nil)
        #expect(seen["before-revert h"]?["SNAPMGR_RESULT"] == nil)
        #expect(seen["after-revert h"]?["SNAPMGR_SNAPSHOT_ID"] == "42")
        #expect(seen["after-revert h"]?["SNAPMGR_REVERT_ID"] == "7")
    }
}
