import DeviceDriver
import DeviceMapper
import SnapshotModel

/// lvm2 on a machine whose volumes hold physical volumes, as those of virtual machines do.
enum PhysicalVolumeCases {
    static let cases = [
        GuestCase("DM7: with the filter that is shipped, lvm2 sees nothing of a volume's devices") {
            context in
            try Mounting.make("ext4", on: context.disks[1])
            context.cleanUp { try Mounting.unmount(FaultRig.storeFolder) }
            try Mounting.mount(context.disks[1], at: FaultRig.storeFolder, "ext4")
            let rig = try VolumeRig(
                context, originPath: context.disks[0], storeFolder: FaultRig.storeFolder,
                volumeBytes: 32 << 20, chunkBytes: 16 << 10)
            try rig.activate()
            try lvm("pvcreate", "", ["-ff", "-y", rig.devicePath])
            let id = try rig.takeSnapshot()
            try rig.withView(id) { _ in
                // All of them show it; which one lvm2 takes is its own affair.
                let seen = try lvm("pvs", "", ["--noheadings", "-a", "-o", "pv_name"])
                try expect(seen.contains("snapmgr-vol"), "lvm2 sees nothing anyway: \(seen)")
                let rest = try lvm(
                    "pvs", try shippedFilter(), ["--noheadings", "-a", "-o", "pv_name"])
                try expect(!rest.contains("snapmgr-vol"), "lvm2 sees \(rest)")
            }
        }
    ]

    /// The text of the setting, on one line.
    private static func shippedFilter(_ file: StaticString = #filePath) throws -> String {
        let folders = "\(file)".split(separator: "/").dropLast(4).joined(separator: "/")
        let text = try Tool.read("/\(folders)/Config/lvm/lvmlocal.conf")
        return text.split(separator: "\n").filter { !$0.drop { $0 == " " }.hasPrefix("#") }
            .joined(separator: " ")
    }

    @discardableResult
    private static func lvm(
        _ verb: String, _ settings: String, _ words: [String]
    ) throws -> String {
        let base = "global{use_lvmetad=0 use_lvmpolld=0} backup{backup=0 archive=0}"
        let (status, text) = try Tool.attempt(
            ["lvm", verb, "--config", "devices{use_devicesfile=0} \(base) \(settings)"] + words)
        try expect(status == 0, "lvm \(verb) exited with \(status): \(text)")
        return text
    }
}
