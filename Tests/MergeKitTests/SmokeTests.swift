import BlockIO
import Glibc
import MergeKit
import SnapshotModel
import Testing

struct SmokeTests {
    static func folder() throws -> String {
        var template = Array("/tmp/snapmgr-test-XXXXXX".utf8CString)
        guard let path = mkdtemp(&template) else {
            throw IOFailure("mkdtemp", path: "", code: errno)
        }
        return String(cString: path)
    }

    @Test func works() throws {
        let base = try Self.folder()
        let origin = try FileDevice(path: base + "/origin", access: .create)
        let size = 64 << 20
        try origin.resize(to: size)
        mkdir(base + "/store", 0o700)
        let folder = FileFolder(path: base + "/store")
        let record = VolumeRecord(
            name: "v", uuid: "u", driver: .image, originPath: base + "/origin",
            geometry: Geometry(volumeBytes: size, chunkBytes: 65536), storeFullPolicy: .breakWrites,
            createdAt: SystemClock().now())
        try Store(folder: folder).create(record)
        let engine = try LiveEngine.open(store: folder, origin: origin)
        var buffer = AlignedBuffer(count: 1 << 20)
        func fill(_ b: UInt8) {
            var m = buffer.mutableBytes;
            for i in 0..<m.byteCount { m.storeBytes(of: b, toByteOffset: i, as: UInt8.self) }
        }
        func write(_ b: UInt8, _ at: Int, _ n: Int = 1 << 20) throws {
            fill(b); try engine.write(buffer.bytes(in: 0..<n), at: at)
        }
        func readByte(_ at: Int) throws -> UInt8 {
            var m = buffer.mutableBytes(in: 0..<512); try engine.read(into: &m, at: at);
            return buffer.bytes.littleEndian(UInt8.self, at: 0)
        }
        func viewByte(_ id: Int64, _ at: Int) throws -> UInt8 {
            let v = try engine.openView(of: SnapshotID(rawValue: id))
            defer { v.close() }
            var m = buffer.mutableBytes(in: 0..<512); try v.read(into: &m, at: at);
            return buffer.bytes.littleEndian(UInt8.self, at: 0)
        }
        func snap(_ id: Int64) throws {
            _ = try engine.takeSnapshot(
                SnapshotRequest(id: SnapshotID(rawValue: id), description: SnapshotDescription()))
        }
        for i in 0..<32 { try write(1, i << 20) }
        try snap(1)
        for i in 0..<32 { try write(2, i << 20) }
        try snap(2)
        for i in 0..<16 { try write(3, i << 20, 4096) }
        #expect(try viewByte(1, 0) == 1)
        #expect(try viewByte(2, 0) == 2)
        #expect(try readByte(0) == 3)
        let out = try engine.revert(
            RevertRequest(
                id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1),
                safety: SnapshotRequest(
                    id: SnapshotID(rawValue: 3), description: SnapshotDescription(kind: .safety))))
        print(out)
        #expect(try readByte(0) == 1)
        #expect(try viewByte(3, 0) == 3)
        try write(4, 0, 4096)
        #expect(try readByte(0) == 4)
        #expect(try readByte(4096) == 1)
        try snap(4)
        try write(5, 0, 4096)
        #expect(try viewByte(4, 0) == 4)
        #expect(try viewByte(4, 1 << 20) == 1)
        while try engine.mergeStep(byteLimit: 8 << 20) == .progressed {}
        #expect(engine.mergeProgress() == nil)
        #expect(try viewByte(4, 0) == 4)
        #expect(try viewByte(4, 1 << 20) == 1)
        #expect(try viewByte(3, 0) == 3)
        #expect(try viewByte(2, 0) == 2)
        #expect(try viewByte(1, 0) == 1)
        _ = try engine.delete([SnapshotID(rawValue: 1), SnapshotID(rawValue: 2)])
        print(try engine.collect())
        #expect(try viewByte(3, 0) == 3)
        try engine.close()
        print(try StoreVerifier.check(store: folder, origin: origin, readData: true, repair: false))
        let again = try LiveEngine.open(store: folder, origin: origin)
        #expect(again.warnings == [])
    }
}
