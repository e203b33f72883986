import Settings
import SnapshotModel
import Testing

@testable import Manager

/// Sets by their names: those that were taken, and those of the settings.
@Suite struct SetReferenceTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        for name in ["boot", "logs"] { try fixture.makeVolume(name) }
    }

    /// Manager with a set of the settings.
    private func manager(set name: String = "vm1") -> Manager {
        var operation = fixture.options.operation
        operation.settings = SettingsSource {
            var settings = Settings(defaults: SettingsDefaults())
            settings.sets[name] = SetSettings(
                name: name, volumes: ["boot", "logs"], schedules: [], policy: nil, hooks: [])
            return settings
        }
        return fixture.manager.performing(operation)
    }

    /// Manager with a VM of the settings, and perhaps a set of its name.
    private func manager(
        machine name: String, of volumes: [String], hasSet: Bool = false
    ) -> Manager {
        var operation = fixture.options.operation
        operation.settings = SettingsSource {
            var settings = Settings(defaults: SettingsDefaults())
            settings.machines[name] = MachineSettings(
                name: name, volumes: volumes, monitorPath: "/nonexistent/qmp")
            if hasSet {
                settings.sets[name] = SetSettings(
                    name: name, volumes: volumes.reversed(), schedules: [], policy: nil, hooks: [])
            }
            return settings
        }
        return fixture.manager.performing(operation)
    }

    @Test(
        "a VM of the settings is taken, found and reverted by its name as a set is",
        arguments: [false, true])
    func machine(hasSet: Bool) throws {
        let manager = manager(machine: "vm1", of: ["boot", "logs"], hasSet: hasSet)
        let first = try take(manager, name: "before")
        fixture.clock.advance(bySeconds: 7200)
        let second = try take(manager)
        for (text, expected) in [
            ("vm1@latest", second), ("vm1@2h", first), ("vm1@before", first),
            ("set:vm1@latest", second),
        ] {
            #expect(try manager.details.set(text)?.set.id == expected, "\(text)")
        }
        var listed: [SnapshotSummary] = []
        try manager.lists.forEachPage(ListRequest(volumes: ["vm1"])) { listed += $0 }
        #expect(listed.count == 4)
        #expect(
            try manager.holds.hold("vm1@2h", owner: "eve", reason: "audit", until: nil).count == 2)
        let revert = try manager.reverts.revert("vm1@2h", RevertOptions(waits: true))
        #expect(revert.items.map(\.volume) == ["boot", "logs"])
        let near = problem { _ = try manager.details.show("vn1@latest") }
        #expect(near?.hint?.description.contains("did you mean `vm1@latest`?") == true)
        #expect(manager.names.references("").contains("vm1@"))
    }

    @Test(
        "a name that a VM and one of its disks have is the disk's, and another volume's is ambiguous"
    )
    func machineWithTheNameOfADisk() throws {
        let one = manager(machine: "boot", of: ["boot"])
        #expect(try one.snapshots.take(TakeRequest(volumes: ["boot"])).set == nil)
        try one.config.requireDistinctNames()
        let two = manager(machine: "boot", of: ["boot", "logs"])
        #expect(
            try two.snapshots.take(TakeRequest(volumes: ["boot"])).snapshots.map(\.volume)
                == ["boot"])
        try two.config.requireDistinctNames()
        let other = manager(machine: "boot", of: ["logs"])
        #expect(
            problem { _ = try other.snapshots.take(TakeRequest(volumes: ["boot"])) }?.code
                == .ambiguous)
        let checked = problem { try other.config.requireDistinctNames() }
        #expect(checked?.message.contains("[vm.boot]") == true)
    }

    @discardableResult
    private func take(_ manager: Manager, name: String? = nil) throws -> SetID {
        let report = try manager.snapshots.take(TakeRequest(volumes: ["vm1"], name: name))
        #expect(report.snapshots.map(\.volume).sorted() == ["boot", "logs"])
        return try #require(report.set)
    }

    private func problem(_ body: () throws -> Void) -> Problem? {
        do { try body() } catch { return error as? Problem }
        return nil
    }

    @Test("a set of the settings is taken by its name, and found by age, time and name")
    func finds() throws {
        let manager = manager()
        let first = try take(manager, name: "before")
        fixture.clock.advance(bySeconds: 7200)
        let second = try take(manager)
        for (text, expected) in [
            ("vm1@latest", second), ("vm1@1h", first), ("vm1@before", first),
            ("vm1@2026-11-22T12:59", first), ("set:vm1@latest", second),
        ] {
            #expect(try manager.details.set(text)?.set.id == expected, "\(text)")
        }
        let number = problem { _ = try manager.details.set("vm1@7") }
        #expect(number?.code == .usage && number?.hint?.description == "write 7 or set:7")
        for text in ["vm1@3h", "vm1@none", "vm1@2020-01-01", "vm2@latest"] {
            #expect(problem { _ = try manager.details.set(text) }?.code == .notFound, "\(text)")
        }
    }

    @Test("by its age, only a set that has all its snapshots is found")
    func whole() throws {
        let manager = manager()
        let first = try take(manager)
        let second = try take(manager, name: "cut")
        let cut = try #require(try manager.details.set("vm1@cut")?.set.snapshots.first)
        _ = try manager.deletions.delete(["\(cut)"], isDryRun: false)
        #expect(try manager.details.set("vm1@latest")?.set.id == first)
        // One is left of it, which is no snapshot of the set.
        let details = try #require(try manager.details.set("set:\(second)"))
        #expect(details.snapshots.count == 1 && details.missing.count == 1)
        let left = try #require(details.set.snapshots.first)
        let shown = problem { _ = try manager.details.show("vm1@cut") }
        #expect(shown?.code == .usage)
        for options in [RevertOptions(), RevertOptions(isDryRun: true)] {
            let revert = problem { _ = try manager.reverts.revert("vm1@cut", options) }
            #expect(revert?.code == .refused)
            #expect(revert?.hint?.description.contains("\(left) (") == true)
        }
    }

    @Test("a set is listed, held, deleted, compared and reverted as a volume is")
    func verbs() throws {
        let manager = manager()
        try take(manager, name: "before")
        try fixture.write(7, to: 3..<4, of: "boot")
        try take(manager)
        _ = try fixture.snapshot("boot")
        var listed: [SnapshotSummary] = []
        try manager.lists.forEachPage(ListRequest(volumes: ["vm1"])) { listed += $0 }
        #expect(listed.count == 4)
        #expect(listed.allSatisfy { $0.manifest.setName == "vm1" })
        let diff = try #require(try manager.diffs.setDiff("vm1@before", "vm1@latest"))
        #expect(diff.volumes.map(\.volume) == ["boot", "logs"])
        #expect(diff.volumes.map(\.report.changedBytes) == [ManagerFixture.chunkBytes, 0])
        #expect(try manager.diffs.setDiff("vm1@before", nil)?.changedBytes == diff.changedBytes)
        #expect(try manager.diffs.setDiff("boot@latest", nil) == nil)
        let held = try manager.holds.hold(
            "vm1@before", owner: "eve", reason: "audit", until: nil)
        #expect(held.count == 2)
        _ = try manager.holds.release("vm1@before", owner: "eve")
        let revert = try manager.reverts.revert("vm1@before", RevertOptions(waits: true))
        #expect(revert.items.map(\.volume) == ["boot", "logs"])
        #expect(try fixture.content(of: "boot")[3] == 0)
        #expect(
            try manager.deletions.delete(["vm1@latest"], isDryRun: true).items.count == 2)
    }

    @Test("a name that a volume and a set of the settings have is ambiguous wherever it is used")
    func ambiguous() throws {
        let manager = manager(set: "boot")
        _ = try fixture.snapshot("logs")
        let uses: [() throws -> Void] = [
            { _ = try manager.snapshots.take(TakeRequest(volumes: ["boot"])) },
            { _ = try manager.details.show("boot@latest") },
            { try manager.lists.forEachPage(ListRequest(volumes: ["boot"])) { _ in } },
            { _ = try manager.status.status(["boot"]) },
        ]
        for use in uses { #expect(problem(use)?.code == .ambiguous) }
        #expect(problem { try manager.config.requireDistinctNames() }?.code == .usage)
        #expect(problem { try self.manager().config.requireDistinctNames() } == nil)
        #expect(try manager.snapshots.take(TakeRequest(volumes: ["logs"])).snapshots.count == 1)
    }

    @Test("no volume and no clone gets the name of a set of the settings")
    func takenNames() throws {
        let manager = manager()
        let request = CreateRequest(
            name: "vm1", originPath: "\(fixture.folder)/vm1.img", createBytes: 1 << 20,
            chunkBytes: ManagerFixture.chunkBytes)
        #expect(problem { _ = try manager.volumes.create(request) }?.code == .exists)
        let id = try fixture.snapshot("boot")[0]
        let clone = problem {
            _ = try manager.clones.create("\(id)", name: "vm1", isDryRun: false)
        }
        #expect(clone?.code == .exists)
    }

    @Test("a set is named alone, and has its own name")
    func alone() throws {
        let manager = manager()
        let beside = problem {
            _ = try manager.snapshots.take(TakeRequest(volumes: ["vm1", "boot"]))
        }
        #expect(beside?.code == .usage)
        let renamed = problem {
            _ = try manager.snapshots.take(TakeRequest(volumes: ["vm1"], setName: "other"))
        }
        #expect(renamed?.code == .usage)
        #expect(try fixture.list().isEmpty)
    }

    @Test("a set's name is that of its volumes: others are not taken by it, nor reverted")
    func otherVolumes() throws {
        let plain = fixture.manager
        let request = TakeRequest(volumes: ["boot"], setName: "vm1")
        #expect(problem { _ = try manager().snapshots.take(request) }?.code == .usage)
        let set = try #require(try plain.snapshots.take(request).set)
        let named = problem {
            _ = try manager().reverts.revert("vm1@latest", RevertOptions(isDryRun: true))
        }
        #expect(named?.code == .refused && named?.message.contains("boot, logs") == true)
        #expect(named?.hint?.description.contains("set:\(set)") == true)
        let numbered = try manager().reverts.revert("set:\(set)", RevertOptions(isDryRun: true))
        #expect(numbered.items.map(\.volume) == ["boot"])
    }

    @Test("by the name of its snapshots, only a set is found of which all have the name")
    func renamed() throws {
        let manager = manager()
        try take(manager, name: "before")
        let id = try #require(try manager.details.set("vm1@before")?.set.snapshots.first)
        _ = try manager.labels.modify(LabelRequest(["\(id)"], name: "other"))
        for text in ["vm1@before", "vm1@other"] {
            #expect(problem { _ = try manager.details.set(text) }?.code == .notFound, "\(text)")
        }
    }

    @Test("what was nearly right is proposed: volumes, sets, and snapshots' names")
    func suggestions() throws {
        let manager = manager()
        try take(manager, name: "before")
        for (text, meant) in [
            ("bot@latest", "boot@latest"), ("vn1@latest", "vm1@latest"),
            ("vm1@befor", "vm1@before"), ("boot@befre", "boot@before"),
            ("boot@lastest", "boot@latest"),
        ] {
            let hint = problem { _ = try manager.details.show(text) }?.hint?.description
            #expect(hint?.contains("did you mean `\(meant)`?") == true, "\(text): \(hint ?? "")")
        }
        let volume = problem { _ = try manager.volumes.show("logz") }
        #expect(volume?.hint?.description.contains("did you mean `logs`?") == true)
        let short = problem { _ = try manager.details.show("xyz@latest") }
        #expect(short?.hint?.description.contains("did you mean") == false)
        let far = problem { _ = try manager.volumes.show("something") }
        #expect(far?.hint?.description.contains("did you mean") == false)
        let set = problem { _ = try manager.volumes.show("vm1") }
        #expect(set?.hint?.description == "name one of its volumes: boot, logs")
    }
}
