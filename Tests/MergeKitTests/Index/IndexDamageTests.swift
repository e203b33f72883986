import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@testable import MergeKit

@Suite("The index of views: what is damaged is refused, also where a map leads past it")
struct IndexDamageTests {
    private static let narrow = IndexShape(fanOut: 2)

    private func build(_ volume: EngineFixture) { while volume.engine.extendIndex() {} }

    /// Twelve snapshots, all of whose areas but the newest are in maps: that of each has the chunk of
    /// its number, of its own.
    private func chain() throws -> EngineFixture {
        let volume = try EngineFixture(chunks: 64, indexShape: Self.narrow)
        for number in 1...12 {
            try volume.snapshot(Int64(number))
            try volume.write(UInt8(number), to: number, 40 + number)
        }
        build(volume)
        return volume
    }

    /// What may befall an area's file.
    enum Damage: CaseIterable {
        case truncated, cutToMetadata, zeroed, header, emptied, otherEntry

        func inflict(on disk: SimulatedDisk, _ path: String) throws {
            let device = try disk.openFile(path, writable: true)
            let chunk = EngineFixture.chunkBytes
            var buffer = AlignedBuffer(count: chunk)
            var bytes = buffer.mutableBytes
            switch self {
            case .truncated: try device.resize(to: chunk)
            case .cutToMetadata: try device.resize(to: 2 * chunk)
            case .zeroed: try device.punch(0..<device.byteCount())
            case .header:
                try device.read(into: &bytes, at: 0)
                bytes.store(littleEndian: UInt32(7), at: 0)
                try device.write(buffer.bytes, at: 0)
            case .emptied: try device.punch(chunk..<2 * chunk)
            case .otherEntry:
                try device.read(into: &bytes, at: chunk)
                // The first entry's chunk of the origin.
                bytes.store(littleEndian: UInt64(60), at: 0)
                try device.write(buffer.bytes, at: chunk)
            }
        }

        /// Whether the area alone tells that it is damaged.
        var isPlain: Bool { self != .emptied && self != .otherEntry }
    }

    private func damaged(_ damage: Damage) throws -> EngineFixture {
        let disk = try chain().crashed(.keepAll)
        try damage.inflict(on: disk, EngineFixture.area(6))
        return try EngineFixture(opening: disk, indexShape: Self.narrow)
    }

    @Test(
        "a revert whose plan has a damaged area is refused, and the volume can still be opened",
        arguments: Damage.allCases.filter(\.isPlain))
    func revertRefused(damage: Damage) throws {
        let volume = try damaged(damage)
        let content = try volume.content()
        #expect(throws: Problem.self) { try volume.revert(1, to: 2, safety: 20) }
        #expect(volume.engine.mergeProgress() == nil)
        let again = try volume.reopened(indexShape: Self.narrow)
        #expect(try again.content() == content)
        try again.revert(2, to: 9, safety: 21)
        try again.merge()
    }
}
