import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@testable import MergeKit

@Suite("Seals and folding: what is moved is compared, and its sums go with it")
struct SealFoldTests {
    private func fold(_ volume: EngineFixture, chunks: Int = 1000) throws {
        while try volume.engine.fold(byteLimit: chunks * EngineFixture.chunkBytes) {}
    }

    @Test(
        "an area that took over what others held is sealed by their seals", arguments: [1, 2, 1000])
    func sealed(chunks: Int) throws {
        let volume = try SealFixture.chain(8)
        try volume.delete(2, 3, 5, 6)
        _ = try volume.engine.collect()
        try fold(volume, chunks: chunks)
        #expect(try SealFixture.sealed(volume.disk) == [1, 4, 7])
        #expect(try !SealFixture.header(volume.disk, 1).isGrowing)
        #expect(try !SealFixture.header(volume.disk, 1).isLate)
        #expect(try SealFixture.header(volume.disk, 1).count > 4)
        #expect(try SealFixture.faults(volume.disk) == [])
    }

    @Test("a bit that was flipped before a fold is found after it, and not sealed")
    func notLaundered() throws {
        let volume = try SealFixture.chain(6)
        let disk = volume.crashed(.keepAll)
        let area = try disk.openFile(EngineFixture.area(1), writable: true)
        try SealFixture.flip(area, at: 2 * EngineFixture.chunkBytes + 5)
        let again = try EngineFixture(opening: disk)
        try again.delete(2, 3)
        try fold(again)
        try SealFixture.seal(again)
        let found = try SealFixture.findings(disk).filter { $0.severity == .damage }
        #expect(found.map(\.object) == ["snapshot 1"])
    }

    @Test("what is damaged is not moved, and stays where it can be told")
    func refused() throws {
        let volume = try SealFixture.chain(6)
        let disk = volume.crashed(.keepAll)
        let area = try disk.openFile(EngineFixture.area(2), writable: true)
        for chunk in 2..<6 { try SealFixture.flip(area, at: chunk * EngineFixture.chunkBytes + 5) }
        let again = try EngineFixture(opening: disk)
        try again.delete(2, 3)
        _ = try again.engine.collect()
        var problem: Problem?
        do { try fold(again) } catch let error as Problem { problem = error }
        #expect(problem?.code == .corrupt)
        _ = try again.engine.collect()
        #expect(try Store(folder: disk).snapshotFolders().count == 6)
        #expect(try SealFixture.faults(disk).contains { $0.hasPrefix("snapshot 2") })
    }

    @Test("while the seal of either area is damaged, nothing is moved", arguments: [1, 2])
    func damagedSeal(ordinal: Int) throws {
        let disk = try SealFixture.chain(6).crashed(.keepAll)
        let seal = try disk.openFile(
            StoreLayout.seal(SnapshotOrdinal(rawValue: ordinal)), writable: true)
        try SealFixture.flip(seal, at: 260)
        let again = try EngineFixture(opening: disk)
        try again.delete(2, 3)
        _ = try again.engine.collect()
        var problem: Problem?
        do { try fold(again) } catch let error as Problem { problem = error }
        #expect(problem?.code == .corrupt)
        _ = try again.engine.collect()
        #expect(try Store(folder: disk).snapshotFolders().count == 6)
    }

    @Test("a fold that a crash has cut leaves a seal that is gone on with")
    func cut() throws {
        let volume = try SealFixture.chain(8)
        try volume.delete(2, 3, 4, 5)
        _ = try volume.engine.collect()
        var images: [SimulatedDisk] = []
        _ = try volume.engine.fold(byteLimit: 1 << 20) {
            images.append(volume.crashed(.keepAll))
            return true
        }
        let operations = Monitored(0)
        let other = try SealFixture.chain(8)
        try other.delete(2, 3, 4, 5)
        _ = try other.engine.collect()
        let taken = Monitored<[SimulatedDisk]>([])
        other.disk.observer = { _ in
            guard operations.counted() % 5 == 0 else { return }
            let image = other.crashed(.random, seed: UInt64(operations.withLock { $0 }))
            taken.withLock { $0.append(image) }
        }
        _ = try other.engine.fold(byteLimit: 1 << 20)
        other.disk.observer = nil
        images += taken.withLock { $0 }
        #expect(images.count > 10)
        for image in images {
            // What is half done is told, and is no damage.
            #expect(try SealFixture.findings(image).allSatisfy { $0.severity != .damage })
            let again = try EngineFixture(opening: image)
            _ = try again.engine.collect()
            try fold(again)
            _ = try again.engine.collect()
            try SealFixture.seal(again)
            #expect(try SealFixture.faults(image) == [])
            #expect(try SealFixture.sealed(image) == [1, 6, 7])
            #expect(try !SealFixture.header(image, 1).isGrowing)
        }
    }
}
