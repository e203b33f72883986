import System
import MergeKit
import StoreFormat
import SnapshotModel
import Synchronization
import TestKit
import Testing

@Suite("An area's file becomes longer with what is in it, as far as its filesystem lets it")
struct AreaRoomTests {
    private static let chunkBytes = EngineFixture.chunkBytes

    private func scene(
        chunks: Int, policy: StoreFullPolicy = .breakWrites
    ) throws -> EngineFixture {
        let volume = try EngineFixture(
            bytes: chunks * Self.chunkBytes, policy: policy, areaBeginning: 0)
        try volume.write(1, to: 0..<chunks)
        try volume.snapshot(1)
        return volume
    }

    /// The size of an area, in chunks.
    private func length(_ ordinal: Int, of volume: EngineFixture) throws -> Int {
        try volume.disk.openFile(EngineFixture.area(ordinal), writable: false).byteCount()
            / Self.chunkBytes
    }

    private func limit(_ volume: EngineFixture, toChunks count: Int) {
        volume.disk.fileBytesMaximum = count * Self.chunkBytes
    }

    private func problem(_ body: () throws -> Void) -> Problem? {
        do {
            try body()
            return nil
        } catch { return error as? Problem }
    }

    @Test("it begins with room for one chunk, doubles, and ends where all chunks have room")
    func doubles() throws {
        let volume = try scene(chunks: 300)
        var lengths = [try length(1, of: volume)]
        for chunk in 0..<300 {
            try volume.write(2, to: chunk)
            let length = try length(1, of: volume)
            if lengths.last != length { lengths.append(length) }
        }
        // 300 chunks, a header, two blocks of entries.
        #expect(lengths == [3, 6, 12, 24, 48, 96, 192, 303])
        #expect(try volume.content(1) == [UInt8](repeating: 1, count: 300))
        #expect(try volume.check(readData: true).allSatisfy { $0.severity == .note })
    }

    @Test("many chunks at once make it as long as they need, and all of a small volume has room")
    func atOnce() throws {
        let volume = try scene(chunks: 40)
        try volume.write(2, to: 0..<30)
        #expect(try length(1, of: volume) == 32)
        let standard = try EngineFixture(chunks: 40)
        try standard.snapshot(1)
        #expect(try length(1, of: standard) == 42)
    }

    @Test("an area of a size of its own, as earlier versions made them, is used as it is")
    func ofEarlierVersions() throws {
        let volume = try scene(chunks: 8)
        let area = try volume.disk.openFile(EngineFixture.area(1), writable: true)
        try area.resize(to: 100 * Self.chunkBytes)
        let again = try volume.reopened()
        try again.write(2, to: 0..<8)
        #expect(try length(1, of: again) == 100)
        #expect(try again.content(1) == [UInt8](repeating: 1, count: 8))
    }

    @Test("where twice as much is too long, it takes what fits, and all of that is used")
    func takesWhatFits() throws {
        let volume = try scene(chunks: 40)
        limit(volume, toChunks: 20)
        for chunk in 0..<17 { try volume.write(2, to: chunk) }
        // What is preserved already needs no more room.
        try volume.write(2, to: 10..<18)
        #expect(try length(1, of: volume) == 20)
        let refused = problem { try volume.write(2, to: 18) }
        #expect(refused?.code == .noSpace)
        #expect(
            refused?.message.contains("cannot extend beyond 80 KiB") == true, "\(refused as Any)")
        #expect(refused?.hint?.remedies.contains(.snapshot("vol")) == true, "\(refused as Any)")
        // What is preserved already can be overwritten on, also beside what is not asked for.
        try volume.write(3, to: 0..<18)
        #expect(problem { try volume.write(3, to: 17..<19) }?.code == .noSpace)
        #expect(try volume.content(1) == [UInt8](repeating: 1, count: 40))
        let again = try volume.reopened()
        #expect(try again.content(1) == [UInt8](repeating: 1, count: 40))
        #expect(problem { try again.write(3, to: 18) }?.code == .noSpace)
    }

    @Test("the next snapshot begins a new area, so that writes go on")
    func nextSnapshot() throws {
        let volume = try scene(chunks: 40)
        limit(volume, toChunks: 20)
        #expect(problem { try volume.write(2, to: 0..<40) }?.code == .noSpace)
        try volume.write(2, to: 0..<18)
        try volume.snapshot(2)
        try volume.write(3, to: 10..<28)
        #expect(try volume.content(1) == [UInt8](repeating: 1, count: 40))
        #expect(
            try volume.content(2)
                == [UInt8](repeating: 2, count: 18) + [UInt8](repeating: 1, count: 22))
        let again = try volume.reopened()
        #expect(try again.content(1) == [UInt8](repeating: 1, count: 40))
        #expect(try again.check(readData: true).allSatisfy { $0.severity == .note })
    }

    @Test("break-snapshots: the chain is given up, in words that are not those of a full disk")
    func breakSnapshots() throws {
        let volume = try scene(chunks: 40, policy: .breakSnapshots)
        limit(volume, toChunks: 20)
        try volume.write(2, to: 0..<40)
        #expect(try volume.content() == [UInt8](repeating: 2, count: 40))
        #expect(volume.engine.snapshots().map(\.state) == [.broken])
        let warnings = volume.engine.warnings.map(\.description)
        #expect(warnings.contains { $0.contains("area could not become longer") }, "\(warnings)")
    }

    @Test("its size is durable before any entry needs it, wherever the power is cut")
    func powerCuts() throws {
        // Small chunks fill blocks of entries, whose next block must be within the file, too.
        let volume = try EngineFixture(bytes: 80 * 512, chunkBytes: 512, areaBeginning: 0)
        try volume.write(1, to: 0..<80)
        try volume.engine.flush()
        try volume.snapshot(1)
        let images = Mutex<[SimulatedDisk]>([])
        volume.disk.observer = { operation in
            guard operation.kind.changesDisk else { return }
            let image = volume.crashed(.dropAll)
            images.withLock { $0.append(image) }
        }
        for chunk in 0..<80 { try volume.write(2, to: chunk) }
        volume.disk.observer = nil
        let cuts = images.withLock { $0 }
        #expect(cuts.count > 300)
        for (number, image) in cuts.enumerated() {
            let after = try EngineFixture(opening: image)
            #expect(
                try after.content(1) == [UInt8](repeating: 1, count: 80), "cut \(number)")
        }
    }

    @Test("who reads its entries while it grows takes none for one beyond its end")
    func readWhileItGrows() throws {
        let volume = try scene(chunks: 40)
        try volume.write(2, to: 0)
        let area = try volume.disk.openFile(EngineFixture.area(1), writable: false)
        let reader = AreaReader(
            device: area, format: AreaFormat(chunkBytes: Self.chunkBytes), originChunkCount: 40)
        let hasGrown = Atomic(false)
        volume.disk.observer = { operation in
            guard operation.kind == .read, operation.path.hasSuffix("area.cow"),
                !hasGrown.exchange(true, ordering: .relaxed)
            else { return }
            _ = try? volume.write(2, to: 1..<30)
        }
        #expect(try reader.entries().count == 30)
        volume.disk.observer = nil
        let isRead = hasGrown.load(ordering: .relaxed)
        #expect(isRead)
    }
}
