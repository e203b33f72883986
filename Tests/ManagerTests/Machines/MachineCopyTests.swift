import Catalog
import Glibc
import Settings
import SnapshotModel
import System
import Testing

@testable import Manager

/// Copies of VMs, as far as no QEMU is needed: a real one is copied in Tests/VirtualMachine.
@Suite struct MachineCopyTests {
    private let fixture: ManagerFixture
    private static let copyStart = ["/bin/true", "{qmp}", "{disk:a}", "{disk:b}"]

    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.makeVolume("b")
    }

    /// - Parameter plugin: names none, so that nothing can be served.
    private func manager(
        copyStart: [String]? = copyStart, plugin: String = "/nonexistent/plugin",
        hasSetOfDiskName: Bool = false
    ) throws -> Manager {
        var options = fixture.options
        options.environment = ["SNAPMGR_NBDKIT_PLUGIN": plugin]
        options.operation.settings = SettingsSource { [folder = fixture.folder] in
            var settings = Settings(defaults: SettingsDefaults())
            settings.machines["web"] = MachineSettings(
                name: "web", volumes: ["a", "b"], monitorPath: folder + "/qmp",
                copyStart: copyStart)
            if hasSetOfDiskName {
                settings.sets["a"] = SetSettings(
                    name: "a", volumes: ["a", "b"], schedules: [], policy: nil, hooks: [])
            }
            return settings
        }
        return try Manager(options)
    }

    private func problem(_ body: () throws -> Void) -> Problem? {
        do { try body() } catch { return error as? Problem }
        return nil
    }

    private func make(
        _ manager: Manager, _ reference: String = "set:1", _ name: String = "trial",
        isDryRun: Bool = false
    ) throws -> MachineCopyReport {
        try manager.machineCopies.make(
            reference, MachineCopyRequest(name: name), isDryRun: isDryRun)
    }

    private func clones(_ manager: Manager) throws -> [String] {
        try manager.clones.list([]).map(\.record.name)
    }

    @Test func aDryRunTellsTheStepsAndMakesNothing() throws {
        try fixture.snapshot("a", "b")
        let manager = try manager()
        let report = try make(manager, isDryRun: true)
        #expect(report.state == .planned && report.monitorPath == nil)
        #expect(
            report.steps == [
                "make clone trial-a of snapshot 1 of volume a",
                "make clone trial-b of snapshot 2 of volume b",
                "start trial, a copy of VM web, afresh: without any memory, without a network",
            ])
        #expect(try clones(manager).isEmpty && manager.machineCopies.list().isEmpty)
    }

    @Test func whatCannotBeCopiedIsSaidBeforeAnythingIsMade() throws {
        try fixture.snapshot("a", "b")
        try fixture.snapshot("a")
        let manager = try manager()
        let part = problem { _ = try make(manager, "a@latest") }
        #expect(part?.code == .refused && part?.message.contains("b is not in it") == true)
        #expect(problem { _ = try make(manager, "set:9") }?.code == .notFound)
        let own = problem { _ = try make(manager, "set:1", "web") }
        #expect(own?.code == .exists)
        let silent = problem { _ = try make(try self.manager(copyStart: nil)) }
        #expect(
            silent?.code == .refused && silent?.hint?.description.contains("clone-start") == true)
        let absent = problem {
            _ = try make(try self.manager(copyStart: ["/nowhere/start"] + Self.copyStart))
        }
        #expect(absent?.message.contains("/nowhere/start cannot be run") == true)
        #expect(try clones(manager).isEmpty && manager.machineCopies.list().isEmpty)
    }

    @Test func aCopyThatFailsHalfWayLeavesNothing() throws {
        try fixture.snapshot("a", "b")
        let manager = try manager()
        #expect(problem { _ = try make(manager) }?.code == .missing)
        #expect(try clones(manager).isEmpty)
        #expect(try manager.machineCopies.list().isEmpty)
        // They were made and deleted.
        let kinds = try fixture.catalog().events(volume: "a", limit: 100).map(\.kind)
        #expect(kinds.contains("clone_created") && kinds.contains("clone_deleted"))
    }

    @Test func aDiskWithTheNameOfASetIsTakenBackAllTheSame() throws {
        try fixture.snapshot("a", "b")
        let manager = try manager(hasSetOfDiskName: true)
        #expect(problem { _ = try make(manager) }?.code == .missing)
        #expect(try clones(manager).isEmpty)
        #expect(try manager.machineCopies.list().isEmpty)
    }

    @Test func aCloneOfSomebodyElseStays() throws {
        try fixture.snapshot("a", "b")
        let manager = try manager()
        _ = try manager.clones.create("2", name: "trial-b", isDryRun: false)
        #expect(problem { _ = try make(manager) }?.code == .exists)
        #expect(try clones(manager) == ["trial-b"])
    }

    /// What a command leaves that was killed after it had made the first clone.
    @Test func whatACutCommandHasLeftIsTakenBack() throws {
        try fixture.snapshot("a", "b")
        let manager = try manager()
        let folder = MountFolder(fixture.options.state)
        _ = try manager.clones.create("1", name: "trial-a", isDryRun: false)
        let record = MachineCopyRecord(
            number: try folder.freeNumber(MachineCopyRecord.self), name: "trial", machine: "web",
            setID: SetID(rawValue: 1),
            disks: [
                .init(
                    volume: "a", snapshot: SnapshotID(rawValue: 1), clone: "trial-a",
                    storePath: fixture.storePath("a")),
                .init(
                    volume: "b", snapshot: SnapshotID(rawValue: 2), clone: "trial-b",
                    storePath: fixture.storePath("b")),
            ], monitorPath: fixture.folder + "/state/mounts/vm-1.qmp", hasNetwork: false,
            hasMemory: false, madeAt: fixture.clock.now())
        try folder.writeDurably(record)
        #expect(try manager.machineCopies.list().map(\.state) == [.unfinished])
        #expect(try folder.hasRecords(of: "b"))
        let again = problem { _ = try make(manager) }
        #expect(again?.hint?.remedies == [.machineStop("trial")])
        #expect(try manager.machineCopies.stop("trial", isDryRun: true).state == .unfinished)
        #expect(try clones(manager) == ["trial-a"])
        let near = problem { _ = try manager.machineCopies.stop("trail", isDryRun: false) }
        #expect(near?.code == .notFound && near?.hint?.description.contains("`trial`") == true)
        #expect(
            problem { _ = try manager.machineCopies.stop("web", isDryRun: false) }?.code == .refused
        )
        #expect(try manager.machineCopies.stop("trial", isDryRun: false).state == .gone)
        #expect(try clones(manager).isEmpty && manager.machineCopies.list().isEmpty)
        #expect(try !folder.hasRecords(of: "b"))
    }

    @Test func onlyWhoWritesAProgramsWordsIsOneOfItsProcesses() throws {
        let log = fixture.folder + "/log"
        let program = try DetachedProgram(["/bin/sleep", "60"], logPath: log)
        defer { program.identity.send(SIGKILL) }
        let reader = try DetachedProgram(
            ["/bin/sh", "-c", "exec 3<'\(log)'; sleep 60"], logPath: fixture.folder + "/other")
        defer {
            for process in DetachedProgram.writers(logPath: fixture.folder + "/other") {
                process.send(SIGKILL)
            }
        }
        let real = try Paths.absolute(log)
        let deadline = Deadline(milliseconds: 10_000)
        while DetachedProgram.writers(logPath: real) != [program.identity], !deadline.hasPassed {
            BackgroundThread.sleep(milliseconds: 10)
        }
        BackgroundThread.sleep(milliseconds: 100)
        #expect(DetachedProgram.writers(logPath: real) == [program.identity])
        #expect(program.identity.mentions("60") && !program.identity.mentions("61"))
        #expect(!reader.hasEnded)
    }
}
