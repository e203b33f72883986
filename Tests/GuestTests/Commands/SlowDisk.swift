/// A disk that can be made slow to write to, so that a merge into it lasts until it is looked at. To
/// snapmgr it is somebody else's device, as a logical volume is. Made before the rig that uses it, so
/// that it goes after it.
struct SlowDisk {
    private static let name = "slow-disk"
    private let disk: String
    private let sectorCount: Int

    init(_ context: GuestContext, disk: String, mebibytes: Int) throws {
        self.disk = disk
        sectorCount = mebibytes << 11
        try Program.run("dmsetup", "create", Self.name, "--table", table(milliseconds: 0))
        context.cleanUp { try Program.run("dmsetup", "remove", Self.name) }
    }

    var path: String { "/dev/mapper/\(Self.name)" }

    private func table(milliseconds: Int) -> String {
        milliseconds == 0
            ? "0 \(sectorCount) linear \(disk) 0"
            : "0 \(sectorCount) delay \(disk) 0 0 \(disk) 0 \(milliseconds)"
    }

    /// Has each write take so long.
    func delayWrites(milliseconds: Int) throws {
        try Program.run("dmsetup", "load", Self.name, "--table", table(milliseconds: milliseconds))
        try Program.run("dmsetup", "suspend", "--nolockfs", Self.name)
        try Program.run("dmsetup", "resume", Self.name)
    }
}
