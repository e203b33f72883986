import System
import Testing

@testable import Setup

@Suite struct UnitDropInTests {
    @Test(
        "an image's place is opened to the services where they could not write",
        arguments: [
            ("/srv/vm1.img", nil), ("/var/lib/libvirt/images/vm1.img", nil), ("/dev/vg0/a", nil),
            ("/data/vm1.img", "ReadWritePaths=-/data/vm1.img\n"),
            ("/srvother/a", "ReadWritePaths=-/srvother/a\n"),
            ("/data/my disk.img", "ReadWritePaths=-\"/data/my disk.img\"\n"),
            ("/data/100%.img", "ReadWritePaths=-/data/100%%.img\n"),
            ("/home/eve/a.img", "ReadWritePaths=-/home/eve/a.img\nProtectHome=read-only\n"),
        ] as [(String, String?)])
    func places(path: String, lines: String?) {
        let file = UnitDropIns.origin(volume: "vm1", path: path)
        #expect(
            file?.path
                == lines.map { _ in "/etc/systemd/system/snapmgr-.service.d/volume-vm1.conf" })
        #expect(file?.text.components(after: "[Service]\n") == lines)
    }

    @Test func whatServicesHaveOfTheirOwnIsOutOfReach() {
        #expect(UnitDropIns.isOutOfReach("/tmp/a.img"))
        #expect(UnitDropIns.isOutOfReach("/var/tmp/a.img"))
        #expect(!UnitDropIns.isOutOfReach("/tmpfs/a.img"))
    }

    /// A file of the project.
    private func text(_ path: String) throws -> String {
        let here = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return String(
            decoding: try FileFolder.readFile(path: "/\(here)/\(path)", limitBytes: 1 << 20),
            as: UTF8.self)
    }

    @Test func whatIsWrittenForDevicesIsTheExampleThatIsShipped() throws {
        let example = try text("Config/systemd/drop-ins/devices.conf")
        let start = try #require(example.firstRange(of: "[Unit]"))
        #expect(String(example[start.lowerBound...]) == UnitDropIns.deviceRights)
        #expect(
            UnitDropIns.devices().map(\.path) == [
                "/etc/systemd/system/snapmgr-tick.service.d/devices.conf",
                "/etc/systemd/system/snapmgr-prune.service.d/devices.conf",
            ])
    }

    @Test func thePackagesPurgeKnowsWhatSetupWrites() throws {
        let script = try text("Packaging/debian/snapmgr.postrm")
        let settings = VolumeSettingsText(volume: "vm1", every: "15m", keep: .standard).text
        for (mark, text) in [
            (
                "# Written by the set-up of snapmgr,",
                UnitDropIns.access(volume: "a", group: "kvm").text
            ),
            ("# Written by the set-up of snapmgr,", UnitDropIns.devices().first?.text),
            (
                "# Written by the set-up of snapmgr,",
                UnitDropIns.activation(volume: "a", origin: "/dev/b", store: "/c").text
            ),
            (
                "# Written by the set-up of snapmgr,",
                UnitDropIns.origin(volume: "a", path: "/a.img")?.text
            ),
            ("# When snapshots of volume ", settings),
        ] as [(String, String?)] {
            #expect(script.contains("'^\(mark)'"))
            #expect(text?.hasPrefix(mark) == true)
        }
    }

    @Test(
        "a unit's name is what systemd-escape makes of a path",
        arguments: [
            ("/dev/vg0/srv", "dev-vg0-srv"),
            ("/dev/mapper/my--vg-a", #"dev-mapper-my\x2d\x2dvg\x2da"#),
            ("/", "-"), ("/.a/b c", #"\x2ea-b\x20c"#), ("//dev//x/", "dev-x"),
        ])
    func escaped(path: String, name: String) {
        #expect(UnitName.escaped(path) == name)
    }

    @Test func aMachinesGroupMayConnectAndNobodyElse() {
        let file = UnitDropIns.access(volume: "vm1", group: "kvm")
        #expect(file.path == "/etc/systemd/system/snapmgr-serve@vm1.service.d/access.conf")
        #expect(file.text.contains("chgrp kvm /run/snapmgr/%i.sock && chmod 660"))
    }
}

extension String {
    /// What follows a mark.
    fileprivate func components(after mark: String) -> String? {
        firstRange(of: mark).map { String(self[$0.upperBound...]) }
    }
}
