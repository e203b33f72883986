import DeviceMapper
import Glibc
import SnapshotModel
import System

/// Disks that have partitions, and what holds no files.
enum PartitionCases {
    static let cases = [
        GuestCase("of a disk with partitions, one is named, and mounted by its number") { context in
            let rig = try CommandRig(context)
            try makeDisk(rig.origins[0])
            try rig.create("data", on: rig.origins[0])
            let first = try rig.snapshot("data", "one")
            let view = try rig.viewFolder("view")
            let id = "\(first)"
            try rig.snapmgr.fails(
                13, "mount", id, view,
                saying: ["partitions (MBR)", "--partition: 1, 2", "--partitions"])
            for verb in ["mount", "files"] {
                let told = try rig.snapmgr.run(verb, id, "--partitions", "--json")
                try expectEqual(told.numbers("number"), [1, 2], "partitions by \(verb)")
                try expectEqual(
                    told.numbers("offset"), [1 << 20, 2 << 20], "offsets by \(verb)")
                try expectEqual(told.text("content"), "LVM2_member", "content by \(verb)")
                try expect(told.output.tail(after: #""content":"ext4""#) != nil, told.output)
            }
            try rig.snapmgr.fails(
                13, "mount", id, view, "--partition", "1", saying: ["LVM2_member", "vgimportclone"])
            try rig.snapmgr.fails(4, "mount", id, view, "--partition", "3", saying: ["1, 2"])
            try rig.snapmgr.run("mount", id, view, "--partition", "2")
            try expectEqual(try TextFile.read(view + "/file"), "in it\n", "file in the partition")
            for option in ["ro", "nosuid", "nodev"] {
                let options = try FilesRig.options(view)
                try expect(options.contains(option), "no \(option) among \(options)")
            }
            let told = try rig.snapmgr.run("status", "--json")
            try expectEqual(told.number("partition"), 2, "told partition")
            try expectEqual(try loops(), ["snapmgr-partition-2"], "the mount's loop device")
            try rig.snapmgr.fails(13, "delete", id, saying: [view, "umount"])
            try rig.snapmgr.run("umount", view)
            try expectEqual(try loops(), [], "loop devices")

            try rig.snapmgr.run("clone", "create", id, "trial")
            try rig.snapmgr.run("mount", "trial", view, "--partition", "2")
            try TextFile.write("more\n", to: view + "/more")
            try rig.snapmgr.run("umount", view)
            try expectEqual(
                try rig.snapmgr.run("get", "trial", "/more", "--to", "-", "--partition", "2")
                    .output,
                "more\n", "what was written to the clone's partition")
            try expectEqual(try loops(), [], "loop devices, later")
            try rig.snapmgr.run("clone", "delete", "trial")
            try rig.snapmgr.run("delete", id)
        },
        GuestCase("what is no filesystem is named, with what to do next") { context in
            let rig = try CommandRig(context)
            try Program.run(
                "dd", "if=/dev/zero", "of=\(rig.origins[1])", "bs=1M", "count=24", "status=none")
            try rig.create("data", on: rig.origins[1])
            let view = try rig.viewFolder("view")
            let device = CommandRig.device("data")
            let kinds = [
                ("LUKS\\xba\\xbe", 0, "crypto_LUKS", "cryptsetup"),
                ("LVM2 001", 536, "LVM2_member", "vgimportclone"),
                ("SWAPSPACE2", 4086, "swap", "no files"),
                ("nothing at", 0, "not a filesystem", "snapmgr export"),
            ]
            for (magic, offset, kind, way) in kinds {
                try FilesRig.shell(
                    """
                    dd if=/dev/zero of=\(device) bs=64k count=2 status=none
                    printf '\(magic)' | dd of=\(device) bs=1 seek=\(offset) status=none
                    """)
                let id = try rig.snapshot("data", "s\(offset)-\(kind.count)")
                try rig.snapmgr.fails(13, "mount", "\(id)", view, saying: [kind, way])
                // Nothing is left of the attempt.
                try rig.snapmgr.run("delete", "\(id)")
            }
        },
    ]

    /// Labels of the loop devices that show partitions; a volume's store has others.
    private static func loops() throws -> [String] {
        try LoopDevice.all().map(\.label).filter { $0.hasPrefix("snapmgr-partition-") }
    }

    /// An LVM's physical volume of 1 MiB, and an ext4 behind it.
    private static func makeDisk(_ disk: String) throws {
        let image = try Tool.scratch("partition.img")
        try FilesRig.shell(
            """
            dd if=/dev/zero of=\(disk) bs=1M count=20 status=none
            folder=$(mktemp -d); echo 'in it' >$folder/file
            rm -f \(image); truncate -s 16M \(image); mke2fs -q -F -t ext4 -d $folder \(image)
            dd if=\(image) of=\(disk) bs=1M seek=2 status=none; rm -r \(image) $folder
            printf 'LVM2 001' | dd of=\(disk) bs=1 seek=$((1048576 + 536)) status=none
            entry() { printf '\\x00\\x00\\x00\\x00\\x83\\x00\\x00\\x00'; }
            { entry; printf '\\x00\\x08\\x00\\x00\\x00\\x08\\x00\\x00'
              entry; printf '\\x00\\x10\\x00\\x00\\x00\\x80\\x00\\x00'
            } | dd of=\(disk) bs=1 seek=446 status=none
            printf '\\x55\\xaa' | dd of=\(disk) bs=1 seek=510 status=none; sync
            """)
    }
}
