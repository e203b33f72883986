import System
import Glibc
import MergeKit
import StoreFormat
import SnapshotModel
import TestKit
import Testing

@Suite("A volume in use: snapshots, reverts, deletions")
struct EngineTests {
    private func problem(_ body: () throws -> Void) -> Problem? {
        do {
            try body()
            return nil
        } catch { return error as? Problem }
    }

    /// Every verb once, on real files: the way a user goes.
    @Test("snapshots, a revert, writes and a snapshot in mid-merge, deletion: all stay right")
    func tour() throws {
        let temporary = TemporaryFolder()
        let origin = try temporary.folder.createFile("origin", byteCount: 64 * 65_536)
        try temporary.folder.makeFolder("store")
        let store = FileFolder(path: temporary.path + "/store")
        var record = EngineFixture.record(64 * 65_536)
        record = VolumeRecord(
            name: "v", uuid: "u", driver: "image", originPath: temporary.path + "/origin",
            geometry: Geometry(volumeBytes: 64 * 65_536, chunkBytes: 65_536),
            storeFullPolicy: .breakWrites, createdAt: record.createdAt)
        try Store(folder: store).create(record)
        let engine = try LiveEngine.open(store: store, origin: origin)
        func write(_ byte: UInt8, _ chunks: Range<Int>) throws {
            let bytes = [UInt8](repeating: byte, count: chunks.count * 65_536)
            try engine.write(bytes.span.bytes, at: chunks.lowerBound * 65_536)
        }
        func first(_ id: Int64?, _ chunk: Int) throws -> UInt8 {
            var buffer = AlignedBuffer(count: 512)
            var bytes = buffer.mutableBytes
            guard let id else {
                try engine.read(into: &bytes, at: chunk * 65_536)
                return buffer.bytes.array[0]
            }
            let view = try engine.openView(of: SnapshotID(rawValue: id))
            defer { view.close() }
            try view.read(into: &bytes, at: chunk * 65_536)
            return buffer.bytes.array[0]
        }
        try write(1, 0..<32)
        _ = try engine.takeSnapshot(EngineFixture.request(1))
        try write(2, 0..<32)
        _ = try engine.takeSnapshot(EngineFixture.request(2))
        try engine.write([UInt8](repeating: 3, count: 4096).span.bytes, at: 0)
        let outcome = try engine.revert(
            RevertRequest(
                id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1),
                safety: EngineFixture.request(3, .safety)))
        #expect(outcome.planBytes == 32 * 65_536 && outcome.state == .merging)
        #expect(try first(nil, 0) == 1 && first(3, 0) == 3)
        try engine.write([UInt8](repeating: 4, count: 4096).span.bytes, at: 0)
        _ = try engine.takeSnapshot(EngineFixture.request(4))
        try write(5, 0..<1)
        while try engine.mergeStep(byteLimit: 8 << 20) == .progressed {}
        #expect(engine.mergeProgress() == nil)
        #expect(try [1, 2, 3, 4, nil].map { try first($0, 0) } == [1, 2, 3, 4, 5])
        #expect(try [1, 2, 3, 4, nil].map { try first($0, 16) } == [1, 2, 2, 1, 1])
        let ids = [1, 2].map { SnapshotID(rawValue: $0) }
        _ = try engine.delete(ids)
        _ = try engine.collect()
        #expect(try first(3, 0) == 3 && first(4, 0) == 4 && first(3, 16) == 2)
        try engine.close()
        let findings = try StoreVerifier.check(
            store: store, origin: origin, readData: true, repair: false)
        #expect(findings.allSatisfy { $0.severity == .note })
        #expect(try LiveEngine.open(store: store, origin: origin).warnings == [])
    }

    @Test("reverting to the safety snapshot undoes a revert, in mid-merge and after")
    func undo() throws {
        for cancels in [true, false] {
            let volume = try EngineFixture(chunks: 4)
            try volume.write(1, to: 0..<4)
            try volume.snapshot(1)
            try volume.write(2, to: 0..<3)
            try volume.revert(1, to: 1, safety: 2)
            _ = try volume.engine.mergeStep(byteLimit: 4096)
            try volume.write(7, to: 1, 3)
            if cancels {
                _ = try volume.engine.cancelMerge(RevertID(rawValue: 2))
            } else {
                try volume.merge()
                try volume.revert(2, to: 2, safety: 3)
            }
            #expect(try volume.content() == [2, 2, 2, 1])
            try volume.merge()
            #expect(try volume.content() == [2, 2, 2, 1])
            #expect(try volume.content(1) == [1, 1, 1, 1])
            #expect(try volume.content(2) == [2, 2, 2, 1])
            if !cancels { #expect(try volume.content(3) == [1, 7, 1, 7]) }
        }
    }

    @Test("a revert that has nothing to copy is done at once")
    func emptyRevert() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.snapshot(1)
        let outcome = try volume.revert(1, to: 1, safety: 2)
        #expect(outcome.state == .done && outcome.planBytes == 0)
        #expect(volume.engine.mergeProgress() == nil)
        #expect(try volume.disk.list("reverts").isEmpty)
    }

    @Test("a preview says what the revert then copies and preserves, and why it would be refused")
    func previewRevert() throws {
        let volume = try EngineFixture(chunks: 4)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<3)
        let target = SnapshotID(rawValue: 1)
        let preview = try volume.engine.previewRevert(to: target)
        #expect(preview.planBytes == 3 * 4096 && preview.preserveBytes == 3 * 4096)
        #expect(preview.refusal == nil)
        try volume.revert(1, to: 1, safety: 2)
        #expect(try volume.engine.previewRevert(to: target).refusal?.code == nil)
        try volume.snapshot(3)
        #expect(try volume.engine.previewRevert(to: target).refusal?.code == .refused)
        #expect(problem { try volume.revert(2, to: 1, safety: nil) }?.code == .refused)
        #expect(problem { try volume.revert(2, to: 9, safety: nil) }?.code == .notFound)
    }

    @Test(
        "collecting frees exactly what the preview of the deletion said",
        arguments: 1...12 as ClosedRange<UInt64>)
    func collecting(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let volume = try EngineFixture(chunks: 12)
        try volume.write(1, to: 0..<12)
        let count = 3 + random.below(4)
        for id in 1...count {
            try volume.snapshot(Int64(id))
            for _ in 0..<random.below(10) {
                try volume.write(UInt8(10 + id), to: random.below(12))
            }
        }
        // The newest area takes no part: it still grows.
        try volume.snapshot(Int64(count + 1))
        let all = (1...count + 1).map(Int64.init)
        let gone = all.dropLast().filter { $0 == 2 || random.oneIn(2) }
            .map(SnapshotID.init(rawValue:))
        let kept = all.filter { !gone.contains(SnapshotID(rawValue: $0)) }
        let before = try kept.map { try volume.content($0) }
        let preview = try volume.engine.previewDelete(gone)
        #expect(try volume.engine.delete(gone) == preview)
        let report = try volume.engine.collect()
        #expect(report.punchedBytes == preview.freedBytes)
        #expect(try kept.map { try volume.content($0) } == before)
        #expect(try volume.engine.collect() == CollectReport(freedBytes: 0))
        let again = try volume.reopened()
        #expect(try kept.map { try again.content($0) } == before)
        #expect(try again.check().isEmpty)
    }

    @Test(
        "a snapshot that is read, or merged, or unknown, is not deleted; nor is any other with it")
    func refusedDeletions() throws {
        let volume = try EngineFixture(chunks: 2)
        for id in 1...3 {
            try volume.snapshot(Int64(id))
            try volume.write(UInt8(id), to: 0)
        }
        let view = try volume.engine.openView(of: SnapshotID(rawValue: 2))
        #expect(volume.engine.snapshots().map(\.readers) == [0, 1, 0])
        #expect(problem { try volume.delete(1, 2) }?.code == .refused)
        let preview = problem { _ = try volume.engine.previewDelete([view.manifest.id]) }
        #expect(preview?.code == .refused)
        #expect(problem { try volume.delete(1, 9) }?.code == .notFound)
        #expect(volume.engine.snapshots().map(\.state) == [.frozen, .frozen, .active])
        view.close()
        view.close()
        try volume.revert(1, to: 1, safety: 4)
        #expect(problem { try volume.delete(1) }?.code == .refused)
        #expect(volume.engine.snapshots().first?.state == .merging)
        try volume.merge()
        #expect(try volume.delete(1, 2, 2).deleted.map(\.rawValue) == [1, 2])
        #expect(problem { try volume.delete(1) }?.code == .notFound)
        #expect(problem { _ = try volume.content(1) }?.code == .notFound)
    }

    @Test("ordinals ascend and are not used again, also when the newest is deleted and reopened")
    func ordinals() throws {
        let volume = try EngineFixture(chunks: 2)
        for id in [5, 6, 9] as [Int64] {
            #expect(try volume.snapshot(id).manifest.id.rawValue == id)
            try volume.write(UInt8(id), to: 0)
        }
        try volume.delete(5, 6, 9)
        _ = try volume.engine.collect()
        let again = try volume.reopened()
        #expect(try again.snapshot(10).manifest.ordinal.rawValue == 4)
        _ = try again.engine.collect()
        #expect(try again.disk.list("snapshots") == ["000004"])
    }

    @Test("a revert's id is used up even when the revert fails")
    func revertIDs() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.snapshot(1)
        try volume.write(1, to: 0)
        volume.disk.observer = { operation in
            guard operation.kind == .rename, operation.path.contains("revert.json") else { return }
            volume.disk.faults = FaultPlan(
                .error(EIO), kinds: [.rename], after: 0, isPermanent: false)
        }
        #expect(problem { try volume.revert(4, to: 1, safety: 2) }?.code == .inputOutput)
        volume.disk.observer = nil
        #expect(volume.engine.record.idFloor.revert.rawValue == 4)
        #expect(try volume.reopened().engine.record.idFloor.revert.rawValue == 4)
        // Nothing of it is left, and the volume goes on.
        #expect(volume.engine.snapshots().map(\.manifest.id.rawValue) == [1])
        #expect(try volume.content() == [1, 0])
        try volume.revert(5, to: 1, safety: 2)
        #expect(try volume.content() == [0, 0])
    }

    @Test("a snapshot that fails at any operation leaves the volume and the others as they were")
    func failingSnapshot() throws {
        var failures = 0
        for countdown in 0..<40 {
            let volume = try EngineFixture(chunks: 2)
            try volume.write(1, to: 0..<2)
            try volume.snapshot(1)
            try volume.write(2, to: 0)
            volume.disk.faults = FaultPlan(
                .error(EIO), kinds: [.create, .write, .rename, .makeFolder, .resize],
                after: countdown, isPermanent: false)
            let failed = problem { try volume.snapshot(2) } != nil
            volume.disk.faults = nil
            guard failed else { break }
            failures += 1
            #expect(volume.engine.snapshots().map(\.manifest.id.rawValue) == [1])
            try volume.snapshot(3)
            try volume.write(3, to: 0..<2)
            let again = try volume.reopened()
            #expect(try again.content(1) == [1, 1])
            #expect(try again.content(3) == [2, 1])
            #expect(again.engine.snapshots().map(\.manifest.id.rawValue) == [1, 3])
        }
        #expect(failures >= 6)
    }

    @Test("opening a store of a volume of 1 TiB takes as many operations as one of 1 MiB")
    func largeVolume() throws {
        func operations(_ bytes: Int) throws -> Int {
            let volume = try EngineFixture(bytes: bytes, chunkBytes: 65_536)
            try volume.snapshot(1)
            try volume.write(1, to: 3)
            try volume.snapshot(2)
            try volume.write(2, to: 5)
            try volume.engine.close()
            let before = volume.disk.operations
            let again = try EngineFixture(opening: volume.disk)
            let opened = volume.disk.operations - before
            let view = try again.engine.openView(of: SnapshotID(rawValue: 1))
            let extents = try view.extents(in: 0..<min(bytes, 1 << 26), limit: 100)
            #expect(extents.count <= 4)
            #expect(volume.disk.allocatedBytes < 1 << 20)
            return opened
        }
        let small = try operations(1 << 20)
        #expect(try operations(1 << 40) == small)
        #expect(small < 44)
    }
}
