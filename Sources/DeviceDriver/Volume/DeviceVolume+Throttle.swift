internal import System
internal import DeviceMapper
internal import StoreFormat
internal import SnapshotModel

// Limits of merges. The kernel has one for the whole machine, so the strictest of all volumes' holds,
// until the merge ends that it was set for.
extension DeviceVolume {
    /// Slows the kernel's merges down to so many bytes per second, as well as its parameter can: the
    /// share of the time in which it copies.
    ///
    /// - Parameter bytesPerSecond: nil lifts this volume's limit.
    func throttleMerge(bytesPerSecond: Int?) throws(Problem) {
        guard let revert = state.revert?.record.id else { return }
        guard let bytesPerSecond else { return try liftLimit(of: revert) }
        guard bytesPerSecond > 0 else {
            throw Problem(.usage, "a merge's rate must be more than 0 bytes per second")
        }
        let (rate, percent) = try measuredRate()
        guard rate > 0 else {
            throw Problem(
                .refused,
                "the merge on volume \(record.name) copies nothing that could be slowed down",
                hint: "see \(.mergeStatus(record.name))")
        }
        let wanted = Double(percent) * Double(bytesPerSecond) / Double(rate)
        var limits = try store.mergeLimits(revert) ?? MergeLimits()
        let others = try stack.limitsOfOthers()
        limits.bytesPerSecond = bytesPerSecond
        limits.kernelPercentBefore =
            limits.kernelPercentBefore
            ?? others.lazy.compactMap { $0?.kernelPercentBefore }.first ?? percent
        limits.kernelPercent = Int(min(100, max(1, wanted)))
        // First: whatever happens, the end of the merge lifts the limit.
        try store.writeMergeLimits(limits, of: revert)
        try reload()
        try stack.apply([limits] + others.compactMap { $0 }, fallback: percent)
    }

    /// Has the kernel keep to the limit again that the store has: its own is gone with the machine's
    /// last start. A merge that is too fast is no reason not to be active.
    func renewLimit() {
        do throws(Problem) {
            guard let revert = state.merging?.record.id, let limits = try store.mergeLimits(revert),
                limits.kernelPercent != nil
            else { return }
            try stack.apply([limits] + stack.limitsOfOthers().compactMap { $0 }, fallback: 100)
        } catch {
            warn("the merge on volume \(record.name) goes on without its limit: \(error.message)")
        }
    }

    /// Lifts the limit of a merge that is to have none any more. The kernel's goes with the last one
    /// on the machine: as long as nobody knows whether there is another one, it stays, and so does
    /// what this merge knows of how the kernel was before.
    func liftLimit(of revert: RevertID) throws(Problem) {
        guard var limits = try store.mergeLimits(revert), limits.concernsKernel else { return }
        let others = try stack.limitsOfOthers()
        limits.bytesPerSecond = nil
        limits.kernelPercent = nil
        if others.contains(where: { $0 == nil }) {
            warn(
                "the limit of the kernel's merges stays as it is: whether a merge on another volume "
                    + "needs it is not known, as its store is not mounted here")
        } else {
            try stack.apply(others.compactMap { $0 }, fallback: limits.kernelPercentBefore ?? 100)
            limits.kernelPercentBefore = nil
        }
        try store.writeMergeLimits(limits, of: revert)
        try reload()
    }

    /// As ``liftLimit(of:)``, where that it fails is no reason not to go on.
    func dropLimit(of revert: RevertID) {
        do throws(Problem) { try liftLimit(of: revert) } catch { warn(ofLimit: error, 100) }
    }

    /// Lifts the limit of a merge that ends, together with what it knows of how the kernel was before:
    /// so that is restored now, but for the limits of others that are known. No reason not to go on.
    func endLimit(of revert: RevertID) {
        var before = 100
        do throws(Problem) {
            guard let limits = try store.mergeLimits(revert), limits.concernsKernel else { return }
            before = limits.kernelPercentBefore ?? before
            let others = try stack.limitsOfOthers()
            try stack.apply(others.compactMap { $0 }, fallback: before)
            guard others.contains(where: { $0 == nil }) else { return }
            warn(
                "the limit of the kernel's merges is lifted; if a merge on a volume whose store is not "
                    + "mounted here needs one, set it again with \(.mergeThrottle())")
        } catch { warn(ofLimit: error, before) }
    }

    private func warn(ofLimit problem: Problem, _ percent: Int) {
        warn(
            "the limit of the kernel's merges could not be lifted: \(problem.message); do so with "
                + "`echo \(percent) > /sys/module/dm_snapshot/parameters/snapshot_copy_throttle`")
    }

    /// The merge's present rate in bytes per second, and the kernel's parameter at which it runs. Of a
    /// merge that goes on and has copied nothing while it was watched, as on a slow disk or behind the
    /// limit of another, the most that it can be: not quite a chunk in that time. 0 where none goes on.
    private func measuredRate() throws(Problem) -> (rate: Int, percent: Int) {
        let percent = try doing { () throws(IOFailure) in try KernelThrottle.percent() }
        guard let before = try mergeProgress() else { return (0, percent) }
        let start = clock.monotonicNanoseconds()
        var (bytes, seconds) = (0, 0.0)
        for _ in 0..<Self.measuresMaximum where bytes == 0 {
            BackgroundThread.sleep(milliseconds: Self.measureMilliseconds)
            guard let after = try mergeProgress(), after.state == .merging else {
                return (0, percent)
            }
            bytes = after.mergedBytes.subtractingClamped(before.mergedBytes)
            seconds = Double(clock.monotonicNanoseconds() - start) / 1e9
        }
        return (max(1, Int(Double(max(bytes, state.format.chunkBytes)) / seconds)), percent)
    }

    private static let measureMilliseconds = 500
    private static let measuresMaximum = 10
}

extension MergeLimits {
    /// Whether the kernel's limit was ever set for it, and is not restored yet.
    fileprivate var concernsKernel: Bool { kernelPercent != nil || kernelPercentBefore != nil }
}
