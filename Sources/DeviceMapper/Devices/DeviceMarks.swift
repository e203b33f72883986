package import System

/// What tells a disk, a partition or a logical volume from all others, whatever it is called and
/// whatever is on it: as far as the kernel and udev know.
package enum DeviceMarks {
    /// By name; empty where nothing is known.
    ///
    /// - Throws: when it cannot be told whether something is known.
    package static func of(_ number: DeviceNumber) throws(IOFailure) -> [String: String] {
        guard let disk = try BlockDevices.disk(ofPartition: number) else {
            return try ofDisk(number)
        }
        var marks = try ofDisk(disk)
        marks["partition"] = try SystemFile.line("/sys/dev/block/\(number)/partition")
        marks["partuuid"] = try udev(number, "ID_PART_ENTRY_UUID")
        return marks
    }

    /// Where two devices' marks differ that both have; nil when they are one device's, as far as can
    /// be told. The strongest mark decides: weaker ones are put together from others, and change with
    /// the programs that do it.
    package static func difference(
        _ known: [String: String], _ found: [String: String]
    ) -> (mark: String, known: String, found: String)? {
        for marks in [diskMarks, partitionMarks] {
            for mark in marks {
                guard let one = known[mark], let other = found[mark] else { continue }
                if one != other { return (mark, one, other) }
                break
            }
        }
        return partDifference(known, found)
    }

    /// Of a partition the kernel always knows its number: a disk and a part of it are two devices.
    private static func partDifference(
        _ known: [String: String], _ found: [String: String]
    ) -> (mark: String, known: String, found: String)? {
        let (one, other) = (known["partition"], found["partition"])
        guard !known.isEmpty, !found.isEmpty, (one == nil) != (other == nil) else { return nil }
        return ("partition", one ?? "none", other ?? "none")
    }

    /// Whether marks say that two devices are one: the disk's strongest that both have is the same, and
    /// so is the partition's where there is one. The inode of a loop device's file proves nothing:
    /// another filesystem has one of the same number.
    package static func agree(_ known: [String: String], _ found: [String: String]) -> Bool {
        func isShared(_ marks: [String]) -> Bool {
            marks.contains { known[$0] != nil && found[$0] != nil }
        }
        let isPart = partitionMarks.contains { known[$0] != nil || found[$0] != nil }
        return difference(known, found) == nil && isShared(diskMarks.filter { $0 != "loop_inode" })
            && (!isPart || isShared(partitionMarks))
    }

    private static let partitionMarks = ["partuuid", "partition"]

    /// The strongest first.
    private static let diskMarks = [
        "dm_uuid", "dm_name", "md_uuid", "wwid", "cid", "serial", "loop_inode", "udev_serial",
    ]

    private static func ofDisk(_ number: DeviceNumber) throws(IOFailure) -> [String: String] {
        let folder = "/sys/dev/block/\(number)"
        func first(_ names: String...) throws(IOFailure) -> String? {
            for name in names {
                if let mark = trimmed(try SystemFile.line("\(folder)/\(name)")) { return mark }
            }
            return nil
        }
        var marks: [String: String] = [:]
        marks["dm_uuid"] = try first("dm/uuid")
        // Who gives no UUID is left with the name, which is his own, too.
        if marks["dm_uuid"] == nil { marks["dm_name"] = try first("dm/name") }
        marks["md_uuid"] = try first("md/uuid")
        if marks["md_uuid"] == nil { marks["md_uuid"] = try udev(number, "MD_UUID") }
        // SCSI's and NVMe's; memory cards'; virtio's and NVMe's.
        marks["wwid"] = try first("wwid", "device/wwid")
        marks["cid"] = try first("device/cid")
        marks["serial"] = try first("serial", "device/serial")
        marks["loop_inode"] = try loopInode(folder, number)
        marks["udev_serial"] = try udev(number, "ID_SERIAL")
        return marks
    }

    private static func loopInode(
        _ folder: String, _ number: DeviceNumber
    ) throws(IOFailure) -> String? {
        guard try SystemFile.line(folder + "/loop/backing_file") != nil else { return nil }
        return try LoopDevice.all().first { $0.number == number }.map { "\($0.backing.inode)" }
    }

    /// A property in udev's database, which need not be there yet.
    private static func udev(
        _ number: DeviceNumber, _ name: String
    ) throws(IOFailure) -> String? {
        let lines = try SystemFile.text("/run/udev/data/b\(number)")?.split(separator: "\n") ?? []
        let prefix = "E:\(name)="
        return lines.first { $0.hasPrefix(prefix) }.flatMap {
            trimmed(String($0.dropFirst(prefix.count)))
        }
    }

    /// Drives pad their numbers with blanks.
    private static func trimmed(_ text: String?) -> String? {
        guard let text else { return nil }
        let words = text.split(separator: " ").joined(separator: " ")
        return words.isEmpty ? nil : words
    }
}
