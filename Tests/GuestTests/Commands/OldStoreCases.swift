import Glibc

/// The store that the first version of the records left of a volume under device-mapper
/// (`Tests/Fixtures/version-1`), with areas that a kernel of its time wrote.
enum OldStoreCases {
    static let cases = [
        GuestCase(
            "R7: a store of version 1 is activated, read and reverted by the kernel, and goes on",
            body: goesOn)
    ]

    private static let fixture =
        #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined()
        + "/Fixtures/version-1"
    private static let volume = "device"
    private static let origin = "snapmgr-fixture"

    private static func goesOn(_ context: GuestContext) throws {
        let rig = try CommandRig(context)
        let path = try unpack(context, rig)
        try rig.snapmgr.run("catalog", "rebuild", "--store", CommandRig.store(volume))
        // Its record names a disk of the machine that it was made on.
        let early = try rig.snapmgr.start(["activate", volume])
        try expect(early.status != 0, "it is activated on another disk")
        try rig.snapmgr.run("volume", "set", volume, "--origin", path)
        try rig.snapmgr.run("activate", volume)
        let expected = try expectedSums()
        try expectEqual(expected.count, 2, "snapshots of the fixture")
        func expectSnapshots(_ when: String) throws {
            for (id, sum) in expected {
                try expectEqual(try exported(rig, id), sum, "snapshot \(id) \(when)")
            }
        }
        try expectSnapshots("as it was left")
        let safety = try rig.snapshot(volume, "before")
        let content = try rig.fill(volume, version: 1, seed: 4)
        try rig.snapshot(volume, "new")
        try expectSnapshots("behind writes and new snapshots")
        try rig.snapmgr.run("revert", "1", "--yes", "--wait")
        try expectEqual(try sum(of: CommandRig.device(volume)), expected[1], "the reverted volume")
        try expectSnapshots("behind a revert")
        try rig.snapmgr.run("delete", "1")
        try expectEqual(try exported(rig, 3), expected[3], "what is left behind a deletion")
        try rig.snapmgr.run("revert", "\(volume)@new", "--yes", "--wait")
        try content.expect(on: DirectDevice(path: CommandRig.device(volume)), "the volume")
        try rig.snapmgr.run("delete", "\(safety)")
        try rig.snapmgr.run("check", "--data")
        try rig.snapmgr.run("deactivate", volume)
        try content.expect(on: DirectDevice(path: path), "the origin")
    }

    /// Puts the store where the rig has its volume's, and the origin's content on a device of its size.
    ///
    /// - Returns: the device.
    private static func unpack(_ context: GuestContext, _ rig: CommandRig) throws -> String {
        let path = "/dev/mapper/\(origin)"
        try Program.run("dmsetup", "create", origin, "--table", "0 8192 linear \(rig.origins[0]) 0")
        context.cleanUp {
            try rig.takeDownVolumes()
            try Program.run("dmsetup", "remove", origin)
        }
        let folder = CommandRig.storeRoot + "/unpacked"
        try rig.makeFolder(folder)
        try Program.run(
            "tar", "-xzf", fixture + "/stores.tar.gz", "-C", folder, "--no-same-permissions",
            "--mode=go-w", "device", "./device.img")
        try Program.run("mv", folder + "/device/stores/device", CommandRig.store(volume))
        try Program.run("dd", "if=\(folder)/device.img", "of=\(path)", "bs=1M", "conv=fsync")
        try Program.run("rm", "-r", folder)
        return path
    }

    /// What the program that wrote the store has exported: checksums by snapshots' ids.
    private static func expectedSums() throws -> [Int: String] {
        var sums: [Int: String] = [:]
        for line in try TextFile.read(fixture + "/expected.txt").split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count == 3, words[0] == volume, let id = Int(words[1]) else { continue }
            sums[id] = words[2]
        }
        return sums
    }

    private static func exported(_ rig: CommandRig, _ id: Int) throws -> String {
        let file = CommandRig.storeRoot + "/exported-\(id).img"
        defer { unlink(file) }
        try rig.snapmgr.run("export", "\(id)", file)
        return try sum(of: file)
    }

    /// The SHA-256 of a file or device.
    private static func sum(of path: String) throws -> String {
        let file = "/run/snapmgr-sum"
        try Program.run("sh", "-c", "sha256sum <\(path) >\(file)")
        return String(try TextFile.read(file).prefix(64))
    }
}
