import BlockIO
import DeviceMapper
import MergeKit
import SnapshotModel

/// Areas that no orderly run leaves.
enum OddAreaCases {
    static let cases = [
        GuestCase("the kernel reads our area, and goes on with it, after copies have failed") {
            let rig = try FormatRig($0, shape: shape)
            try rig.clearArea()
            let writes = rig.randomWrites(seed: 41)
            var entries: [AreaEntry] = []
            try rig.withEngine(creating: true) { area in
                try rig.write(writes.prefix(10), preserving: area)
                // Leaves chunks of the area that no entry names; the next three take the last of
                // them, from behind.
                let failing = FailingDevice()
                let chunks = ChunkIndex(700)..<ChunkIndex(705)
                try expectFailure("to preserve what cannot be read") {
                    try area.preserve([chunks], of: failing, geometry: shape.geometry)
                }
                let origin = try FileDevice(path: rig.stack.originPath, access: .readOnly)
                try area.preserve(
                    [ChunkIndex(650)..<ChunkIndex(653)], of: origin, geometry: shape.geometry)
                entries = try AreaReader(
                    device: area.device, format: shape.format, originChunkCount: shape.chunkCount
                ).entries()
            }
            let areas = entries.map(\.area)
            try expect(areas != areas.sorted(), "the entries are in order: \(areas)")
            try expect(
                areas.count < areas.map(\.rawValue).reduce(0, max) - 1, "no chunk is left out")
            try rig.withKernel {
                try rig.expectContents()
                // The kernel goes on behind the highest chunk in use.
                try rig.writeThroughKernel(writes.dropFirst(10))
                try rig.expectContents()
            }
            let reader = AreaReader(
                device: try DirectDevice(path: rig.areaPath), format: shape.format,
                originChunkCount: shape.chunkCount)
            let found = try reader.entries()
            try expect(found.starts(with: entries), "the kernel changed our entries")
            try expectEqual(
                Set(found.map(\.origin.rawValue)), Set(rig.preserved).union(650..<653),
                "the chunks with exceptions")
            _ = try AreaReader.chunkMap(of: found)
        },
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
            let reader = AreaReader(
                device: try DirectDevice(path: rig.areaPath), format: shape.format,
                originChunkCount: shape.chunkCount)
            try expect(try !reader.header().isValid, "the header says that the area is valid")
            try rig.withEngine(creating: false) { area in
                try expect(area.isInvalid, "the engine takes the area for valid")
            }
        },
    ]

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
