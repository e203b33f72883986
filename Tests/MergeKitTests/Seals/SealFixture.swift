import Glibc
import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit

/// Volumes with seals, and what checks say of them.
enum SealFixture {
    /// How far the flipped bits of a sampled area lie from each other; every one with SNAPMGR_WHOLE=1.
    static let stride = getenv("SNAPMGR_WHOLE") == nil ? 61 : 1

    /// Snapshots 1 to `count`, and after each a write to four chunks: one that is written each time, two of
    /// its own, and one of the one before.
    static func chain(
        _ count: Int, isSealed: Bool = true, reserve: Int = 0
    ) throws -> EngineFixture {
        let volume = try EngineFixture(chunks: 2 * count, indexReserve: reserve)
        try volume.write(100, to: 0..<2 * count)
        for number in 1...count {
            try volume.snapshot(Int64(number))
            try volume.write(UInt8(number), to: 0, number, number - 1, count + number - 1)
        }
        if isSealed { try seal(volume) }
        return volume
    }

    static func seal(_ volume: EngineFixture) throws {
        while try volume.engine.sealStep(byteLimit: 1 << 20) {}
    }

    static func sealed(_ disk: SimulatedDisk) throws -> [Int] {
        try Store(folder: disk).sealOrdinals().map(\.rawValue).sorted()
    }

    static func header(_ disk: SimulatedDisk, _ ordinal: Int) throws -> SealHeader {
        let bytes = try disk.readFile(
            StoreLayout.seal(SnapshotOrdinal(rawValue: ordinal)), limitBytes: 1 << 20)
        return try SealFormat.decode(bytes.span.bytes, fileBytes: bytes.count)
    }

    static func findings(_ disk: SimulatedDisk) throws -> [Finding] {
        try StoreVerifier.check(
            store: disk, origin: disk.origin(), readData: true, repair: false)
    }

    static func faults(_ disk: SimulatedDisk) throws -> [String] {
        try findings(disk).filter { $0.severity != .note }.map { "\($0.object): \($0.message)" }
    }

    static func flip(_ file: any BlockDevice, at offset: Int) throws {
        var buffer = AlignedBuffer(count: 1)
        var bytes = buffer.mutableBytes
        try file.read(into: &bytes, at: offset)
        let byte: UInt8 = buffer.bytes.littleEndian(at: 0)
        var flipped = buffer.mutableBytes
        flipped.store(littleEndian: byte ^ UInt8(1 << (offset % 8)), at: 0)
        try file.write(buffer.bytes, at: offset)
    }
}
