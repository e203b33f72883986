internal import Glibc
package import System

// What the kernel says of a device by its number, which no path can lead astray.
extension BlockDevices {
    private static func folder(_ number: DeviceNumber) -> String { "/sys/dev/block/\(number)" }

    /// Nil when there is no such device.
    package static func sizeInSectors(_ number: DeviceNumber) -> Int? {
        SystemHint.line(folder(number) + "/size").flatMap { Int(digits: $0) }
    }

    /// The bytes of a logical sector; nil when there is no such device.
    package static func logicalBlockSize(_ number: DeviceNumber) -> Int? {
        // A partition has its disk's queue.
        ["/queue", "/../queue"].lazy.compactMap {
            SystemHint.line(folder(number) + $0 + "/logical_block_size")
        }.first.flatMap { Int(digits: $0) }
    }

    /// Whether the kernel takes no writes: a disk that is so, or that `blockdev --setro` made so.
    package static func isReadOnly(_ number: DeviceNumber) -> Bool {
        SystemHint.line(folder(number) + "/ro") == "1"
    }

    /// The disk that a partition is a part of; nil for what is not a partition.
    package static func disk(
        ofPartition number: DeviceNumber
    ) throws(IOFailure) -> DeviceNumber? {
        guard try SystemFile.line(folder(number) + "/partition") != nil else { return nil }
        return try SystemFile.line(folder(number) + "/../dev").flatMap { DeviceNumber(text: $0) }
    }
}

// MARK: - Names that last

extension BlockDevices {
    /// Whether a path may lead to another device after the next start of the machine: the kernel's own
    /// name, or one by what the device holds, which the volume itself holds as well.
    package static func isPassing(_ path: String, _ number: DeviceNumber) -> Bool {
        path == self.path(number)
            || ["/dev/disk/by-uuid/", "/dev/disk/by-label/"].contains { path.hasPrefix($0) }
    }

    /// A name of the device that stays its own; nil where udev makes none.
    package static func lastingPath(_ number: DeviceNumber) -> String? {
        let isMapped = kernelName(number)?.hasPrefix("dm-") ?? false
        let folder = isMapped ? "/dev/mapper" : "/dev/disk/by-id"
        // A physical volume's name by its UUID is one by what the device holds.
        let names = SystemHint.names(folder).filter { !$0.hasPrefix("lvm-pv-uuid-") }
        return names.sorted(by: isBetter).map { "\(folder)/\($0)" }.first {
            (try? self.number($0)) == number
        }
    }

    /// World wide names first, and then the shortest.
    private static func isBetter(_ one: String, _ other: String) -> Bool {
        func rank(_ name: String) -> Int {
            ["wwn-", "nvme-eui."].firstIndex { name.hasPrefix($0) } ?? 9
        }
        return (rank(one), one.utf8.count, one) < (rank(other), other.utf8.count, other)
    }
}

extension BlockDevices {
    /// What the kernel calls a device, as far as it has words for it.
    package struct Labels: Hashable, Sendable {
        /// Of a device of device-mapper's.
        package var mapperName: String?
        /// That says who made it.
        package var mapperUUID: String?
        package var isPartition: Bool
        /// Whether it is a loop device.
        package var isLoop: Bool
    }

    /// Of the device with this number.
    package static func labels(_ number: DeviceNumber) throws(IOFailure) -> Labels {
        let folder = folder(number)
        return Labels(
            mapperName: try SystemFile.line(folder + "/dm/name"),
            mapperUUID: try SystemFile.line(folder + "/dm/uuid"),
            isPartition: try SystemFile.line(folder + "/partition") != nil,
            isLoop: try SystemFile.line(folder + "/loop/backing_file") != nil)
    }
}
