import FileSystems
import SnapshotModel
import System
import Testing

@testable import Manager

@Suite("Tables of partitions")
struct PartitionTableTests {
    /// A disk in memory.
    private final class Disk: VolumeBytes {
        private var bytes: [UInt8]
        var byteCount: Int { bytes.count }

        init(sectors: Int) {
            bytes = [UInt8](repeating: 0, count: sectors * 512)
            set(510, [0x55, 0xAA])
        }

        func set(_ offset: Int, _ new: [UInt8]) {
            bytes.replaceSubrange(offset..<offset + new.count, with: new)
        }

        func set(_ offset: Int, _ number: Int, _ count: Int) {
            set(offset, (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) })
        }

        /// Writes an entry of a sector with a signature.
        func setEntry(_ sector: Int, _ index: Int, type: UInt8, start: Int, count: Int) {
            let offset = sector * 512
            set(offset + 510, [0x55, 0xAA])
            set(offset + 446 + 16 * index + 4, [type])
            set(offset + 446 + 16 * index + 8, start, 4)
            set(offset + 446 + 16 * index + 12, count, 4)
        }

        func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
            let bytes = bytes
            guard offset >= 0, offset + buffer.byteCount <= bytes.count else {
                throw Problem(.failed, "beyond the end")
            }
            buffer.copy(from: bytes.span.bytes.extracting(offset..<offset + buffer.byteCount))
        }
    }

    private func sectors(_ table: PartitionTable?) -> [Int: Range<Int>]? {
        table?.partitions.mapValues { $0.lowerBound / 512..<$0.upperBound / 512 }
    }

    @Test("Primary and logical partitions have the numbers that the kernel gives them")
    func logical() throws {
        let disk = Disk(sectors: 1000)
        disk.setEntry(0, 0, type: 0x83, start: 10, count: 20)
        disk.setEntry(0, 2, type: 0x05, start: 100, count: 400)
        disk.setEntry(100, 0, type: 0x83, start: 2, count: 30)
        disk.setEntry(100, 1, type: 0x05, start: 100, count: 100)
        disk.setEntry(200, 0, type: 0x82, start: 4, count: 40)
        #expect(
            sectors(try PartitionTable(disk)) == [1: 10..<30, 5: 102..<132, 6: 204..<244])
    }

    @Test("A chain of logical partitions that leads back to itself ends")
    func loop() throws {
        let disk = Disk(sectors: 1000)
        disk.setEntry(0, 0, type: 0x0F, start: 100, count: 400)
        disk.setEntry(100, 0, type: 0x83, start: 2, count: 30)
        disk.setEntry(100, 1, type: 0x05, start: 0, count: 100)
        #expect(try PartitionTable(disk)?.partitions.count ?? 0 <= 128)
        disk.setEntry(0, 0, type: 0x0F, start: 0xFFFF_FFFF, count: 0xFFFF_FFFF)
        #expect(try PartitionTable(disk) == nil)
    }

    private func diskWithGPT(entries: Int = 128, size: Int = 128) -> Disk {
        let disk = Disk(sectors: 5000)
        disk.setEntry(0, 0, type: 0xEE, start: 1, count: 4999)
        disk.set(512, Array("EFI PART".utf8))
        disk.set(512 + 72, 2, 8)
        disk.set(512 + 80, entries, 4)
        disk.set(512 + 84, size, 4)
        return disk
    }

    @Test("A GPT counts, and not the MBR that protects it")
    func gpt() throws {
        let disk = diskWithGPT()
        for (index, range) in [(0, 40..<50), (3, 2048..<4000), (5, 4500..<9000)] {
            let offset = 1024 + 128 * index
            disk.set(offset, [UInt8](repeating: 7, count: 16))
            disk.set(offset + 32, range.lowerBound, 8)
            disk.set(offset + 40, range.upperBound - 1, 8)
        }
        // Cut at the disk's end.
        #expect(
            sectors(try PartitionTable(disk)) == [1: 40..<50, 4: 2048..<4000, 6: 4500..<5000])
    }

    @Test(
        "Numbers of a GPT that cannot be are no partitions, and no trap",
        arguments: [(1 << 31, 128), (128, 1 << 31), (0, 128), (128, 1), (1024, 4096)])
    func badGPT(entries: Int, size: Int) throws {
        let disk = diskWithGPT(entries: entries, size: size)
        disk.set(1024, [UInt8](repeating: 0xFF, count: 128))
        #expect(try PartitionTable(disk) == nil)
    }

    @Test(
        "An old filesystem's signature farther in does not hide the partitions, a boot sector's does"
    )
    func oldSignature() throws {
        let disk = Disk(sectors: 1000)
        disk.setEntry(0, 0, type: 0x83, start: 10, count: 20)
        disk.set(1080, [0x53, 0xEF])
        #expect(sectors(try PartitionTable.ofDisk(disk)) == [1: 10..<30])
        disk.set(3, Array("NTFS    ".utf8))
        #expect(try PartitionTable.ofDisk(disk) == nil)
    }

    @Test("What has no signature has no partitions")
    func none() throws {
        let disk = Disk(sectors: 10)
        disk.set(510, [0, 0])
        #expect(try PartitionTable(disk) == nil)
        #expect(try PartitionTable(BytesPart(disk, 0..<100)) == nil)
    }
}
