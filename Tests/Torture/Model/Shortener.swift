import System

/// Deletes steps from a failing history as long as it still fails.
struct Shortener {
    /// How long to try.
    let seconds: Int

    func shorten(_ history: History, while fails: (History) -> Bool) -> History {
        let clock = SystemClock()
        let deadline = clock.monotonicNanoseconds() + Int64(seconds) * 1_000_000_000
        var best = history
        var size = max(1, best.steps.count / 2)
        while clock.monotonicNanoseconds() < deadline {
            var isShorter = false
            var start = 0
            while start < best.steps.count, clock.monotonicNanoseconds() < deadline {
                var candidate = best
                candidate.steps.removeSubrange(start..<min(start + size, best.steps.count))
                if fails(candidate) {
                    best = candidate
                    isShorter = true
                } else {
                    start += size
                }
            }
            if size == 1 && !isShorter { break }
            size = max(1, size / 2)
        }
        return best
    }
}
