import Testing

@testable import Setup

@Suite struct OriginFactsTests {
    @Test(
        "a device is told by what the kernel says of it",
        arguments: [
            ("vg0-srv", "LVM-abc", OriginKind.logicalVolume(group: "vg0", name: "srv")),
            ("my--vg-my--lv", "LVM-abc", .logicalVolume(group: "my-vg", name: "my-lv")),
            ("vg0-pool-tpool", "LVM-abc", .mapping("vg0-pool-tpool")),
            ("cryptroot", "CRYPT-LUKS2-abc", .mapping("cryptroot")),
        ])
    func mapped(name: String, uuid: String, expected: OriginKind) {
        #expect(
            OriginKind(mapperName: name, mapperUUID: uuid, isPartition: false, isLoop: false)
                == expected)
    }

    @Test func otherDevicesAreToldByTheirKind() {
        func kind(_ isPartition: Bool, _ isLoop: Bool) -> OriginKind {
            OriginKind(
                mapperName: nil, mapperUUID: nil, isPartition: isPartition, isLoop: isLoop)
        }
        #expect(kind(true, false) == .partition)
        #expect(kind(false, true) == .loop)
        #expect(kind(false, false) == .disk)
    }

    private func facts(_ kind: OriginKind, _ path: String = "/dev/sda1") -> OriginFacts {
        OriginFacts(path: path, kind: kind, byteCount: 4096)
    }

    @Test func whatThisMachineMountsIsLeftToTheKernelAndAMachinesDiskIsNot() {
        var device = facts(.partition)
        #expect(!device.isForTheKernel)
        device.holdsFilesystem = true
        #expect(device.isForTheKernel)
        device.guestDisks = [
            GuestDisk(domain: "vm1", attribute: "dev", source: "/dev/sda1", target: "vda")
        ]
        #expect(!device.isForTheKernel)
        device.guestDisks = []
        device.holdsFilesystem = false
        device.mountPoint = "/srv"
        #expect(device.isForTheKernel)
        var image = facts(.file, "/srv/a.img")
        image.holdsFilesystem = true
        #expect(!image.isForTheKernel)
    }

    @Test(
        "a volume has its origin's name, without what no volume's name may have",
        arguments: [
            ("/srv/vm1.img", "vm1"), ("/srv/VM 1.raw", "VM-1"), ("/srv/a.b.img", "a.b"),
            ("/srv/disk", "disk"), ("/srv/.hidden.img", "hidden"), ("/srv/über.IMG", "ber"),
            ("/srv/x.qcow2.raw", "x.qcow2"), ("/srv/---.img", nil),
            ("/srv/" + String(repeating: "n", count: 80), String(repeating: "n", count: 64)),
        ] as [(String, String?)])
    func naming(path: String, name: String?) {
        #expect(VolumeNaming.name(of: facts(.file, path)) == name)
    }

    @Test func aLogicalVolumeIsCalledAsLVMCallsIt() {
        let volume = facts(.logicalVolume(group: "vg0", name: "srv"), "/dev/dm-3")
        #expect(VolumeNaming.name(of: volume) == "srv")
        #expect(VolumeNaming.name(of: facts(.mapping("crypt_root"), "/dev/dm-4")) == "crypt_root")
        #expect(VolumeNaming.name(of: facts(.partition)) == "sda1")
    }
}
