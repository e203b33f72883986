import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@Suite("The log of first writes, byte by byte") struct WriteBackFormatTests {
    static let header = WriteBackHeader(
        uuid: "00000000-0000-4000-8000-000000000001", segmentBytes: 64 << 10, released: 41,
        origin: OriginStamp(byteCount: 1 << 30, modifiedNanoseconds: -5, inode: .max),
        isWriting: true, notedNanoseconds: 77, boot: "a boot")

    private func sector(_ header: WriteBackHeader) -> [UInt8] {
        var buffer = AlignedBuffer(count: WriteBackHeader.byteCount)
        var bytes = buffer.mutableBytes
        header.encode(into: &bytes)
        return buffer.bytes.array
    }

    private func flaw(_ bytes: [UInt8]) -> WriteBackHeader.Flaw? {
        do throws(WriteBackHeader.Flaw) {
            _ = try WriteBackHeader.decode(bytes.span.bytes)
            return nil
        } catch { return error }
    }

    @Test("a header is read as it was written")
    func headerReturns() throws {
        #expect(try WriteBackHeader.decode(sector(Self.header).span.bytes) == Self.header)
    }

    @Test("a header with any one byte changed is refused")
    func anyByte() {
        let bytes = sector(Self.header)
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 0x10
            #expect(flaw(changed) != nil, "byte \(index)")
        }
    }

    @Test("zeroes are a log that was never finished, and a later version is told as newer")
    func blankAndNewer() {
        #expect(flaw([UInt8](repeating: 0, count: 512)) == .blank)
        var bytes = sector(Self.header)
        bytes[8] = 2
        bytes.replaceSubrange(12..<16, with: [0, 0, 0, 0])
        let checksum = bytes.span.bytes.crc32c()
        bytes.replaceSubrange(12..<16, with: (0..<4).map { UInt8(checksum >> (8 * $0) & 0xFF) })
        #expect(flaw(bytes) == .newer(version: 2))
    }

    @Test("the two checksums are the same, whoever reckons them")
    func checksums() {
        let bytes = (0..<4099).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 3) }
        for count in [0, 1, 7, 8, 9, 512, 4099] {
            let part = Array(bytes[..<count])
            #expect(part.span.bytes.crc32c() == CRC32C.checksum(part))
        }
        let head = Array(bytes[..<100]).span.bytes.crc32c()
        #expect(Array(bytes[100...]).span.bytes.crc32c(after: head) == CRC32C.checksum(bytes))
    }

    /// A log with records of four bytes each, at offsets 0, 4, 8 and so on.
    private func log(_ generation: UInt64, count: Int) throws -> SimulatedDisk {
        let disk = SimulatedDisk()
        let device = try Store(folder: disk).createWriteBackLog(Self.header)
        for index in 0..<count { try put(index, generation, on: device) }
        return disk
    }

    private func put(_ index: Int, _ generation: UInt64, on device: any BlockDevice) throws {
        let payload = [UInt8](repeating: UInt8(index + 1), count: 4)
        var buffer = AlignedBuffer(count: WriteBackRecord.headingBytes + 4)
        var bytes = buffer.mutableBytes
        WriteBackRecord.encode(
            payload.span.bytes, at: 4 * index, generation: generation, sequence: UInt32(index),
            into: &bytes)
        let stride = WriteBackRecord.strideBytes(payload: 4)
        try device.write(
            buffer.bytes, at: Self.header.segmentStart(generation) + index * stride)
    }

    private func reader(_ disk: SimulatedDisk) throws -> WriteBackReader {
        try WriteBackReader(
            try #require(try Store(folder: disk).openWriteBackLog(writable: true)))
    }

    @Test("records are read in their order, of their own generation alone")
    func records() throws {
        let reader = try reader(log(42, count: 3))
        #expect(
            try reader.records(42, volumeBytes: 100).map(\.range) == [0..<4, 4..<8, 8..<12])
        #expect(try reader.records(43, volumeBytes: 100).isEmpty)
        #expect(try reader.records(44, volumeBytes: 100).isEmpty)
    }

    @Test("a record that is torn, out of order or beyond the volume ends the log")
    func tornRecord() throws {
        let stride = WriteBackRecord.strideBytes(payload: 4)
        let start = Self.header.segmentStart(42)
        for byte in 0..<WriteBackRecord.headingBytes + 4 {
            let reader = try reader(log(42, count: 3))
            var buffer = AlignedBuffer(count: 1)
            var bytes = buffer.mutableBytes
            try reader.device.read(into: &bytes, at: start + stride + byte)
            let changed = [buffer.bytes.array[0] ^ 1]
            try reader.device.write(changed.span.bytes, at: start + stride + byte)
            #expect(try reader.records(42, volumeBytes: 100).count == 1, "byte \(byte)")
        }
        #expect(try reader(log(42, count: 3)).records(42, volumeBytes: 7).count == 1)
    }

    @Test("a log of another length than it says is refused")
    func cut() throws {
        let disk = try log(42, count: 1)
        let device = try #require(try Store(folder: disk).openWriteBackLog(writable: true))
        try device.resize(to: Self.header.fileBytes - 4096)
        #expect(throws: WriteBackReader.Fault.self) { try WriteBackReader(device) }
    }

    @Test("while there is a log, the note on the origin is one that older programs refuse")
    func marker() throws {
        let disk = SimulatedDisk()
        let store = Store(folder: disk)
        func text() throws -> String {
            String(decoding: try disk.readFile("origin.json", limitBytes: 4096), as: UTF8.self)
        }
        try store.writeOriginState(OriginState(isClosed: false, stamp: nil, hasWriteBack: true))
        #expect(try text().contains("\"version\":3}"))
        #expect(try store.originState()?.hasWriteBack == true)
        try store.writeOriginState(OriginState(isClosed: false, stamp: nil))
        #expect(try text().contains("\"version\":2}"))
        #expect(try !text().contains("hasWriteBack"))
    }
}
