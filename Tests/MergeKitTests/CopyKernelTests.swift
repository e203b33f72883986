import System
import Glibc
import MergeKit
import SnapshotModel
import TestKit
import Testing

@Suite("The chunk-copy kernel")
struct CopyKernelTests {
    private let disk = SimulatedDisk()
    private let inline = CopyKernel(options: CopyOptions(workerCount: 1, segmentBytes: 16_384))

    private func file(_ name: String, _ byteCount: Int) throws -> any BlockDevice {
        try disk.createFile(name, byteCount: byteCount)
    }

    private func run(
        _ source: any BlockDevice, _ from: Int, _ destination: any BlockDevice, _ to: Int,
        _ count: Int, isDestinationZero: Bool = true
    ) -> CopyRun {
        CopyRun(
            source: source, destination: destination,
            range: CopyRange(sourceOffset: from, destinationOffset: to, byteCount: count),
            isDestinationZero: isDestinationZero)
    }

    /// Random data with holes and written zeroes, in pages.
    private func fill(_ device: any BlockDevice, pages: Int, seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for page in 0..<pages {
            switch random.below(4) {
            case 0: break
            case 1: try device.write([UInt8](repeating: 0, count: 4096), at: page * 4096)
            default:
                let bytes = (0..<4096).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                try device.write(bytes, at: page * 4096)
            }
        }
    }

    @Test("holes stay holes, zeroes become holes, and the report counts both")
    func holes() throws {
        let (source, target) = (try file("a", 65_536), try file("b", 65_536))
        try source.write([UInt8](repeating: 5, count: 4096), at: 0)
        try source.write([UInt8](repeating: 0, count: 4096), at: 32_768)
        let report = try inline.copy([run(source, 0, target, 0, 65_536)])
        #expect(try target.allocatedBytes() == 4096)
        #expect(try target.content(0..<65_536) == source.content(0..<65_536))
        #expect(report.doneBytes == 65_536 && report.movedBytes == 4096)
        #expect(report.zeroBytes == 61_440 && report.sharedBytes == 0)
    }

    @Test("holes and zeroes are punched where the destination may hold something")
    func punches() throws {
        let (source, target) = (try file("a", 32_768), try file("b", 32_768))
        try source.write([UInt8](repeating: 0, count: 4096), at: 4096)
        try source.write([UInt8](repeating: 7, count: 4096), at: 12_288)
        try target.write([UInt8](repeating: 9, count: 32_768), at: 0)
        _ = try inline.copy([run(source, 0, target, 0, 32_768, isDestinationZero: false)])
        #expect(try target.content(0..<32_768) == source.content(0..<32_768))
        #expect(try target.allocatedBytes() == 4096)
    }

    @Test("runs that continue each other are copied as one, up to a segment's size")
    func coalescing() throws {
        let (source, target) = (try file("a", 65_536), try file("b", 65_536))
        try source.write([UInt8](repeating: 1, count: 65_536), at: 0)
        let writes = Monitored(0)
        disk.observer = { if $0.kind == .write { writes.withLock { $0 += 1 } } }
        func writesFor(_ plan: [CopyRun]) throws -> Int {
            writes.withLock { $0 = 0 }
            let report = try inline.copy(plan)
            #expect(report.doneBytes == plan.reduce(0) { $0 + $1.range.byteCount })
            return writes.withLock { $0 }
        }
        let neighbours = (0..<16).map { run(source, $0 * 4096, target, $0 * 4096, 4096) }
        #expect(try writesFor(neighbours) == 4)
        #expect(try writesFor(neighbours.reversed()) == 16)
        // A gap on one side, a difference in what is known of the destination: no neighbours.
        let gap = [run(source, 0, target, 0, 4096), run(source, 4096, target, 8192, 4096)]
        #expect(try writesFor(gap) == 2)
        let mixed = [
            run(source, 0, target, 0, 4096),
            run(source, 4096, target, 4096, 4096, isDestinationZero: false),
        ]
        #expect(try writesFor(mixed) == 2)
        #expect(try writesFor([run(source, 0, target, 0, 0)]) == 0)
        #expect(try writesFor([]) == 0)
    }

    @Test("short runs from places apart are written together where they go, holes among them kept")
    func gathering() throws {
        let (source, target) = (try file("a", 1 << 20), try file("b", 65_536))
        try source.write([UInt8](repeating: 1, count: 1 << 20), at: 0)
        try source.write([UInt8](repeating: 0, count: 4096), at: 5 * 32_768)
        try target.write([UInt8](repeating: 9, count: 65_536), at: 0)
        let writes = Monitored(0)
        disk.observer = { if $0.kind == .write { writes.withLock { $0 += 1 } } }
        let plan = (0..<8).map {
            run(source, $0 * 32_768, target, $0 * 4096, 4096, isDestinationZero: $0 < 2)
        }
        let report = try inline.copy(plan)
        disk.observer = nil
        // A segment is four of them. Of the first, two and two; of the second, what is beside the zeroes.
        #expect(writes.withLock { $0 } == 4)
        #expect(report.doneBytes == 32_768 && report.movedBytes == 28_672)
        let zeroes = 5 * 4096..<6 * 4096
        let expected = (0..<65_536).map { UInt8(zeroes.contains($0) ? 0 : $0 < 32_768 ? 1 : 9) }
        #expect(try target.content(0..<65_536) == expected)
        #expect(try target.allocatedBytes() == 61_440)
    }

    @Test(
        "runs of any length and order are copied to the same bytes as by a plain array",
        arguments: 1...20 as ClosedRange<UInt64>)
    func randomRuns(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let pages = 256
        let (source, target) = (try file("a", pages * 4096), try file("b", pages * 4096))
        try fill(source, pages: pages, seed: seed)
        try target.write([UInt8](repeating: 9, count: pages * 4096), at: 0)
        var expected = try target.content(0..<pages * 4096)
        let content = try source.content(0..<pages * 4096)
        var (plan, page): ([CopyRun], Int) = ([], 0)
        while page < pages {
            let count = min(pages - page, random.oneIn(3) ? 1 + random.below(12) : 1)
            let from = random.below(pages - count + 1) * 4096
            // The last one ends within a page, as a volume may.
            let bytes = count * 4096 - (page + count == pages ? 512 : 0)
            plan.append(
                run(source, from, target, page * 4096, bytes, isDestinationZero: false))
            expected.replaceSubrange(
                page * 4096..<page * 4096 + bytes, with: content[from..<from + bytes])
            page += count + random.below(2)
        }
        if random.oneIn(2) { plan.shuffle(using: &random) }
        let kernel = CopyKernel(
            options: CopyOptions(workerCount: 3, segmentBytes: 65_536, inlineBytes: 65_536))
        _ = try kernel.copy(plan)
        #expect(try target.content(0..<pages * 4096) == expected)
    }

    @Test(
        "threads copy a large plan to the same bytes as one thread",
        arguments: [1, 2, 3] as [UInt64])
    func threads(seed: UInt64) throws {
        let pages = 300
        let source = try file("a", pages * 4096)
        try fill(source, pages: pages, seed: seed)
        var random = SeededGenerator(seed: seed)
        let order = (0..<pages).shuffled(using: &random)
        func copy(to name: String, _ options: CopyOptions) throws -> (any BlockDevice, CopyReport) {
            let target = try file(name, pages * 4096)
            let plan = order.map { run(source, $0 * 4096, target, (pages - 1 - $0) * 4096, 4096) }
            let told = Monitored<[Int]>([])
            let report = try CopyKernel(options: options).copy(plan) { done in
                told.withLock { $0.append(done) }
            }
            let progress = told.withLock { $0 }
            #expect(progress == progress.sorted())
            #expect((progress.last ?? 0) <= report.doneBytes)
            return (target, report)
        }
        let (alone, report) = try copy(
            to: "b", CopyOptions(workerCount: 1, segmentBytes: 8192, inlineBytes: 0))
        let (together, sameReport) = try copy(
            to: "c", CopyOptions(workerCount: 4, segmentBytes: 8192, inlineBytes: 0))
        #expect(report == sameReport)
        #expect(report.doneBytes == pages * 4096)
        #expect(try alone.content(0..<pages * 4096) == together.content(0..<pages * 4096))
        for page in 0..<pages {
            let mirrored = (pages - 1 - page) * 4096
            let expected = try source.content(page * 4096..<(page + 1) * 4096)
            #expect(try together.content(mirrored..<mirrored + 4096) == expected)
        }
    }

    @Test("the failure of one segment ends the copy and is told", arguments: [1, 4])
    func failure(workers: Int) throws {
        let (source, target) = (try file("a", 1 << 20), try file("b", 1 << 20))
        try source.write([UInt8](repeating: 1, count: 1 << 20), at: 0)
        let ended = Monitored(0)
        let kernel = CopyKernel(
            options: CopyOptions(workerCount: workers, segmentBytes: 4096, inlineBytes: 0)
        ) { name, body throws(IOFailure) in
            _ = try BackgroundThread.startIfPossible(name: name) {
                body()
                ended.change { $0 += 1 }
            }
        }
        disk.faults = FaultPlan(.error(ENOSPC), kinds: [.write], after: 10, isPermanent: false)
        let writes = Monitored(0)
        disk.observer = { operation in
            guard operation.kind == .write, writes.counted() > 11 else { return }
            // Whoever met the failure may have to wait for a processor before it can tell.
            _ = ended.wait(milliseconds: 60_000) { $0 > 0 ? true : nil }
        }
        let operations = disk.operations
        #expect(throws: IOFailure("write", path: "/simulated/b", code: ENOSPC)) {
            try kernel.copy([run(source, 0, target, 0, 1 << 20)])
        }
        // Those in flight end, no others begin: far fewer than 256 reads and writes.
        #expect(disk.operations - operations < 60)
    }

    @Test("a cancelled or paused copy ends early and says how far it came", arguments: [1, 3])
    func stopping(workers: Int) throws {
        let (source, target) = (try file("a", 1 << 20), try file("b", 1 << 20))
        try source.write([UInt8](repeating: 1, count: 1 << 20), at: 0)
        let kernel = CopyKernel(
            options: CopyOptions(workerCount: workers, segmentBytes: 4096, inlineBytes: 0))
        for stop in [CopyControl.cancel, CopyControl.pause] {
            let control = CopyControl()
            let writes = Monitored(0, .list)
            disk.observer = { operation in
                guard operation.kind == .write else { return }
                // Under the count's lock: no other worker goes on before the copy is stopped.
                writes.withLock { count in
                    count += 1
                    if count == 20 { stop(control)() }
                }
            }
            let report = try kernel.copy([run(source, 0, target, 0, 1 << 20)], control: control)
            #expect((19 * 4096...26 * 4096).contains(report.doneBytes))
            #expect(report.doneBytes == writes.withLock { $0 } * 4096)
            let again = try kernel.copy([run(source, 0, target, 0, 4096)], control: control)
            #expect(again.doneBytes == 0)
            control.resume()
        }
    }

    @Test("a limit is kept, and lifted at once")
    func throttle() throws {
        let control = CopyControl()
        control.throttle(bytesPerSecond: 1 << 20)
        #expect(control.bytesPerSecond == 1 << 20)
        let start = SystemClock().monotonicNanoseconds()
        // A tenth of a second's worth goes at once, one admission may be overdrawn.
        for _ in 0..<5 { #expect(control.admit(byteCount: 1 << 17)) }
        let elapsed = SystemClock().monotonicNanoseconds() - start
        #expect(elapsed >= 350_000_000)
        control.throttle(bytesPerSecond: 1)
        #expect(control.admit(byteCount: 1 << 30))
        let waiter = BackgroundThread.start(name: "test") {
            BackgroundThread.sleep(milliseconds: 20)
            control.throttle(bytesPerSecond: nil)
        }
        #expect(control.admit(byteCount: 1))
        waiter.join()
        #expect(control.bytesPerSecond == nil)
    }

    @Test("a wait under a throttle ends with its patience, an interruption, a pause or a cancel")
    func patience() throws {
        let control = CopyControl()
        control.throttle(bytesPerSecond: 1)
        #expect(control.admit(byteCount: 1 << 40))
        #expect(control.admit(byteCount: 1, patienceMilliseconds: 1) == .waiting)
        let ends: [(CopyControl) -> Void] = [
            { $0.interrupt() }, { $0.pause() }, { $0.cancel() },
        ]
        let results: [CopyControl.Admission] = [.waiting, .stopped, .stopped]
        for (end, expected) in zip(ends, results) {
            let result = Monitored<CopyControl.Admission?>(nil)
            let waiter = BackgroundThread.start(name: "test") {
                let admission = control.admit(byteCount: 1, patienceMilliseconds: 3_600_000)
                result.change { $0 = admission }
            }
            // Again and again, as it may come before the wait begins.
            let deadline = Deadline(milliseconds: 300_000)
            while result.wait(milliseconds: 10, until: { $0 }) == nil {
                try #require(!deadline.hasPassed, "the wait does not end")
                end(control)
            }
            waiter.join()
            #expect(result.withLock { $0 } == expected)
            control.resume()
        }
    }

    @Test(
        "where the system gives no threads, or few, a plan is copied all the same", arguments: 0..<3
    )
    func noThreads(available: Int) throws {
        let started = Monitored(0)
        let kernel = CopyKernel(
            options: CopyOptions(workerCount: 4, segmentBytes: 8192, inlineBytes: 0)
        ) { name, body throws(IOFailure) in
            guard started.counted() <= available else {
                throw IOFailure("start", path: name, code: EAGAIN)
            }
            _ = try BackgroundThread.startIfPossible(name: name, body)
        }
        let (source, target) = (try file("a", 1 << 20), try file("b", 1 << 20))
        try fill(source, pages: 256, seed: 5)
        let report = try kernel.copy([run(source, 0, target, 0, 1 << 20)])
        #expect(report.doneBytes == 1 << 20)
        #expect(started.withLock { $0 } == available + 1)
        #expect(try target.content(0..<1 << 20) == source.content(0..<1 << 20))
    }

    /// Chunks 1, 2 and 5 of eight are zero, and allocated.
    @Test("chunks of zeroes in the middle of data become holes", arguments: [true, false])
    func zeroChunks(isDestinationZero: Bool) throws {
        let chunk = 64 << 10
        let temporary = TemporaryFolder()
        let (source, target) = try (
            temporary.folder.createFile("a", byteCount: 8 * chunk),
            temporary.folder.createFile("b", byteCount: 8 * chunk)
        )
        for index in 0..<8 {
            let byte: UInt8 = [1, 2, 5].contains(index) ? 0 : 7
            try source.write([UInt8](repeating: byte, count: chunk), at: index * chunk)
            if !isDestinationZero {
                try target.write([UInt8](repeating: 9, count: chunk), at: index * chunk)
            }
        }
        // Less than a chunk stays: files of many small holes serve nobody.
        try source.write([UInt8](repeating: 0, count: 4096), at: 8192)
        var plan = run(source, 0, target, 0, 8 * chunk)
        plan.isDestinationZero = isDestinationZero
        let report = try CopyKernel(options: CopyOptions(zeroUnitBytes: chunk)).copy([plan])
        #expect(try target.content(0..<8 * chunk) == source.content(0..<8 * chunk))
        // Some filesystems tell what a file takes when they have written it out.
        try source.sync()
        try target.sync()
        #expect(try source.allocatedBytes() == 8 * chunk)
        if report.sharedBytes == 0 {
            #expect(report.zeroBytes == 3 * chunk)
            #expect(try target.allocatedBytes() == 5 * chunk)
        }
    }

    @Test("real files are copied with their holes, whatever the filesystem can do")
    func realFiles() throws {
        let temporary = TemporaryFolder()
        let (source, target) = try (
            temporary.folder.createFile("a", byteCount: 8 << 20),
            temporary.folder.createFile("b", byteCount: 8 << 20)
        )
        try source.write([UInt8](repeating: 3, count: 70_000), at: 1 << 20)
        try source.write([UInt8](repeating: 4, count: 512), at: (8 << 20) - 512)
        let report = try CopyKernel().copy([run(source, 0, target, 0, 8 << 20)])
        #expect(report.doneBytes == 8 << 20)
        #expect(report.movedBytes + report.sharedBytes + report.zeroBytes == 8 << 20)
        #expect(try target.content(0..<8 << 20) == source.content(0..<8 << 20))
        #expect(try target.allocatedBytes() < 1 << 20)
    }
}
