internal import Scheduler
internal import SnapshotModel
internal import System

/// So many bytes per second, on the average of a second, as the hour of the day has it.
final class RateLimit {
    private let rates: DailyRates
    private let context: ManagerContext
    /// What holds now, and from when on it is looked up again, in nanoseconds.
    private var bytesPerSecond: Int?
    private var looksAt: Int64 = 0
    private var start: Int64
    private var sentBytes = 0

    private static let sliceMilliseconds = 20
    private static let lookNanoseconds: Int64 = 1_000_000_000
    /// Below this it is not worth while to let anything go, in nanoseconds.
    private static let momentNanoseconds: Int64 = 100_000_000

    init?(_ rates: DailyRates, _ context: ManagerContext) {
        guard !rates.isUnlimited else { return nil }
        self.rates = rates
        self.context = context
        start = SystemClock().monotonicNanoseconds()
    }

    /// Returns when so many bytes may be sent.
    ///
    /// - Parameter beforeWaiting: is called when that is not in a moment.
    func admit(_ count: Int, _ beforeWaiting: (() -> Void)? = nil) throws(Problem) {
        let now = SystemClock().monotonicNanoseconds()
        look(now)
        // What was not sent while it stood still is not made up for.
        if end < now { begin(now) }
        if end - now > Self.momentNanoseconds { beforeWaiting?() }
        while true {
            let now = SystemClock().monotonicNanoseconds()
            look(now)
            guard now < end else { break }
            try context.end.check()
            BackgroundThread.sleep(milliseconds: Self.sliceMilliseconds)
        }
        sentBytes = sentBytes.addingClamped(count)
    }

    /// Looks up what holds now; another rate begins anew.
    private func look(_ now: Int64) {
        guard now >= looksAt else { return }
        looksAt = now.addingClamped(Self.lookNanoseconds)
        let rate = rates.rate(at: context.clock.now(), in: context.timeZone.rules)
        guard rate != bytesPerSecond else { return }
        bytesPerSecond = rate
        begin(now)
    }

    private func begin(_ now: Int64) {
        start = now
        sentBytes = 0
    }

    /// When what was sent may have been.
    private var end: Int64 {
        guard let bytesPerSecond else { return start }
        return start + Int64(Double(sentBytes) / Double(bytesPerSecond) * 1e9)
    }
}
