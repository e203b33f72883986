import DeviceMapper
import SnapshotModel

/// Checks of a filesystem as a snapshot has it.
struct SnapshotChecks {
    let type: String
    let devices: ScratchDevices
    /// What takes the changes of a check that must write.
    let scratchDisk: String

    private static let scratchSectors = (48 << 20) / 512
    private static let mountPoint = "/mnt/snapmgr-check"

    /// Ends the case unless the filesystem on a device is clean as it is, with nothing replayed.
    func expectClean(
        _ path: String, fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        if type == "xfs" {
            try Tool.run("xfs_repair", "-n", path, fileID: fileID, line: line)
        } else {
            let text = try Tool.run("e2fsck", "-fn", path, fileID: fileID, line: line)
            try expect(
                !text.contains("journal recovery"), "its journal is not empty: \(text)",
                fileID: fileID, line: line)
        }
    }

    /// Checks a view: as it is, where the filesystem leaves nothing to replay when it is frozen
    /// (XFS leaves a log behind on purpose); then, through a layer that takes the writes, mounted
    /// with whatever that replays, its database, and the filesystem once more. Returns the
    /// database's counter.
    func lastTransaction(
        through view: String, fileID: StaticString = #fileID, line: Int = #line
    ) throws -> Int {
        if type != "xfs" { try expectClean(view, fileID: fileID, line: line) }
        let sectors = try BlockDevices.sizeInSectors(view)
        let (name, cow) = (ScratchDevices.name("check"), ScratchDevices.name("check-cow"))
        try devices.create(
            cow,
            DeviceTable(
                sectorCount: Self.scratchSectors, .linear(device: .path(scratchDisk), offset: 0)))
        try devices.create(
            name,
            DeviceTable(
                sectorCount: sectors,
                .snapshot(
                    origin: .path(view), exceptions: .path(cow.path), chunkSectors: 8,
                    store: .transient)))
        let options = type == "xfs" ? "nouuid" : ""
        try Mounting.mount(
            name.path, at: Self.mountPoint, type, options: options, fileID: fileID, line: line)
        let result = Result {
            try BusyFilesystem.lastTransaction(in: Self.mountPoint, fileID: fileID, line: line)
        }
        try Mounting.unmount(Self.mountPoint)
        let count = try result.get()
        try expectClean(name.path, fileID: fileID, line: line)
        try devices.mapper.remove(name)
        try devices.mapper.remove(cow)
        return count
    }
}
