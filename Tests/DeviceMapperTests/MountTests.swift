import Testing

@testable import DeviceMapper

@Suite("Who has a device open")
struct MountTests {
    @Test("mounts are read from mountinfo, with and without optional fields, unescaped")
    func parses() throws {
        let text = """
            36 35 98:0 /mnt1 /mnt/my\\040disk\\134 rw,noatime master:1 shared:7 - ext3 /dev/root rw
            28 1 0:25 / /data rw,relatime - btrfs /dev/mapper/snapmgr-db rw,space_cache
            29 1 254:3 / /x rw - xfs /dev/dm-3 rw
            no mount at all
            29 1 254:x / /x rw - xfs /dev/dm-3 rw
            29 1 254:3 / /x rw shared:1 xfs /dev/dm-3 rw rw
            """
        let mounts = Mount.all(text)
        try #require(mounts.count == 3)
        #expect(mounts[0].number == DeviceNumber(major: 98, minor: 0))
        #expect(mounts[0].point == "/mnt/my disk\\")
        #expect(mounts[0].source == "/dev/root")
        #expect(mounts[1].number.major == 0)
        #expect(mounts[1].source == "/dev/mapper/snapmgr-db")
        #expect(mounts[2].point == "/x" && mounts[2].number == DeviceNumber(major: 254, minor: 3))
    }

    @Test("DM1: a file is looked for by each mount of its filesystem, and by no other")
    func paths() {
        let text = """
            36 35 8:1 / / rw - ext4 /dev/sda1 rw
            37 36 8:16 / /mnt/one rw - ext4 /dev/sdb rw
            38 36 8:16 /sub /mnt/two rw - ext4 /dev/sdb rw
            39 36 0:40 / /data rw - btrfs /dev/sdc rw
            40 36 0:41 / /net rw - nfs4 host:/export rw
            """
        let mounts = Mount.all(text)
        let disk = DeviceNumber(major: 8, minor: 16)
        #expect(
            Mount.paths(of: "/a/b", on: disk, mounts) == [
                "/a/b", "/mnt/one/a/b", "/mnt/one/b", "/mnt/two/a/b", "/mnt/two/b",
            ])
        let root = DeviceNumber(major: 8, minor: 1)
        #expect(Mount.paths(of: "/a/b", on: root, mounts) == ["/a/b", "/a/b", "/b"])
        let subvolume = DeviceNumber(major: 0, minor: 77)
        #expect(Mount.paths(of: "/f", on: subvolume, mounts) == ["/f", "/data/f"])
    }

    @Test("a loop device's mounts are told by its number, and by the source of a Btrfs alone")
    func points() {
        let text = """
            36 35 7:3 / /mnt/one rw - ext4 /dev/loop3 rw
            37 35 0:40 / /mnt/two rw - btrfs /dev/loop3 rw
            38 35 0:41 / /mnt/three rw - tmpfs /dev/loop3 rw
            39 35 7:4 / /mnt/four rw - ext4 /dev/loop4 rw
            """
        let loop = DeviceNumber(major: 7, minor: 3)
        #expect(
            MountTable.points(of: loop, "/dev/loop3", in: Mount.all(text))
                == ["/mnt/two", "/mnt/one"])
    }

    @Test("where all of a device's filesystem is mounted is told from where a folder of it is")
    func whole() {
        let text = """
            36 35 8:16 / /mnt/one rw - ext4 /dev/sdb rw
            37 35 8:16 / /mnt/two rw - ext4 /dev/sdb rw
            38 35 8:16 /sub /mnt/three rw - ext4 /dev/sdb rw
            39 35 8:32 / /mnt/four rw - ext4 /dev/sdc rw
            40 35 8:48 /a\\040b /mnt/five rw - ext4 /dev/sdd rw
            """
        let mounts = Mount.all(text)
        #expect(mounts.last?.root == "/a b")
        #expect(Mount.whole(DeviceNumber(major: 8, minor: 16), of: mounts)?.point == "/mnt/two")
        #expect(Mount.whole(DeviceNumber(major: 8, minor: 48), of: mounts) == nil)
    }

    @Test("a backslash without three octal digits is itself")
    func unescapes() {
        #expect(Mount.unescaped("a\\04") == "a\\04")
        #expect(Mount.unescaped("\\089") == "\\089")
        #expect(Mount.unescaped("\\777") == "\\777")
        #expect(Mount.unescaped("\\011\\012") == "\t\n")
    }

    @Test("a holder is described")
    func descriptions() {
        let process = DeviceHolder.RunningProcess(id: 123, program: "fio")
        let holders: [(DeviceHolder, String)] = [
            (.mount(point: "/srv", process: nil), "mounted on /srv"),
            (
                .mount(point: "/srv", process: process),
                "mounted on /srv in the namespace of process 123 (fio)"
            ),
            (.device(kernelName: "dm-3", mapperName: "vg-lv"), "held by dm-3 (vg-lv)"),
            (.device(kernelName: "md0", mapperName: nil), "held by md0"),
            (.loop(path: "/dev/loop3"), "the backing device of /dev/loop3"),
            (.swap, "used as swap"), (.process(process), "opened by process 123 (fio)"),
        ]
        for (holder, text) in holders { #expect(holder.description == text) }
    }

    @Test("a device's number is encoded as the C library does it")
    func numbers() {
        let number = DeviceNumber(major: 0xfff, minor: 0xabcde)
        #expect(number.encoded == 0xabc_fffde)
        for (major, minor) in [(0, 0), (8, 1), (253, 255), (259, 1_048_575), (70_000, 70_000)] {
            let number = DeviceNumber(major: UInt32(major), minor: UInt32(minor))
            #expect(DeviceNumber(encoded: number.encoded) == number)
            #expect(DeviceNumber(text: number.description) == number)
        }
        for text in ["", "8", "8:", ":1", "8:1:2", "a:b", "-8:1", "8: 1", "+8:1"] {
            #expect(DeviceNumber(text: text) == nil)
        }
    }

    @Test("devices and files are told apart, and the failure names the path")
    func blockDevices() {
        #expect(!BlockDevices.isBlockDevice("/dev/null"))
        #expect(!BlockDevices.isBlockDevice("/nowhere"))
        #expect(BlockDevices.kernelName(DeviceNumber(major: 4095, minor: 9)) == nil)
    }

    @Test("without the privilege or the driver, the failure says so and names the device")
    func failures() {
        let failure = DeviceFailure("suspend", "snapmgr-db", code: 16)
        #expect(failure.isBusy && failure.description == "cannot suspend snapmgr-db: it is in use")
        #expect(DeviceFailure("suspend", "a", code: 6).isNotFound)
        #expect(DeviceFailure("suspend", "a", code: 1).isNoPermission)
        #expect(DeviceFailure("suspend", "a", code: 13).isNoPermission)
        #expect(DeviceFailure("suspend", "a", code: 2).isMissingModule)
        #expect(DeviceFailure("suspend", "a", code: 5).cause == .other)
        #expect(
            DeviceFailure("list the devices", "", code: 1).description
                == "cannot list the devices: only root may do this")
    }
}
