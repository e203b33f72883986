import System
import DeviceMapper
import StoreFormat
import SnapshotModel
import MergeKit

/// Areas that no orderly run leaves.
enum OddAreaCases {
    static let cases = [
        GuestCase(
            "the kernel reads our area, and goes on with it, after copies have failed",
            body: testGaps),
        GuestCase("the kernel knows an area that we gave up") {
            let rig = try FormatRig($0, shape: shape)
            try rig.clearArea()
            try rig.withEngine(creating: true) { area in
                try rig.write(rig.randomWrites(seed: 42).prefix(10), preserving: area)
                try area.invalidate()
            }
            try rig.withKernel {
                try expectEqual(
                    try rig.stack.snapshotStatus(), .invalid, "the kernel's status of the snapshot")
            }
        },
        GuestCase("we know an area that the kernel gave up because it was full") { context in
            // For all chunks but some of the last.
            let rig = try FormatRig(context, shape: shape, areaBytes: shape.areaBytes / 2)
            try rig.soilArea()
            try rig.withKernel {
                try rig.writeThroughKernel(rig.randomWrites(seed: 43))
                try expectEqual(
                    try rig.stack.snapshotStatus(), .invalid, "the kernel's status of the snapshot")
                try rig.now.expect(
                    on: DirectDevice(path: rig.stack.topPath), "the volume, which lives on")
            }
            try expect(try !rig.reader().header().isValid, "the header says that the area is valid")
            try rig.withEngine(creating: false) { area in
                try expect(area.isInvalid, "the engine takes the area for valid")
            }
        },
    ]

    /// Entries that are not in the order of their chunks, and chunks that no entry names.
    @Sendable private static func testGaps(_ context: GuestContext) throws {
        let rig = try FormatRig(context, shape: shape)
        try rig.clearArea()
        let writes = rig.randomWrites(seed: 41)
        let touched = Set(writes.flatMap { Array($0.chunks) })
        let untouched = (0..<shape.chunkCount).filter { !touched.contains($0) }
            .map { ChunkIndex($0)..<ChunkIndex($0 + 1) }
        var entries: [AreaEntry] = []
        try rig.withEngine(creating: true) { area in
            try rig.write(writes.prefix(10), preserving: area)
            // This leaves five chunks of the area free; the next takes the last three, from behind.
            try expectFailure("to preserve what cannot be read") { () throws(IOFailure) in
                try area.preserve(
                    Array(untouched.prefix(5)), of: FailingDevice(), geometry: shape.geometry)
            }
            let origin = try FileDevice(path: rig.stack.originPath, access: .readOnly)
            try area.preserve(
                Array(untouched.suffix(3)), of: origin, geometry: shape.geometry)
            entries = try rig.readEntries()
        }
        let areas = entries.map(\.area.rawValue)
        try expect(areas != areas.sorted(), "the entries are in order: \(areas)")
        try expect(areas.count < areas.reduce(0, max) - 1, "no chunk is left out: \(areas)")
        try rig.withKernel {
            try rig.expectContents()
            // The kernel goes on behind the highest chunk in use.
            try rig.writeThroughKernel(writes.dropFirst(10))
            try rig.expectContents()
        }
        let found = try rig.readEntries()
        try expect(found.starts(with: entries), "the kernel changed our entries")
        let expected = rig.preserved.map { ChunkIndex($0) } + untouched.suffix(3).map(\.lowerBound)
        try expect(
            Set(found.map(\.origin)) == Set(expected), "other chunks than \(expected) have entries")
        _ = try AreaReader.chunkMap(of: found)
    }

    private static let shape = FormatShape(
        name: "", chunkBytes: 4096, chunkCount: 800, exceptionCount: 600)
}

/// A device that cannot be read.
private final class FailingDevice: BlockDevice {
    let path = "failing"

    func byteCount() throws(IOFailure) -> Int { 1 << 40 }
    func allocatedBytes() throws(IOFailure) -> Int { 1 << 40 }
    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure) {
        throw .inputOutput("read", path: path)
    }
    func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure) {
        throw .inputOutput("write", path: path)
    }
    func punch(_ range: Range<Int>) throws(IOFailure) {}
    func sync() throws(IOFailure) {}
    func resize(to byteCount: Int) throws(IOFailure) {}
}
