import FoundationEssentials
import Settings
import SnapshotModel
import System
import Testing
import VolumeAccess

@testable import Manager

@Suite struct MachineRevertTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.makeVolume("b")
    }

    private func machine(
        _ name: String, _ volume: String, folder: String? = nil, start: String = "/bin/true"
    ) -> MachineSettings {
        MachineSettings(
            name: name, volumes: [volume], monitorPath: (folder ?? fixture.folder) + "/qmp",
            start: [start])
    }

    private func manager(_ machines: [MachineSettings]) throws -> Manager {
        var options = fixture.options
        options.operation.settings = SettingsSource {
            var settings = Settings(defaults: SettingsDefaults())
            for machine in machines { settings.machines[machine.name] = machine }
            return settings
        }
        return try Manager(options)
    }

    private func revert(_ reference: String, _ machines: MachineSettings...) throws {
        _ = try manager(machines).reverts.revert(reference, RevertOptions())
    }

    private func mark(_ name: String) -> MachineMark? {
        MachineMarks(fixture.options.state).mark(name)
    }

    /// What was in memory belongs to disks that are not there any more.
    @Test func aRevertThatFailsAfterItsCommitIsNotTakenForNone() throws {
        let fake = try FakeMachine(in: fixture.folder)
        try fixture.snapshot("a")
        try fixture.write(7, to: 0..<4, of: "a")
        fixture.sessions.fail("a", late: true) { request in
            if case .revert = request { true } else { false }
        }
        let problem = #expect(throws: Problem.self) { try revert("1", machine("web", "a")) }
        fixture.sessions.heal()
        #expect(problem?.message.contains("injected") == true)
        #expect(problem?.message.contains("the volumes of VM web read as 1") == true)
        #expect(problem?.message.contains("was quit before that") == false)
        #expect(mark("web")?.revertsTo == "1")
        #expect(try fixture.content(of: "a")[0] == 0)
        #expect(fake.commands.contains("quit"))
    }

    @Test func aRevertThatFailsBeforeItsCommitHasTheVMGoOn() throws {
        let fake = try FakeMachine(in: fixture.folder)
        try fixture.snapshot("a")
        try fixture.write(7, to: 0..<4, of: "a")
        fixture.sessions.fail("a") { request in
            if case .revert = request { true } else { false }
        }
        let problem = #expect(throws: Problem.self) { try revert("1", machine("web", "a")) }
        fixture.sessions.heal()
        #expect(problem?.message.contains("VM web was quit before that") == true)
        #expect(problem?.message.contains("read as") == false)
        #expect(try fixture.content(of: "a")[0] == 7)
        withExtendedLifetime(fake) {}
    }

    @Test func aProgramThatCannotStartItIsFoundBeforeItIsQuit() throws {
        let fake = try FakeMachine(in: fixture.folder)
        try fixture.snapshot("a")
        try fixture.write(7, to: 0..<4, of: "a")
        let problem = #expect(throws: Problem.self) {
            try revert("1", machine("web", "a", start: "/nowhere/start"))
        }
        #expect(problem?.code == .refused)
        #expect(!fake.commands.contains("quit"))
        #expect(mark("web") == nil)
    }

    /// The fakes go on listening, so that none is started: another QEMU may be there.
    @Test func eachVMIsTriedWhateverBecomesOfTheOthers() throws {
        let other = fixture.folder + "/other"
        try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: false)
        let fakes = [try FakeMachine(in: fixture.folder), try FakeMachine(in: other)]
        try fixture.snapshot("a", "b")
        try fixture.write(7, to: 0..<4, of: "a")
        let problem = #expect(throws: Problem.self) {
            try revert("set:1", machine("web", "a"), machine("data", "b", folder: other))
        }
        #expect(problem?.code == .partial)
        #expect(problem?.message.contains("something answers") == true)
        for fake in fakes {
            // When it is looked at, and when it is to be started.
            #expect(fake.commands.count { $0 == "qmp_capabilities" } == 2)
        }
    }

    @Test func aVMThatWasQuitForARevertIsOwedUntilItRuns() throws {
        var owed = MachineMark(machine("web", "a"))
        (owed.isPaused, owed.revertsTo) = (true, "set:1")
        try MachineMarks(fixture.options.state).write(owed)
        _ = try manager([machine("web", "a")]).ticks.tick(prunes: false, isDryRun: false)
        #expect(mark("web")?.revertsTo == "set:1")
        #expect(mark("web")?.isTold == true)
        let fake = try FakeMachine(in: fixture.folder)
        _ = try manager([machine("web", "a")]).ticks.tick(prunes: false, isDryRun: false)
        #expect(mark("web") == nil)
        withExtendedLifetime(fake) {}
    }
}
