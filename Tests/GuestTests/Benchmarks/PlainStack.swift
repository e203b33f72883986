import System
import DeviceMapper
import Glibc
import MergeKit
import SnapshotModel

/// The kernel's targets without snapmgr: an origin with snapshots on areas of their own.
final class PlainStack {
    private let mapper = KernelDeviceMapper()
    private let context: GuestContext
    private var originBytes = 0
    private let chunkBytes: Int
    private var snapshots: [DeviceName] = []
    private var exceptions: DeviceReference?

    init(_ context: GuestContext, chunkBytes: Int = GuestBenchmarks.chunkBytes) {
        self.context = context
        self.chunkBytes = chunkBytes
    }

    private func name(_ text: String) throws -> DeviceName {
        try require(DeviceName("bench-" + text), "name")
    }

    private func create(_ text: String, _ target: Target, bytes: Int) throws -> DeviceName {
        let name = try name(text)
        try mapper.create(
            name, uuid: DeviceIdentity.prefix + "BENCH-" + text, isReadOnly: false,
            table: table(target, bytes))
        context.cleanUp { [mapper] in try mapper.remove(name) }
        return name
    }

    private func table(_ target: Target, _ bytes: Int) -> DeviceTable {
        DeviceTable(segments: [Segment(startSector: 0, sectorCount: bytes / 512, target: target)])
    }

    var path: String { "/dev/mapper/bench-origin" }

    func makeOrigin(bytes: Int) throws {
        originBytes = bytes
        let base = try create(
            "base", .linear(device: .path(context.disks[0]), offset: 0), bytes: bytes)
        _ = try create("origin", .snapshotOrigin(.path(base.path)), bytes: bytes)
    }

    /// A snapshot whose area is a part of the third disk.
    func attachSnapshot(_ index: Int, areaOffset: Int, areaBytes: Int) throws {
        let area = try create(
            "area\(index)",
            .linear(device: .path(context.disks[2]), offset: areaOffset / 512), bytes: areaBytes)
        let zeroes = AlignedBuffer(count: chunkBytes)
        try DirectDevice(path: area.path).write(zeroes, at: 0)
        try attach(.path(area.path), index)
    }

    /// A snapshot whose area is a file.
    func attachSnapshot(onFile path: String, bytes: Int, _ kind: String) throws {
        let file = try FileDevice(path: path, access: .create)
        try file.resize(to: bytes)
        switch kind {
        case "allocated file": try file.allocate(0..<64 << 20)
        case "written file":
            let piece = AlignedBuffer(count: 1 << 20)
            for index in 0..<64 { try file.write(piece.bytes, at: index << 20) }
        default: break
        }
        try file.sync()
        let loop = try LoopDevice.attach(path: path, isReadOnly: false, directIO: true)
        context.cleanUp { try loop.detach() }
        try attach(.number(loop.number), 0)
    }

    private func attach(_ area: DeviceReference, _ index: Int) throws {
        exceptions = area
        let origin = try name("origin")
        try mapper.suspend(origin, freezesFilesystem: true, flushes: true)
        snapshots.append(
            try create(
                "snap\(index)",
                .snapshot(
                    origin: .path("/dev/mapper/bench-base"), exceptions: area,
                    chunkSectors: chunkBytes / 512), bytes: originBytes))
        try mapper.resume(origin)
    }

    /// Merges the one snapshot back, as `lvconvert --merge` has the kernel do.
    func merge() throws {
        let origin = try name("origin")
        let exceptions = try require(exceptions, "area")
        let snapshot = try require(snapshots.popLast(), "snapshot")
        try mapper.suspend(origin, freezesFilesystem: true, flushes: true)
        try mapper.load(snapshot, table: table(.zero, originBytes), isReadOnly: false)
        try mapper.suspend(snapshot, freezesFilesystem: false, flushes: true)
        try mapper.resume(snapshot)
        try mapper.load(
            origin,
            table: table(
                .snapshotMerge(
                    origin: .path("/dev/mapper/bench-base"), exceptions: exceptions,
                    chunkSectors: chunkBytes / 512), originBytes), isReadOnly: false)
        try mapper.resume(origin)
        while let status = try mapper.status(origin).first?.snapshot, !status.isMerged {
            BackgroundThread.sleep(milliseconds: 10)
        }
        try mapper.load(
            origin, table: table(.snapshotOrigin(.path("/dev/mapper/bench-base")), originBytes),
            isReadOnly: false)
        try mapper.suspend(origin, freezesFilesystem: false, flushes: true)
        try mapper.resume(origin)
    }
}
