import SnapshotModel
import Testing

@testable import DeviceMapper

@Suite struct DeviceLineageTests {
    /// A machine: /dev/sda with partition sda1, on which a filesystem has the files behind loop0; a
    /// logical volume over loop0; a btrfs on the logical volume.
    private struct Machine: BlockSystem {
        static let (disk, partition) = (number(8, 0), number(8, 1))
        static let (loop, logical) = (number(7, 0), number(253, 0))
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

        func file(behind device: DeviceNumber) -> LoopDevice.BackingFile? {
            device == Self.loop ? Self.image : nil
        }

        func devices(ofFilesystem number: DeviceNumber) -> [DeviceNumber] {
            number == Self.btrfs ? [Self.logical] : []
        }
    }

    @Test("H3: what a filesystem lies on is followed through volumes, loop devices and partitions")
    func follows() {
        var lineage = DeviceLineage(system: Machine())
        lineage.add(filesystem: Machine.btrfs.encoded)
        #expect(
            lineage.devices
                == [Machine.logical, Machine.loop, Machine.partition, Machine.disk])
        #expect(lineage.files == [Machine.image])
    }

    @Test("H3: a disk does not lie on its partition")
    func direction() {
        var lineage = DeviceLineage(system: Machine())
        lineage.add(filesystem: Machine.disk.encoded)
        #expect(lineage.devices == [Machine.disk])
        #expect(lineage.files.isEmpty)
    }
}
