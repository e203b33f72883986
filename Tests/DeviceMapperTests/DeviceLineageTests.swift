import SnapshotModel
import Testing

@testable import DeviceMapper

@Suite struct DeviceLineageTests {
    /// A machine: loop1 over sda1 itself; /dev/sda with partition sda1, on which a filesystem has the files behind loop0; a
    /// logical volume over loop0; a btrfs on the logical volume.
    private struct Machine: BlockSystem {
        static let (disk, partition) = (number(8, 0), number(8, 1))
        static let (loop, logical) = (number(7, 0), number(253, 0))
        static let over = number(7, 1)
        static let btrfs = number(0, 42)
        static let image = LoopDevice.BackingFile(device: partition.encoded, inode: 12)

        static func number(_ major: UInt32, _ minor: UInt32) -> DeviceNumber {
            DeviceNumber(major: major, minor: minor)
        }

        func devices(below device: DeviceNumber) -> [DeviceNumber] {
            switch device {
            case Self.partition: [Self.disk]
            case Self.logical: [Self.loop]
            default: []
            }
        }

        func backing(of device: DeviceNumber) -> LoopBacking? {
            switch device {
            case Self.loop: LoopBacking(file: Self.image, path: "/images/a.img", number: nil)
            case Self.over:
                LoopBacking(
                    file: LoopDevice.BackingFile(device: 5, inode: 3), path: "/dev/sda1",
                    number: Self.partition)
            default: nil
            }
        }

        func devices(ofFilesystemAt path: String) -> [DeviceNumber] {
            path == "/btrfs" ? [Self.logical] : []
        }
    }

    @Test("H3: what a filesystem lies on is followed through volumes, loop devices and partitions")
    func follows() throws {
        var lineage = DeviceLineage(system: Machine())
        try lineage.add(filesystem: Machine.btrfs.encoded, at: "/btrfs")
        #expect(
            lineage.devices
                == [Machine.logical, Machine.loop, Machine.partition, Machine.disk])
        #expect(lineage.files == [Machine.image])
    }

    @Test("H3: a disk does not lie on its partition")
    func direction() throws {
        var lineage = DeviceLineage(system: Machine())
        try lineage.add(filesystem: Machine.disk.encoded, at: "/")
        #expect(lineage.devices == [Machine.disk])
        #expect(lineage.files.isEmpty)
    }

    @Test("H3: a loop device over a block device lies on that device, not on what its node lies on")
    func loopOverDevice() throws {
        var lineage = DeviceLineage(system: Machine())
        try lineage.add(Machine.over)
        #expect(lineage.devices == [Machine.over, Machine.partition, Machine.disk])
        #expect(lineage.files.isEmpty)
    }

    @Test("H3: the mount that a path is in is the last on the longest folder above it")
    func mounts() {
        func line(_ number: String, _ point: String, _ source: String) -> String {
            "36 35 \(number) / \(point) rw,noatime - btrfs \(source) rw"
        }
        let mounts = Mount.all(
            [
                line("0:5", "/", "/dev/a"), line("0:6", "/srv", "/dev/b"),
                line("0:7", "/srv", "/dev/c"), line("0:8", "/srv/vm", "/dev/d"),
                line("0:9", "/srv", "/dev/e"),
            ].joined(separator: "\n"))
        func source(_ path: String) -> String? { Mount.holding(path, of: mounts)?.source }
        #expect(source("/srv/vm/a.img") == "/dev/d")
        #expect(source("/srv/vm") == "/dev/d")
        #expect(source("/srv/vms") == "/dev/e")
        #expect(source("/etc") == "/dev/a")
        #expect(Mount.holding("/etc", of: []) == nil)
    }
}
