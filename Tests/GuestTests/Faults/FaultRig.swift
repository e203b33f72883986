import DeviceDriver
import DeviceMapper
import SnapshotModel
import VolumeAccess

/// A volume whose origin and store lie on disks that can fail.
final class FaultRig {
    static let storeFolder = "/mnt/snapmgr-faulty"
    static let machine = GuestMachine(
        diskMebibytes: [448, 1280, 512],
        modules: [
            "dm-mod", "dm-snapshot", "loop", "dm-flakey", "dm-dust", "dm-log-writes", "dm-delay",
        ], seconds: 900)

    let origin: FaultyDisk
    let storeDisk: FaultyDisk
    let rig: VolumeRig
    let history: VolumeHistory
    let volumeBytes: Int
    let chunkBytes: Int

    /// An active volume, with something everywhere.
    ///
    /// - Parameters:
    ///   - storeOptions: mkfs.ext4's. Without a journal the filesystem goes on when its disk works
    ///     again; with one it stays read-only until it is mounted anew.
    ///   - disks: what to use instead of the first two scratch disks.
    ///   - isFilled: false makes the volume zeroes.
    init(
        _ context: GuestContext, volumeBytes: Int = 4 << 20, chunkBytes: Int = 16 << 10,
        storeBytes: Int = 128 << 20, storeOptions: [String] = ["-O", "^has_journal"],
        disks: (origin: String, store: String)? = nil, isFilled: Bool = true
    ) throws {
        self.volumeBytes = volumeBytes
        self.chunkBytes = chunkBytes
        let devices = ScratchDevices(context)
        origin = try FaultyDisk(
            devices, "faulty-origin", on: disks?.origin ?? context.disks[0],
            bytes: volumeBytes)
        storeDisk = try FaultyDisk(
            devices, "faulty-store", on: disks?.store ?? context.disks[1],
            bytes: storeBytes)
        try Mounting.make("ext4", on: storeDisk.path, options: storeOptions)
        context.cleanUp { try Mounting.unmount(Self.storeFolder) }
        try Mounting.mount(storeDisk.path, at: Self.storeFolder, "ext4")
        rig = try VolumeRig(
            context, originPath: origin.path, storeFolder: Self.storeFolder,
            volumeBytes: volumeBytes, chunkBytes: chunkBytes)
        context.cleanUp { [origin, storeDisk] in
            try storeDisk.heal()
            try origin.heal()
        }
        history = VolumeHistory(rig, volumeBytes: volumeBytes)
        try rig.activate()
        if isFilled {
            try history.write(0..<volumeBytes / VolumeHistory.blockBytes, atOnce: 64)
        } else {
            try DirectDevice(path: rig.devicePath).punch(0..<volumeBytes)
        }
    }

    /// Has merges last until ``finishMerge()``.
    func slowMerges() throws { try origin.delayWrites(milliseconds: 600) }

    /// Lets a merge end at full speed, and waits for that.
    func finishMerge() throws {
        try origin.heal()
        try rig.finishMerge()
    }

    var blocksPerChunk: Int { chunkBytes / VolumeHistory.blockBytes }

    /// The blocks of some chunks.
    func blocks(_ chunks: Range<Int>) -> Range<Int> {
        chunks.lowerBound * blocksPerChunk..<chunks.upperBound * blocksPerChunk
    }

    var chunkCount: Int { volumeBytes / chunkBytes }

    /// Ends the case unless the next session finds that these snapshots are lost, says so once and
    /// loudly, and none of them is shown as whole ever again.
    func expectLost(
        _ ids: [SnapshotID], fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        _ = rig.takeWarnings()
        let states = try rig.states()
        let said = rig.takeWarnings()
        try expect(
            said.count == 1 && said[0].contains("LOST"), "what the session said: \(said)",
            fileID: fileID, line: line)
        for id in ids {
            try expectEqual(
                states[id], .broken, "state of snapshot \(id)", fileID: fileID, line: line)
            let failure = try expectFailure("a view of it", fileID: fileID, line: line) {
                _ = try rig.volume().openView(id)
            }
            try expectEqual(
                (failure as? Problem)?.code, .broken, "code of \(failure)", fileID: fileID,
                line: line)
            let refusal = try rig.problem(
                of: .revert(rig.revertRequest(to: id)), fileID: fileID, line: line)
            try expectEqual(
                refusal.code, .broken, "code of \(refusal)", fileID: fileID, line: line)
        }
        history.forget(ids)
        try expectEqual(
            rig.takeWarnings(), [], "what later sessions said", fileID: fileID, line: line)
    }

    /// Ends the case unless the volume goes on: a new chain, over everything that can be done.
    func expectGoesOn(fileID: StaticString = #fileID, line: Int = #line) throws {
        try history.expectAll(fileID: fileID, line: line)
        let first = try history.takeSnapshot()
        try history.write(blocks(3..<9))
        try history.takeSnapshot()
        try history.write(blocks(6..<14))
        try history.expectAll(fileID: fileID, line: line)
        try history.revert(to: first)
        try rig.finishMerge()
        try history.expectAll(fileID: fileID, line: line)
        try rig.deactivate()
        try history.expectOrigin(fileID: fileID, line: line)
        try rig.activate()
        try history.expectAll(fileID: fileID, line: line)
        try expectEqual(rig.takeWarnings(), [], "warnings", fileID: fileID, line: line)
    }
}
