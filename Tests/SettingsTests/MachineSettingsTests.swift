import SnapshotModel
import Testing

@testable import Settings

@Suite struct MachineSettingsTests {
    private static let volumes = "[volumes.a]\n[volumes.b]\n"

    @Test func aWholeTableIsReadAndTheRestIsFilledIn() throws {
        let settings = try Settings.load(
            Self.volumes + """
                [vm.web]
                volumes = ["a", "b"]
                qmp = "/run/web.qmp"
                agent = "/run/web.qga"
                state = true
                require = "vm"
                start = ["/usr/bin/start", "-drive", "x", "-drive", "y", "{incoming}"]
                freeze-timeout = "9s"
                state-timeout = "1h"
                """)
        let machine = try #require(settings.machines["web"])
        #expect(machine.volumes == ["a", "b"])
        #expect(machine.savesState && machine.required == .vm)
        #expect(machine.freezeMilliseconds == 9000 && machine.stateMilliseconds == 3_600_000)
        #expect(
            machine.startArguments(awaitsState: true)
                == ["/usr/bin/start", "-drive", "x", "-drive", "y", "-incoming", "defer"])
        #expect(
            machine.startArguments(awaitsState: false)
                == ["/usr/bin/start", "-drive", "x", "-drive", "y"])
        #expect(settings.machines(using: ["b", "c"]).map(\.name) == ["web"])
        #expect(settings.machines(using: ["c"]).isEmpty)
    }

    @Test func aShortTableIsACrashConsistentVM() throws {
        let settings = try Settings.load(
            Self.volumes + "[vm.web]\nvolumes = [\"a\"]\nqmp = \"/q\"")
        let machine = try #require(settings.machines["web"])
        #expect(!machine.savesState && machine.required == .crash && machine.agentPath == nil)
        #expect(machine.freezeMilliseconds == 5000)
        #expect(machine.startArguments(awaitsState: true) == nil)
    }

    @Test func theWordsOfACopyStandForWhatItHas() throws {
        let settings = try Settings.load(
            Self.volumes + """
                [vm.web]
                volumes = ["a", "b"]
                qmp = "/run/web.qmp"
                state = true
                clone-start = ["/s", "q={qmp}", "{disk:a},{disk:b}", "{incoming}", "{network}", "{name}", "{no}", "}{"]
                """)
        let machine = try #require(settings.machines["web"])
        let words = MachineCopyWords(
            name: "{qmp}", monitorPath: "/c", hasNetwork: false, disks: ["a": "A", "b": "B"])
        #expect(
            machine.copyArguments(words, awaitsState: true) == [
                "/s", "q=/c", "A,B", "-incoming", "defer", "off", "{qmp}", "{no}", "}{",
            ])
        #expect(
            machine.copyArguments(words, awaitsState: false) == [
                "/s", "q=/c", "A,B", "-S", "off", "{qmp}", "{no}", "}{",
            ])
    }

    static let cases: [ErrorCase] = [
        .init(
            "[vm.w]\nvolumes = [\"a\"]\nqmp = \"/q\"\nclone-start = [\"/s\", \"{qmp}\"]\n[volumes.a]",
            "f.toml:4:15: vm.w.clone-start has no {disk:a} "
                + "(a copy has a monitor and disks of its own: see snapmgr.toml(5))"),
        .init(
            "[vm.w]\nvolumes = [\"a\"]\nqmp = \"/q\"\nclone-start = [\"/s\", \"{disk:a}\"]\n[volumes.a]",
            "f.toml:4:15: vm.w.clone-start has no {qmp} "
                + "(a copy has a monitor and disks of its own: see snapmgr.toml(5))"),
        .init(
            "[vm.w]\nvolumes = [\"a\"]\nqmp = \"/q\"\n"
                + "clone-start = [\"/s\", \"{qmp}\", \"{disk:a}\"]\n[volumes.a]",
            "f.toml:4:15: vm.w.clone-start has no {incoming} "
                + "(it has QEMU wait until the copy's network is seen to)"),
        .init(
            "[vm.w]\nvolumes = [\"a\"]\nqmp = \"/q\"\n[volumes.a]\n[volumes.b]\n"
                + "[schedules.q]\nevery = \"1h\"\n[sets.w]\nvolumes = [\"a\", \"b\"]\nschedules = [\"q\"]",
            "f.toml:1:1: vm.w has other volumes than sets.w: what the name means is ambiguous "
                + "(give one of them another name)"),
        .init(
            "[vm.w]\nqmp = \"/q\"",
            "f.toml:1:1: vm.w has no volumes (add volumes = [\"NAME\", \"NAME\"])"),
        .init(
            "[vm.w]\nvolumes = [\"a\"]\n[volumes.a]",
            "f.toml:1:1: vm.w has no qmp (add qmp = \"/path/of/the/monitor's/socket\")"),
        .init(
            "[vm.w]\nvolumes = [\"aa\"]\nqmp = \"/q\"\n[volumes.a]",
            "f.toml:2:12: vm.w.volumes: there is no volume \"aa\" (did you mean \"a\"?)"),
        .init(
            "[vm.w]\nvolumes = [\"a\"]\nqmpp = \"/q\"\nqmp = \"/q\"\n[volumes.a]",
            "f.toml:3:1: unknown key \"qmpp\" in vm.w (did you mean \"qmp\"?)"),
        .init(
            "[vm.w]\nvolumes = [\"a\"]\nqmp = \"q\"\n[volumes.a]",
            "f.toml:3:7: vm.w.qmp: \"q\" is not an absolute path"),
        .init(
            "[vm.v]\nvolumes = [\"a\"]\nqmp = \"/q\"\n[vm.w]\nvolumes = [\"a\"]\nqmp = \"/q\"\n[volumes.a]",
            "f.toml:5:12: vm.w.volumes: volume \"a\" is a disk of the VM \"v\" already "
                + "(a volume is a disk of one VM)"),
        .init(
            "[vm.w]\nvolumes = [\"a\"]\nqmp = \"/q\"\nrequire = \"vm\"\n[volumes.a]",
            "f.toml:4:11: vm.w.require can never be had (add state = true)"),
        .init(
            "[vm.w]\nvolumes = [\"a\"]\nqmp = \"/q\"\nrequire = \"fs\"\n[volumes.a]",
            "f.toml:4:11: vm.w.require can never be had (add agent = \"/path/of/its/socket\")"),
        .init(
            "[vm.w]\nvolumes = [\"a\"]\nqmp = \"/q\"\nstate = true\nstart = [\"/s\"]\n[volumes.a]",
            "f.toml:5:9: vm.w.start has {incoming} 0 times, and needs it once (it stands for "
                + "-incoming defer, which has QEMU wait for the saved state)"),
        .init(
            "[vm.w]\nvolumes = [\"a\"]\nqmp = \"/q\"\nstart = [\"s\"]\n[volumes.a]",
            "f.toml:4:10: vm.w.start: \"s\" is not an absolute path (write the program's whole path)"
        ),
        .init(
            "[vm.w]\nvolumes = [\"a\"]\nqmp = \"/q\"\nfreeze-timeout = \"10s\"\n[volumes.a]",
            "f.toml:4:18: vm.w.freeze-timeout is 10s (it is from 1s to 9s)"),
    ]

    @Test(arguments: cases)
    func errorsNameThePlaceAndTheWayOut(_ sample: ErrorCase) {
        #expect(Settings.errors(sample.text) == sample.errors)
    }
}
