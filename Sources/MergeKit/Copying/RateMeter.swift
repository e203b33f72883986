internal import System

/// The rate of something over the last seconds.
package struct RateMeter: Sendable {
    private var samples: [(time: Int64, bytes: Int)] = []
    private static let windowNanoseconds: Int64 = 5_000_000_000

    package init() {}

    /// Notes so many bytes more.
    package mutating func add(_ bytes: Int) {
        let now = SystemClock().monotonicNanoseconds()
        samples.append((now, bytes))
        samples.removeAll { $0.time < now - Self.windowNanoseconds }
    }

    /// Bytes per second since the oldest sample of the window; 0 while there are fewer than two.
    package var bytesPerSecond: Int {
        let now = SystemClock().monotonicNanoseconds()
        let recent = samples.filter { $0.time >= now - Self.windowNanoseconds }
        guard let first = recent.first, now > first.time, recent.count > 1 else { return 0 }
        let bytes = recent.dropFirst().reduce(0) { $0 + $1.bytes }
        return Int(Double(bytes) / (Double(now - first.time) / 1e9))
    }
}
