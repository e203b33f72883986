import Settings
import SnapshotModel
import StoreFormat
import System
import Testing

@testable import Manager

@Suite struct MachineSetTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.makeVolume("b")
    }

    private func machine(_ change: (inout MachineSettings) -> Void = { _ in }) -> MachineSettings {
        var machine = MachineSettings(
            name: "web", volumes: ["a", "b"], monitorPath: fixture.folder + "/qmp",
            agentPath: fixture.folder + "/qga", freezeMilliseconds: 1000)
        change(&machine)
        return machine
    }

    private func manager(_ machine: MachineSettings) throws -> Manager {
        var options = fixture.options
        options.operation.settings = SettingsSource {
            var settings = Settings(defaults: SettingsDefaults())
            settings.machines = [machine.name: machine]
            return settings
        }
        return try Manager(options)
    }

    private func take(
        _ machine: MachineSettings, _ volumes: [String] = ["a", "b"]
    ) throws -> TakeReport {
        try manager(machine).snapshots.take(TakeRequest(volumes: volumes))
    }

    private func consistencies() throws -> [Consistency] {
        try fixture.list().map(\.manifest.consistency)
    }

    private var mark: MachineMark? { MachineMarks(fixture.options.state).mark("web") }

    @Test func aGuestThatThawsWhatItFrozeIsConsistent() throws {
        let fake = try FakeMachine(in: fixture.folder)
        let report = try take(machine())
        #expect(report.machines?.machines.map(\.level) == [.fs])
        #expect(report.snapshots.map(\.manifest.consistency) == [.fs, .fs])
        #expect(try consistencies() == [.fs, .fs])
        let agent = fake.commands.filter { $0.hasPrefix("guest-") }
        #expect(agent == ["guest-sync-delimited", "guest-fsfreeze-freeze", "guest-fsfreeze-thaw"])
        #expect(mark == nil)
        let steps = try #require(report.machines?.steps.map(\.text))
        #expect(
            steps == [
                "freeze of web begins", "2 filesystems of web are frozen", "all volumes are held",
                "all volumes have their snapshots and go on", "2 filesystems of web are thawed",
            ])
    }

    @Test func whatWasReachedStandsInTheStoresToo() throws {
        let fake = try FakeMachine(in: fixture.folder)
        let report = try take(machine())
        for snapshot in report.snapshots {
            let reader = try StoreReader(
                folder: FileFolder(path: fixture.storePath(snapshot.volume)))
            #expect(try reader.manifest(snapshot.manifest.ordinal).consistency == .fs)
        }
        let details = try fixture.nextCommand().details.show("b@latest")
        #expect(details.machines?.machines.first?.name == "web")
        withExtendedLifetime(fake) {}
    }

    @Test func whoThawsOtherThanItFrozeIsNotBelieved() throws {
        let fake = try FakeMachine(in: fixture.folder, .init(frozen: 2, thawed: 1))
        let report = try take(machine())
        #expect(try consistencies() == [.crash, .crash])
        #expect(
            report.machines?.machines.first?.reason?.contains("froze 2 filesystems and thawed 1")
                == true)
        #expect(mark == nil)
        withExtendedLifetime(fake) {}
    }

    @Test func anAgentThatSaysNothingCostsItsDeadlineAndTheLevel() throws {
        let fake = try FakeMachine(in: fixture.folder, .init(frozen: nil))
        let report = try take(machine())
        #expect(report.snapshots.count == 2)
        #expect(try consistencies() == [.crash, .crash])
        #expect(
            report.machines?.machines.first?.reason?.contains("does not answer in time") == true)
        #expect(!fake.commands.contains("guest-fsfreeze-freeze"))
    }

    @Test func aFreezeThatIsNotAnsweredIsThawedAllTheSame() throws {
        let fake = try FakeMachine(in: fixture.folder, .init(frozen: 0))
        _ = try take(machine())
        #expect(try consistencies() == [.crash, .crash])
        #expect(fake.commands.contains("guest-fsfreeze-thaw"))
        #expect(mark == nil)
    }

    /// The guest may be frozen for ever if nobody remembers.
    @Test func whatCouldNotBeThawedIsThawedByTheNextCommand() throws {
        let fake = try FakeMachine(in: fixture.folder, .init(frozen: 2, thawed: nil))
        _ = try take(machine())
        #expect(mark?.isFrozen == true)
        fake.change { $0.thawed = 2 }
        _ = try manager(machine()).ticks.tick(prunes: false, isDryRun: false)
        #expect(mark == nil)
        #expect(fake.commands.last == "guest-fsfreeze-thaw")
    }

    @Test func aPausedGuestIsNotFrozenAndStaysPaused() throws {
        let fake = try FakeMachine(in: fixture.folder, .init(status: "paused"))
        let report = try take(machine())
        #expect(try consistencies() == [.crash, .crash])
        #expect(report.machines?.machines.first?.reason?.contains("is paused") == true)
        #expect(!fake.commands.contains { $0.hasPrefix("guest-") || $0 == "cont" })
        #expect(fake.status == "paused")
    }

    @Test func whatIsRequiredAndCannotBeHadTakesNoSnapshot() throws {
        let fake = try FakeMachine(in: fixture.folder, .init(frozen: nil))
        let problem = #expect(throws: Problem.self) { try take(machine { $0.required = .fs }) }
        #expect(problem?.code == .refused)
        #expect(problem?.message.contains("requires `fs`") == true)
        #expect(try fixture.list().isEmpty)
        withExtendedLifetime(fake) {}
    }

    @Test func whatTurnsOutTooLateLeavesTheSnapshotsAndIsToldAsPartlyDone() throws {
        let fake = try FakeMachine(in: fixture.folder, .init(frozen: 2, thawed: 0))
        let problem = #expect(throws: Problem.self) { try take(machine { $0.required = .fs }) }
        #expect(problem?.code == .partial)
        #expect(try consistencies() == [.crash, .crash])
        withExtendedLifetime(fake) {}
    }

    @Test func memoryThatCannotBeSavedLeavesTheSnapshotsAndTheVMRuns() throws {
        let fake = try FakeMachine(in: fixture.folder)
        let report = try take(machine { $0.savesState = true })
        #expect(try consistencies() == [.crash, .crash])
        #expect(report.machines?.machines.first?.reason?.contains("no memory today") == true)
        #expect(fake.commands.contains("stop"))
        #expect(fake.status == "running")
        #expect(mark == nil)
        let left = try FileFolder(path: fixture.storePath("a")).list("vmstate")
        #expect(left == ["000001.json"])
    }

    @Test func oneOfItsDisksAloneIsNeverWithMemory() throws {
        let fake = try FakeMachine(in: fixture.folder)
        let report = try take(machine { $0.savesState = true }, ["b"])
        #expect(report.snapshots.map(\.manifest.consistency) == [.fs])
        #expect(!fake.commands.contains("stop"))
    }

    @Test func aVMThatWasLeftPausedGoesOnWithTheNextCommand() throws {
        let fake = try FakeMachine(in: fixture.folder, .init(status: "paused"))
        var owed = MachineMark(machine())
        owed.isPaused = true
        try MachineMarks(fixture.options.state).write(owed)
        _ = try manager(machine()).ticks.tick(prunes: false, isDryRun: false)
        #expect(fake.status == "running")
        #expect(mark == nil)
    }

    @Test func theRecordGoesWithItsSnapshotAndNotBefore() throws {
        let fake = try FakeMachine(in: fixture.folder)
        let first = try take(machine()), second = try take(machine())
        let store = FileFolder(path: fixture.storePath("a"))
        #expect(try store.list("vmstate").count == 2)
        let id = try #require(second.snapshots.first?.id)
        _ = try fixture.manager.deletions.delete(
            ["set:\(first.set?.rawValue ?? 0)"], isDryRun: false)
        #expect(try store.list("vmstate") == ["\(id.rawValue.padded(to: 6)).json"])
        withExtendedLifetime(fake) {}
    }

    @Test func aVMThatIsOffIsTold() throws {
        let report = try take(machine())
        #expect(try consistencies() == [.crash, .crash])
        #expect(report.machines?.machines.first?.reason?.contains("cannot be reached") == true)
        let summary = try manager(machine()).machines.show("web")
        guard case .unreachable = summary.look else {
            Issue.record("\(summary.look)")
            return
        }
        #expect(throws: Problem.self) { try manager(machine()).machines.show("none") }
    }
}
