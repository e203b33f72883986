import System
import DeviceDriver
import DeviceMapper
import Glibc
import SnapshotModel
import TestKit
import VolumeAccess

/// Power that is lost with the disks' write caches.
enum LostCacheCases {
    static let cases = [
        GuestCase(
            "what was acknowledged is whole after a loss of power with the write cache",
            body: lostCache)
    ]

    private static let volumeBytes = 2 << 20
    private static let storeBytes = 40 << 20
    private static let chunkBytes = 16 << 10
    /// Losses at random moments, besides those right behind each acknowledgement.
    private static let lossCount = 8

    /// What was acknowledged when, and what must be there since.
    private struct Acknowledged {
        var mark: String
        var snapshots: [(id: SnapshotID, content: DiskContent)]
        /// What the volume holds exactly at the mark.
        var live: DiskContent
    }

    /// The origin's and the store's part of one disk: they lose their power together.
    private static func parts(
        _ devices: ScratchDevices, of disk: String, _ label: String
    ) throws -> (origin: String, store: String) {
        let (origin, store) = (
            ScratchDevices.name("\(label)-origin"), ScratchDevices.name("\(label)-store")
        )
        let sector = Geometry.sectorBytes
        try devices.create(
            origin,
            DeviceTable(sectorCount: volumeBytes / sector, .linear(device: .path(disk), offset: 0)))
        try devices.create(
            store,
            DeviceTable(
                sectorCount: storeBytes / sector,
                .linear(device: .path(disk), offset: volumeBytes / sector)))
        return (origin.path, store.path)
    }

    private static func lostCache(_ context: GuestContext) throws {
        // What is logged, while it happens.
        let (log, acknowledged) = try logged(context)
        let entries = try log.entries()
        let marks = entries.indices.compactMap { index in
            entries[index].mark.map { (text: $0, index: index) }
        }.filter { !$0.text.hasPrefix("dm-log-writes") }
        try expectEqual(marks.map(\.text), acknowledged.map(\.mark), "marks in the log")
        var random = SeededGenerator(seed: 8)
        var losses = marks.map(\.index)
        let first = try require(marks.first?.index, "mark")
        for _ in 0..<lossCount {
            losses.append(first + random.below(entries.count - first))
        }
        for loss in losses.sorted() {
            guard let last = marks.lastIndex(where: { $0.index <= loss }) else { continue }
            try log.replayFromNothing(
                entries[..<loss], to: context.disks[0], bytes: volumeBytes + storeBytes)
            do {
                try check(
                    context, acknowledged[last], isExact: marks[last].index == loss)
            } catch {
                throw ExpectationFailure(
                    message: "power lost at write \(loss) of \(entries.count), behind "
                        + "\(acknowledged[last].mark): \(error)",
                    place: SourcePlace(fileID: #fileID, line: #line))
            }
        }
    }

    private static func logged(
        _ context: GuestContext
    ) throws -> (log: WriteLog, acknowledged: [Acknowledged]) {
        let inner = GuestContext(disks: context.disks)
        let devices = ScratchDevices(inner)
        let log = try WriteLog(
            devices, of: context.disks[1], bytes: volumeBytes + storeBytes, to: context.disks[2])
        var acknowledged: [Acknowledged] = []
        let result = Result {
            let faulty = try FaultRig(
                inner, volumeBytes: volumeBytes, chunkBytes: chunkBytes, storeBytes: storeBytes,
                storeOptions: ["-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"],
                disks: try parts(devices, of: log.path, "logged"))
            let history = faulty.history
            func acknowledge(_ mark: String) throws {
                try log.mark(mark)
                acknowledged.append(
                    Acknowledged(mark: mark, snapshots: history.snapshots, live: history.live))
            }
            for round in 0..<4 {
                let id = try history.takeSnapshot()
                try acknowledge("snapshot-\(id)")
                try history.write(faulty.blocks(round * 10..<round * 10 + 40), atOnce: 4)
            }
            try history.revert(to: try require(history.snapshots.first?.id, "snapshot"))
            try acknowledge("revert")
            try history.write(faulty.blocks(30..<60), atOnce: 4)
            try faulty.rig.finishMerge()
            try acknowledge("merged")
            try history.takeSnapshot()
            try acknowledge("snapshot-after")
            try history.write(faulty.blocks(0..<100), atOnce: 4)
            try faulty.rig.perform(.delete([history.snapshots[1].id]))
            history.forget([history.snapshots[1].id])
            try faulty.rig.perform(.collect)
            try acknowledge("deleted")
            try faulty.rig.deactivate()
        }
        let failures = inner.end()
        try result.get()
        try expect(failures.isEmpty, "taking down what was logged: \(failures)")
        return (log, acknowledged)
    }

    /// Brings up what a loss has left, on the first disk.
    private static func check(
        _ context: GuestContext, _ acknowledged: Acknowledged, isExact: Bool
    ) throws {
        let inner = GuestContext(disks: context.disks)
        let result = Result {
            let disks = try parts(ScratchDevices(inner), of: context.disks[0], "replayed")
            inner.cleanUp { try Mounting.unmount(FaultRig.storeFolder) }
            try Mounting.mount(disks.store, at: FaultRig.storeFolder, "ext4")
            let rig = try VolumeRig(
                inner, reopening: FaultRig.storeFolder, originPath: disks.origin)
            try rig.activate()
            for (id, content) in acknowledged.snapshots {
                // A later deletion may have come into force.
                guard try rig.states()[id] != nil else {
                    try expect(!isExact, "snapshot \(id) is not there")
                    continue
                }
                try rig.withView(id) {
                    try content.expect(
                        on: DirectDevice(path: $0, isReadOnly: true), "snapshot \(id)")
                }
            }
            if isExact {
                try acknowledged.live.expect(
                    on: DirectDevice(path: rig.devicePath, isReadOnly: true), "the volume")
            }
        }
        let failures = inner.end()
        try result.get()
        try expect(failures.isEmpty, "taking down what was replayed: \(failures)")
    }
}

extension WriteLog {
    /// Makes a disk zeroes, and then what some entries wrote.
    func replayFromNothing(
        _ entries: some Sequence<Entry>, to disk: String, bytes: Int
    ) throws {
        try DirectDevice(path: disk).punch(0..<bytes)
        try replay(entries, to: disk)
    }
}
