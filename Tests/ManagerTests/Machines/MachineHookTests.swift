import FoundationEssentials
import Hooks
import Settings
import SnapshotModel
import Testing

@testable import Manager

/// A VM and hooks around the snapshots of its disks.
@Suite struct MachineHookTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.makeVolume("b")
    }

    /// The program that SwiftPM puts beside the tests.
    private static var watchdog: WatchdogCommand {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        let folder = (own ?? "").split(separator: "/").dropLast().joined(separator: "/")
        return WatchdogCommand(["/" + folder + "/snapmgr-hook-probe", "watchdog"])
    }

    private func manager(
        _ programs: [HookEvent: [String]], savesState: Bool = false
    ) throws -> Manager {
        var options = fixture.options
        options.watchdog = Self.watchdog
        options.operation.settings = SettingsSource { [folder = fixture.folder] in
            var settings = Settings(defaults: SettingsDefaults())
            settings.machines["web"] = MachineSettings(
                name: "web", volumes: ["a", "b"], monitorPath: folder + "/qmp",
                savesState: savesState)
            settings.sets["pair"] = SetSettings(
                name: "pair", volumes: ["a", "b"], schedules: [], policy: nil,
                hooks: [Hook(name: "h", programs: programs)])
            return settings
        }
        return try Manager(options)
    }

    private func take(_ manager: Manager) throws -> TakeReport {
        try manager.snapshots.take(TakeRequest(volumes: ["a", "b"], setName: "pair"))
    }

    /// As two slots of one tick do, and the jobs of a daemon.
    @Test func aSnapshotWithAHookLetsGoOfItsVM() throws {
        let manager = try manager([.prepare: ["/bin/true"]])
        #expect(try take(manager).snapshots.count == 2)
        #expect(try take(manager).snapshots.count == 2)
    }

    @Test func hooksComeBeforeMemoryThatGoesOutLive() throws {
        let fake = try FakeMachine(in: fixture.folder, .init(majorVersion: 9))
        let report = try take(
            manager([.beforeFreeze: ["/bin/true"], .afterThaw: ["/bin/true"]], savesState: true))
        let steps = try #require(report.machines?.steps.map(\.text))
        let hook = try #require(steps.firstIndex(of: "before-freeze of h is done"))
        let memory = try #require(steps.firstIndex(of: "memory of web goes out while it runs"))
        #expect(hook < memory)
        #expect(steps.count { $0 == "before-freeze of h is done" } == 1)
        #expect(fake.commands.contains("migrate"))
    }

    @Test func aHookThatFailsBeforeMemoryGoesOutEndsTheSnapshot() throws {
        let fake = try FakeMachine(in: fixture.folder, .init(majorVersion: 9))
        let manager = try manager([.beforeFreeze: ["/bin/false"]], savesState: true)
        #expect(throws: Problem.self) { try take(manager) }
        #expect(try fixture.list().isEmpty)
        #expect(!fake.commands.contains("migrate"))
        #expect(fake.status == "running")
    }
}
