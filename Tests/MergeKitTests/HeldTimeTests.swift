import System
import SnapshotModel
import StoreFormat
import TestKit
import Testing

@testable import MergeKit

@Suite("For how long writes were held")
struct HeldTimeTests {
    /// Tells when it was read.
    private final class WatchedClock: System.Clock {
        private let clock = VirtualClock()
        let readings = Monitored(0)

        func now() -> Timestamp { clock.now() }
        func reading() -> ClockReading { clock.reading() }
        func advance(bySeconds seconds: Int64) { clock.advance(bySeconds: seconds) }

        func monotonicNanoseconds() -> Int64 {
            let nanoseconds = clock.monotonicNanoseconds()
            readings.change { $0 += 1 }
            return nanoseconds
        }
    }

    @Test("R9: what waits for reads and writes that are under way is counted")
    func underWay() throws {
        let clock = WatchedClock()
        let disk = SimulatedDisk()
        try disk.origin().resize(to: 8 * 4096)
        try Store(folder: disk).create(EngineFixture.record(8 * 4096))
        let engine = try LiveEngine.open(
            store: disk, origin: disk.origin(),
            options: EngineOptions(clock: clock, copyOptions: CopyOptions(workerCount: 1)))
        let barrier = engine.beginBarrier()
        try barrier.prepareSnapshot(EngineFixture.request(1))
        // A read that is under way, for 30 seconds.
        engine.gate.enter()
        let before = clock.readings.withLock { $0 }
        let held = Monitored<Int64?>(nil)
        let thread = BackgroundThread.start(name: "holder") {
            try? barrier.holdIO()
            _ = try? barrier.commit()
            let nanoseconds = barrier.releaseIO()
            held.change { $0 = nanoseconds }
        }
        // Not longer than for ever where it is read too late.
        _ = clock.readings.wait(milliseconds: 300_000) { $0 > before ? true : nil }
        clock.advance(bySeconds: 30)
        engine.gate.leave()
        thread.join()
        #expect(held.withLock { $0 } ?? 0 >= 30 * 1_000_000_000)
    }
}
