import System
import MergeKit
import StoreFormat
import SnapshotModel
import TestKit
import Testing

/// Each rule of the design's section 4.1 (I1 to I6), seen in the order of the operations on a disk.
@Suite("The order of operations keeps the invariants")
struct InvariantTests {
    private let chunk = EngineFixture.chunkBytes
    private static let origin = "/simulated/origin.raw"

    /// What happened to the disk while `body` ran, without the looks.
    private func changes(
        on volume: EngineFixture, _ body: () throws -> Void
    ) rethrows -> [String] {
        let log = Monitored<[String]>([])
        volume.disk.observer = { operation in
            guard operation.kind.changesDisk else { return }
            let name = operation.path.split(separator: "/").last ?? ""
            let isArea = operation.path.hasSuffix("area.cow")
            let folder = isArea ? "\(operation.path.dropLast(9).suffix(6)) " : ""
            log.withLock { $0.append("\(operation.kind) \(folder)\(name)") }
        }
        try body()
        volume.disk.observer = nil
        return log.withLock { $0 }
    }

    @Test("I1: data, then the entry, each synced, then the origin is overwritten")
    func invariant1() throws {
        let volume = try EngineFixture(chunks: 4)
        try volume.write(1, to: 0..<4)
        try volume.snapshot(1)
        let first = try changes(on: volume) { try volume.write(2, to: 1) }
        #expect(
            first == [
                "write 000001 area.cow", "sync 000001 area.cow", "write 000001 area.cow",
                "sync 000001 area.cow", "write origin.raw",
            ])
        // The second write to the chunk costs one operation.
        #expect(try changes(on: volume) { try volume.write(3, to: 1) } == ["write origin.raw"])
    }

    @Test("I1: a power cut at any point of a first write leaves the snapshot whole")
    func invariant1Crashes() throws {
        let volume = try EngineFixture(chunks: 4)
        try volume.write(1, to: 0..<4)
        try volume.snapshot(1)
        let images = Images()
        volume.disk.observer = { operation in
            guard operation.kind.changesDisk else { return }
            for seed in 0..<8 {
                images.add(volume.crashed(seed == 0 ? .dropAll : .random, seed: UInt64(seed)))
            }
        }
        try volume.write(2, to: 0..<3)
        #expect(images.all.count >= 40)
        for image in images.all {
            #expect(try EngineFixture(opening: image).content(1) == [1, 1, 1, 1])
        }
    }

    @Test("I1: writers that wait together share one commit")
    func invariant1GroupCommit() throws {
        let volume = try EngineFixture(chunks: 64)
        try volume.write(1, to: 0..<64)
        try volume.snapshot(1)
        let syncs = Monitored(0)
        let copies = Monitored(0)
        volume.disk.observer = { operation in
            switch operation.kind {
            case .sync where operation.path.hasSuffix("area.cow"):
                // The first commit's sync waits until all the others have copied their chunks.
                if syncs.counted() == 1 {
                    _ = copies.wait(milliseconds: 300_000) { $0 >= 16 ? true : nil }
                    BackgroundThread.sleep(milliseconds: 200)
                }
            case .write where operation.path.hasSuffix("area.cow"): copies.change { $0 += 1 }
            default: break
            }
        }
        WorkerThreads.run(16) { index in
            // The others come when the first one's commit has begun.
            if index > 0 { _ = syncs.wait(milliseconds: 300_000) { $0 > 0 ? true : nil } }
            #expect(throws: Never.self) { try volume.write(2, to: index) }
        }
        volume.disk.observer = nil
        // Two for the one who came first, two for all those who waited meanwhile; on a busy machine
        // two more for some who noted their copies too late. Without sharing there are 32.
        #expect((4..<16).contains(syncs.withLock { $0 }))
        #expect(try volume.content(1) == [UInt8](repeating: 1, count: 64))
        #expect(try volume.content().prefix(17) == [UInt8](repeating: 2, count: 16) + [1])
    }

    @Test("I2: what a merge overwrites is durable in the safety snapshot's area before")
    func invariant2() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.write(1, to: 0..<2)
        try volume.snapshot(1)
        try volume.write(2, to: 0)
        try volume.revert(1, to: 1, safety: 2)
        let steps = try changes(on: volume) { _ = try volume.engine.mergeStep(byteLimit: chunk) }
        #expect(
            steps.prefix(5) == [
                "write 000002 area.cow", "sync 000002 area.cow", "write 000002 area.cow",
                "sync 000002 area.cow", "write origin.raw",
            ])
        #expect(try volume.content(2) == [2, 1])
    }

    @Test("I3: merged data is flushed before the journal says so, and that before a client's write")
    func invariant3() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.write(1, to: 0..<2)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<2)
        try volume.revert(1, to: 1, safety: 2)
        let steps = try changes(on: volume) { try volume.write(3, to: 1) }
        let afterPreserving = steps.dropFirst(4)
        #expect(
            Array(afterPreserving) == [
                "write origin.raw", "sync origin.raw", "write journal", "sync journal",
                "write origin.raw",
            ])
    }

    @Test("I3: a merged chunk is never merged again over a client's newer, flushed write")
    func invariant3Crashes() throws {
        let volume = try EngineFixture(chunks: 3)
        try volume.write(1, to: 0..<3)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<3)
        try volume.revert(1, to: 1, safety: 2)
        try volume.write(3, to: 1)
        try volume.engine.flush()
        let images = Images()
        volume.disk.observer = { operation in
            guard operation.kind.changesDisk else { return }
            for seed in 0..<4 {
                images.add(volume.crashed(seed == 0 ? .dropAll : .random, seed: UInt64(seed)))
            }
        }
        try volume.merge(chunksAtOnce: 1)
        for image in images.all {
            let again = try EngineFixture(opening: image)
            #expect(try again.content() == [1, 3, 1])
            try again.merge()
            #expect(try again.content() == [1, 3, 1])
            #expect(try again.content(2) == [2, 2, 2])
        }
        #expect(images.all.count >= 40)
    }

    @Test("I4: entries are committed in the order of allocation, whoever copies first")
    func invariant4Order() throws {
        let volume = try EngineFixture(chunks: 8)
        try volume.write(1, to: 0..<8)
        try volume.snapshot(1)
        let reads = Monitored(0)
        let isSecondCopied = Monitored(false)
        volume.disk.observer = { operation in
            if operation.kind == .read, operation.path == Self.origin {
                // The first to reserve copies last.
                if reads.counted() == 1 {
                    _ = isSecondCopied.wait(milliseconds: 300_000) { $0 ? true : nil }
                    BackgroundThread.sleep(milliseconds: 30)
                }
            }
            if operation.kind == .write, operation.path.hasSuffix("area.cow") {
                isSecondCopied.change { $0 = true }
            }
        }
        WorkerThreads.run(2) { index in
            if index == 1 { _ = reads.wait(milliseconds: 300_000) { $0 > 0 ? true : nil } }
            #expect(throws: Never.self) { try volume.write(2, to: index == 0 ? 7 : 3) }
        }
        let reader = AreaReader(
            device: try volume.disk.openFile(EngineFixture.area(1), writable: false),
            format: AreaFormat(chunkBytes: chunk), originChunkCount: 8)
        let entries = try reader.entries()
        #expect(entries.map(\.origin.rawValue) == [7, 3])
        #expect(entries.map(\.area.rawValue) == [2, 3])
    }

    @Test("I4: the next metadata block is zero and durable before a full one is committed")
    func invariant4NextBlock() throws {
        // 512-byte chunks: 32 entries a block, block 1 at chunk 34.
        let volume = try EngineFixture(bytes: 64 * 512, chunkBytes: 512)
        try volume.write(1, to: 0..<64)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<31)
        // Dirt where block 1 will be, as an area that was preallocated elsewhere might have.
        let device = try volume.disk.openFile(EngineFixture.area(1), writable: true)
        try device.write([UInt8](repeating: 0xEE, count: 512), at: 34 * 512)
        try device.sync()
        let steps = try changes(on: volume) { try volume.write(2, to: 31) }
        #expect(
            steps == [
                "write 000001 area.cow", "punch 000001 area.cow", "sync 000001 area.cow",
                "write 000001 area.cow", "sync 000001 area.cow", "write origin.raw",
            ])
        let image = try EngineFixture(opening: volume.crashed(.dropAll))
        #expect(try image.content(1) == [UInt8](repeating: 1, count: 64))
    }

    @Test("I4: one commit of several metadata blocks survives a power cut at any point")
    func invariant4SeveralBlocks() throws {
        // 32 entries a block: 100 chunks fill three of them and begin a fourth.
        let volume = try EngineFixture(bytes: 128 * 512, chunkBytes: 512)
        try volume.write(1, to: 0..<128)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<5)
        let images = Images()
        let syncs = Monitored(0)
        volume.disk.observer = { operation in
            guard operation.kind.changesDisk else { return }
            if operation.kind == .sync { syncs.withLock { $0 += 1 } }
            for seed in 0..<8 {
                images.add(volume.crashed(seed == 0 ? .dropAll : .random, seed: UInt64(seed)))
            }
        }
        try volume.write(2, to: 5..<105)
        volume.disk.observer = nil
        #expect(syncs.withLock { $0 } == 2)
        let expected = [UInt8](repeating: 1, count: 128)
        for image in images.all {
            let again = try EngineFixture(opening: image)
            #expect(try again.content(1) == expected)
            // What the cut left behind the list's end must not come to life.
            try again.write(3, to: 20..<90)
            let killed = try EngineFixture(opening: again.crashed(.dropAll))
            #expect(try killed.content(1) == expected)
        }
    }

    @Test("I2: what a merge preserves ahead of itself is whole at any power cut")
    func invariant2Ahead() throws {
        let disk = SimulatedDisk()
        try disk.origin().resize(to: 64 * chunk)
        try Store(folder: disk).create(EngineFixture.record(64 * chunk))
        // Large batches by several threads, as in production.
        let engine = try LiveEngine.open(
            store: disk, origin: disk.origin(),
            options: EngineOptions(
                clock: VirtualClock(),
                copyOptions: CopyOptions(workerCount: 2, segmentBytes: chunk, inlineBytes: 0)))
        func write(_ byte: UInt8, _ chunks: Range<Int>) throws {
            let bytes = [UInt8](repeating: byte, count: chunks.count * chunk)
            try engine.write(bytes.span.bytes, at: chunks.lowerBound * chunk)
        }
        try write(1, 0..<64)
        _ = try engine.takeSnapshot(EngineFixture.request(1))
        try write(2, 0..<64)
        try engine.flush()
        _ = try engine.revert(
            RevertRequest(
                id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1),
                safety: EngineFixture.request(2, .safety)))
        let images = Images()
        let count = Monitored(0)
        disk.observer = { operation in
            guard operation.kind.changesDisk else { return }
            var random = SeededGenerator(seed: UInt64(count.counted()))
            images.add(disk.crashImage(using: &random, mode: .random))
        }
        _ = try engine.mergeStep(byteLimit: 8 * chunk)
        disk.observer = nil
        // Eight chunks are merged, and eight more preserved.
        #expect(engine.mergeProgress()?.mergedBytes == 8 * chunk)
        #expect(engine.mergeProgress()?.preservedBytes == 16 * chunk)
        #expect(images.all.count > 20)
        for image in images.all {
            let again = try EngineFixture(opening: image)
            #expect(try again.content() == [UInt8](repeating: 1, count: 64))
            #expect(try again.content(2) == [UInt8](repeating: 2, count: 64))
        }
        while try engine.mergeStep(byteLimit: 8 * chunk) == .progressed {}
        let done = try EngineFixture(opening: disk)
        #expect(try done.content() == [UInt8](repeating: 1, count: 64))
        #expect(try done.content(2) == [UInt8](repeating: 2, count: 64))
    }

    @Test("I5: recovery may be repeated, and cut at any point, and comes to the same")
    func invariant5() throws {
        let volume = try EngineFixture(chunks: 4)
        try volume.write(1, to: 0..<4)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<4)
        try volume.snapshot(2)
        try volume.write(3, to: 0)
        try volume.revert(1, to: 1, safety: 3)
        _ = try volume.engine.mergeStep(byteLimit: chunk)
        // Half-done as well: an unfinished creation and a revert's folder without a record.
        try volume.disk.makeFolder("snapshots/000009")
        try volume.disk.makeFolder("reverts/000009")
        try volume.write(5, to: 3)
        try volume.engine.flush()
        let cuts = Images()
        let start = volume.crashed(.random, seed: 3)
        start.observer = { operation in
            guard operation.kind.changesDisk else { return }
            for (seed, mode) in CrashMode.allCases.enumerated() {
                var random = SeededGenerator(seed: UInt64(seed))
                cuts.add(start.crashImage(using: &random, mode: mode))
            }
        }
        let once = try EngineFixture(opening: start)
        start.observer = nil
        #expect(cuts.all.count > 20)
        for disk in cuts.all + [once.crashed(.keepAll), once.crashed(.dropAll)] {
            let again = try EngineFixture(opening: disk)
            #expect(try again.content() == [1, 1, 1, 5])
            #expect(try again.content(1) == [1, 1, 1, 1])
            #expect(try again.content(2) == [2, 2, 2, 2])
            #expect(try again.content(3) == [3, 2, 2, 2])
            #expect(try disk.list("snapshots").sorted() == ["000001", "000002", "000003"])
            #expect(try disk.list("reverts") == ["000001"])
        }
    }

    @Test("I6: a snapshot's read that races a first write never shows the new bytes")
    func invariant6() throws {
        let volume = try EngineFixture(chunks: 4)
        try volume.write(1, to: 0..<4)
        try volume.snapshot(1)
        let view = try volume.engine.openView(of: SnapshotID(rawValue: 1))
        let flag = Flag()
        volume.disk.observer = { operation in
            // The view has found no exception and is about to read the origin.
            guard operation.kind == .read, operation.path == Self.origin, flag.raise() else {
                return
            }
            #expect(throws: Never.self) { try volume.write(2, to: 1..<3) }
        }
        #expect(try EngineFixture.content(of: view) == [1, 1, 1, 1])
        #expect(try volume.content() == [1, 2, 2, 1])
        #expect(flag.isRaised)
    }

    @Test("I6: nor does one that races a merge")
    func invariant6Merge() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.write(1, to: 0..<2)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<2)
        try volume.revert(1, to: 1, safety: 2)
        try volume.snapshot(3)
        for id in [2, 3] as [Int64] {
            let view = try volume.engine.openView(of: SnapshotID(rawValue: id))
            let flag = Flag()
            volume.disk.observer = { operation in
                guard operation.kind == .read, operation.path == Self.origin || id == 3,
                    flag.raise()
                else { return }
                #expect(throws: Never.self) { try volume.write(UInt8(id + 4), to: Int(id) - 2) }
            }
            let expected: [UInt8?] = id == 2 ? [2, 2] : [1, 1]
            #expect(try EngineFixture.content(of: view) == expected)
            #expect(flag.isRaised)
        }
    }
}
