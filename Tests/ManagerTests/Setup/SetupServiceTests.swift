import Foundation
import Glibc
import Settings
import Setup
import SnapshotModel
import Testing

@testable import Manager

@Suite struct SetupServiceTests {
    @Test func anImageGetsAVolumeSettingsAndTheWordsForItsClients() throws {
        let scene = try SetupScene()
        let report = try scene.setup()
        #expect(report.volume == "vm1")
        #expect(report.volumeAction == .made)
        #expect(report.settings.path == scene.path("etc/conf.d/vm1.toml"))
        #expect(try scene.text("etc/conf.d/vm1.toml").contains("every = \"15m\""))
        #expect(report.uri == "nbd+unix:///vm1?socket=/run/snapmgr/vm1.sock")
        let volume = try scene.fixture.nextCommand().volumes.show("vm1")
        #expect(volume.record.originPath == scene.path("vm1.img"))
        var status = stat()
        #expect(stat(scene.path("etc/conf.d/vm1.toml"), &status) == 0)
        #expect(status.st_mode & 0o777 == 0o644)
    }

    @Test func aSecondRunFindsAllThatIsThereAndChangesNothing() throws {
        let scene = try SetupScene()
        _ = try scene.setup()
        try scene.write("# mine\n" + scene.text("etc/conf.d/vm1.toml"), to: "etc/conf.d/vm1.toml")
        scene.systemd.forget()
        let report = try scene.setup(every: "1h")
        #expect(report.volumeAction == .kept)
        #expect(report.settings.action == .kept)
        #expect(report.settings.path == scene.path("etc/conf.d/vm1.toml"))
        #expect(try scene.text("etc/conf.d/vm1.toml").hasPrefix("# mine\n"))
        #expect(scene.systemd.commands == [])
        #expect(scene.fixture.notes.all.contains { $0.contains("stay as they are") })
    }

    @Test func aDryRunTellsAllOfItAndMakesNothing() throws {
        let scene = try SetupScene()
        let before = try FileManager.default.subpathsOfDirectory(atPath: scene.path("etc"))
        let report = try scene.setup(isDryRun: true)
        #expect(report.volumeAction == .planned)
        #expect(report.settings.action == .planned)
        #expect(report.settings.text?.contains("[volumes.vm1]") == true)
        #expect(report.recipes.count == 4)
        #expect(try FileManager.default.subpathsOfDirectory(atPath: scene.path("etc")) == before)
        #expect(try scene.fixture.manager.volumes.list().isEmpty)
        #expect(scene.systemd.commands == [])
    }

    /// How far a run came that was killed.
    enum Progress: CaseIterable {
        case volume, draft, settings, dropIn, someUnits
    }

    @Test("one that was cut short is gone on with", arguments: Progress.allCases)
    func goesOn(progress: Progress) throws {
        let scene = try SetupScene()
        let whole = try SetupScene()
        try reach(scene)
        try reach(whole)
        _ = try whole.setup()
        try leave(progress, in: scene)
        let report = try scene.setup()
        #expect(report.failures.isEmpty)
        for name in ["etc/conf.d/vm1.toml", "units/snapmgr-.service.d/volume-vm1.conf"] {
            #expect(
                try scene.text(name)
                    == whole.text(name).replacing(whole.fixture.folder, with: scene.fixture.folder))
        }
        #expect(!scene.exists("etc/conf.d/.vm1.toml.draft"))
        let again = try scene.setup()
        #expect(again.units.map(\.action) == [.kept, .kept, .kept])
        #expect(again.dropIns.map(\.action) == [.kept])
    }

    /// Has the units reach the image, which lies in /tmp.
    private func reach(_ scene: SetupScene) throws {
        scene.machine.unreachable = []
    }

    private func leave(_ progress: Progress, in scene: SetupScene) throws {
        if progress == .volume || progress == .draft {
            _ = try scene.fixture.manager.volumes.create(
                CreateRequest(name: "vm1", originPath: scene.path("vm1.img")))
            guard progress == .draft else { return }
            mkdir(scene.path("etc/conf.d"), 0o755)
            return try scene.write("[volu", to: "etc/conf.d/.vm1.toml.draft")
        }
        _ = try scene.setup()
        switch progress {
        case .settings:
            try FileManager.default.removeItem(atPath: scene.path("units"))
        case .dropIn:
            try FileManager.default.removeItem(
                atPath: scene.path("units/snapmgr-.service.d/volume-vm1.conf"))
        default: break
        }
    }

    @Test func unitsAreEnabledAfterSystemdHasReadWhatIsNew() throws {
        let scene = try SetupScene()
        try reach(scene)
        let report = try scene.setup()
        #expect(
            scene.systemd.commands == [
                "daemon-reload", "enable --now -- snapmgr-serve@vm1.service",
                "enable --now -- snapmgr-tick.timer", "enable --now -- snapmgr-prune.timer",
            ])
        #expect(report.units.map(\.action) == [.made, .made, .made])
    }

    @Test func aSecondRunOfUnitsThatAreUpStartsNone() throws {
        let scene = try SetupScene()
        try reach(scene)
        _ = try scene.setup()
        scene.systemd.forget()
        #expect(try scene.setup().units.map(\.action) == [.kept, .kept, .kept])
        #expect(scene.systemd.commands == [])
    }

    @Test func aRunThatWasCutShortBeforeSystemdHasReadItsFilesIsGoneOnWith() throws {
        let scene = try SetupScene()
        try reach(scene)
        _ = try scene.setup()
        scene.systemd.forget()
        scene.systemd.fallsBehind()
        #expect(try scene.setup().dropIns.map(\.action) == [.kept])
        #expect(scene.systemd.commands == ["daemon-reload"])
    }

    // MARK: drop-ins that are there

    private static let dropIn = "units/snapmgr-.service.d/volume-vm1.conf"

    @Test func anOlderDropInOfItsOwnIsWrittenAnew() throws {
        let scene = try SetupScene()
        try reach(scene)
        _ = try scene.setup()
        let text = try scene.text(Self.dropIn)
        try scene.write(UnitDropIns.mark + "\n[Service]\nReadWritePaths=-/old\n", to: Self.dropIn)
        scene.systemd.forget()
        #expect(try scene.setup(isDryRun: true).dropIns.map(\.action) == [.planned])
        #expect(try scene.setup().dropIns.map(\.action) == [.made])
        #expect(try scene.text(Self.dropIn) == text)
        #expect(scene.systemd.commands == ["daemon-reload"])
    }

    @Test func aDropInOfSomebodyElsesStaysAndIsToldToDiffer() throws {
        let scene = try SetupScene()
        try reach(scene)
        _ = try scene.setup()
        try scene.write("[Service]\nReadWritePaths=-/mine\n", to: Self.dropIn)
        #expect(try scene.setup().dropIns.map(\.action) == [.differs])
        #expect(try scene.text(Self.dropIn) == "[Service]\nReadWritePaths=-/mine\n")
    }

    @Test func accessThatNoKnownMachineNeedsIsTold() throws {
        let scene = try SetupScene()
        try reach(scene)
        try define(scene)
        _ = try scene.setup()
        try scene.write("", to: "guests/web.xml")
        let file = try #require(try scene.setup().dropIns.last)
        #expect(file.path == scene.path("units/snapmgr-serve@vm1.service.d/access.conf"))
        #expect(file.action == .kept)
    }

    @Test func whatUnitsWaitForIsThePathThatTheVolumeRemembers() throws {
        let scene = try SetupScene()
        #expect(symlink(scene.path("vm1.img"), scene.path("passing")) == 0)
        let run = SetupRun(
            context: scene.fixture.manager.setups.context,
            request: SetupRequest(
                originPath: scene.path("passing"),
                location: SettingsLocation(path: scene.machine.unitSettings, isRequired: false)),
            machine: scene.machine,
            facts: OriginFacts(path: scene.path("passing"), kind: .file, byteCount: 65_536),
            name: "vm1", driver: scene.fixture.sessions, known: nil)
        let origin = run.lastingOrigin
        _ = try scene.setup("passing", name: "vm1")
        let volume = try scene.fixture.nextCommand().volumes.show("vm1")
        #expect(origin == volume.record.originPath)
        #expect(origin == scene.path("vm1.img"))
    }

    @Test func aUnitThatDoesNotStartIsToldAndTheNextRunTriesItAgain() throws {
        let scene = try SetupScene()
        try reach(scene)
        scene.systemd.breaks("snapmgr-serve@vm1.service")
        let report = try scene.setup()
        #expect(report.units.map(\.action) == [.failed, .made, .made])
        #expect(report.failures.count == 1)
        scene.systemd.mends()
        scene.systemd.forget()
        #expect(try scene.setup().failures.isEmpty)
        #expect(scene.systemd.commands == ["enable --now -- snapmgr-serve@vm1.service"])
    }

    @Test func whereUnitsCannotServeItNothingOfThemIsTouched() throws {
        let scene = try SetupScene()
        #expect(try scene.setup().withoutUnits?.contains("/tmp") == true)
        scene.machine.units = nil
        #expect(try scene.setup().withoutUnits == "no systemd runs here")
        scene.machine.unitState = "/var/lib/snapmgr"
        let report = try scene.setup()
        #expect(report.withoutUnits?.contains("/var/lib/snapmgr") == true)
        #expect(report.socket == scene.fixture.options.state.defaultSocketPath)
        scene.machine.isRoot = false
        #expect(try scene.setup().withoutUnits == "the units are root's")
        #expect(scene.systemd.commands == [])
    }

    // MARK: what it refuses

    @Test func anImageOfAnotherFormatIsRefusedWithTheCommandThatConvertsIt() throws {
        let scene = try SetupScene()
        var bytes = Data([0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3])
        bytes.append(Data(count: 65_528))
        try bytes.write(to: URL(filePath: scene.path("vm1.qcow2")))
        let problem = #expect(throws: Problem.self) { try scene.setup("vm1.qcow2", isDryRun: true) }
        #expect(problem?.code == .refused)
        #expect(problem?.hint?.description.contains("qemu-img convert -f qcow2 -O raw") == true)
    }

    private func define(_ scene: SetupScene) throws {
        try scene.write(
            "<domain><name>web</name><disk><source file='\(scene.path("vm1.img"))'/>"
                + "<target dev='vdb'/></disk></domain>", to: "guests/web.xml")
    }

    @Test func aMachineThatRunsOnTheOriginIsNamedAndNothingIsMade() throws {
        let scene = try SetupScene()
        try define(scene)
        try scene.write("12\n", to: "running/web.pid")
        let problem = #expect(throws: Problem.self) { try scene.setup() }
        #expect(problem?.code == .refused)
        #expect(problem?.message.contains("disk vdb of the virtual machine web") == true)
        #expect(problem?.hint?.description.contains("virsh shutdown web") == true)
        #expect(try scene.fixture.manager.volumes.list().isEmpty)
        #expect(!scene.exists("etc/conf.d/vm1.toml"))
        #expect(try scene.setup(isDryRun: true).obstacle == problem)
    }

    @Test func aDryRunTellsThatSomebodyHasTheImageLocked() throws {
        let scene = try SetupScene()
        #expect(try scene.setup(isDryRun: true).obstacle == nil)
        let claim = try scene.fixture.sessions.claimOrigin(
            scene.path("vm1.img"), volume: "other", recorded: nil)
        let obstacle = try scene.setup(isDryRun: true).obstacle
        withExtendedLifetime(claim) {}
        #expect(obstacle != nil)
    }

    @Test func theGroupOfAMachineThatIsShutDownMayConnect() throws {
        let scene = try SetupScene()
        try reach(scene)
        try define(scene)
        let report = try scene.setup()
        #expect(report.recipes.first?.text.hasPrefix("virt-xml web --edit target=vdb ") == true)
        #expect(
            try scene.text("units/snapmgr-serve@vm1.service.d/access.conf").contains("chgrp kvm "))
    }

    @Test func settingsThatAreWrongAreToldBeforeAnythingIsMade() throws {
        let scene = try SetupScene()
        try scene.write("polcy = \"a\"\n", to: "etc/snapmgr.toml")
        let problem = #expect(throws: Problem.self) { try scene.setup() }
        #expect(problem?.code == .usage)
        #expect(try scene.fixture.manager.volumes.list().isEmpty)
    }

    @Test func namesThatWouldClashWithOtherSettingsAreToldBeforeAnythingIsMade() throws {
        let scene = try SetupScene()
        try scene.write("[policies.vm1-keep]\nlast = 3\n", to: "etc/snapmgr.toml")
        let problem = #expect(throws: Problem.self) { try scene.setup() }
        #expect(problem?.code == .usage)
        #expect(try scene.fixture.manager.volumes.list().isEmpty)
    }

    @Test func aFileOfAnotherKindIsNotWrittenOver() throws {
        let scene = try SetupScene()
        mkdir(scene.path("etc/conf.d"), 0o755)
        try scene.write("# for later\n", to: "etc/conf.d/vm1.toml")
        let problem = #expect(throws: Problem.self) { try scene.setup() }
        #expect(problem?.code == .exists)
        #expect(try scene.text("etc/conf.d/vm1.toml") == "# for later\n")
    }

    @Test func aVolumeThatIsInTheSettingsKeepsThem() throws {
        let scene = try SetupScene()
        try scene.write(
            "[volumes.vm1]\npolicy = \"p\"\n[policies.p]\nlast = 3\n", to: "etc/snapmgr.toml")
        let report = try scene.setup()
        #expect(report.settings.action == .kept)
        #expect(report.settings.path == scene.path("etc/snapmgr.toml"))
        #expect(!scene.exists("etc/conf.d/vm1.toml"))
    }

    @Test func anotherVolumesNameAndAnotherNameForAVolumeAreRefused() throws {
        let scene = try SetupScene()
        _ = try scene.setup()
        let taken = #expect(throws: Problem.self) { try scene.setup(name: "other") }
        #expect(taken?.code == .exists)
        mkdir(scene.path("b"), 0o755)
        try scene.write(String(repeating: "y", count: 65_536), to: "b/vm1.img")
        let clash = #expect(throws: Problem.self) { try scene.setup("b/vm1.img") }
        #expect(clash?.code == .exists)
        #expect(clash?.hint?.description.contains("vm1-2") == true)
        #expect(try scene.setup("b/vm1.img", name: "second").volume == "second")
    }
}
