internal import System
internal import DeviceMapper
internal import StoreFormat
internal import SnapshotModel

// The kernel's limit of merges, which is the machine's.
extension VolumeStack {
    func apply(_ limits: [MergeLimits], fallback: Int) throws(Problem) {
        let percent = limits.compactMap(\.kernelPercent).min() ?? fallback
        // Whatever a store says, the kernel's merges go on.
        try doing { () throws(IOFailure) in
            try KernelThrottle.set(percent: min(100, max(1, percent)))
        }
    }

    /// The limits of the merges that the kernel runs for other volumes; nil for those that cannot be
    /// told. The file behind the overlay's loop device tells where each store is, by whichever mount
    /// it is seen.
    func limitsOfOthers() throws(Problem) -> [MergeLimits?] {
        let own = DeviceIdentity.prefix(volumeUUID: record.uuid)
        let devices = try asking { () throws(DeviceFailure) in try mapper.devices() }
        let loops = try allLoops()
        var limits: [MergeLimits?] = []
        for device in devices where !device.uuid.hasPrefix(own) {
            guard case .overlay(let revert) = device.name.volumePart?.part else { continue }
            let below =
                (try? asking { () throws(DeviceFailure) in try mapper.dependencies(device.name) })
                ?? []
            let suffix = "/" + StoreLayout.syntheticOverlay(revert)
            let path = loops.lazy.filter { below.contains($0.number) }
                .compactMap { $0.reachablePath(endingIn: suffix) }.first
            limits.append(path.flatMap { Self.limits(ofRevert: revert, $0.dropLast(suffix.count)) })
        }
        return limits
    }

    /// Nil when they cannot be read.
    private static func limits(ofRevert id: RevertID, _ store: Substring) -> MergeLimits? {
        let store = Store(folder: FileFolder(path: String(store)))
        guard (try? store.revert(id)) != nil else { return nil }
        do throws(Problem) { return try store.mergeLimits(id) ?? MergeLimits() } catch {
            return nil
        }
    }

    /// Sets the limit back behind a merge that has ended without its store, which alone knows what it
    /// was before: to what the merges of others need, or else to none.
    ///
    /// - Returns: what somebody must know of it.
    func dropLimitUnknown() throws(Problem) -> String? {
        let percent = try doing { () throws(IOFailure) in try KernelThrottle.percent() }
        guard percent < 100 else { return nil }
        let others = try limitsOfOthers()
        let again = "`echo \(percent) > /sys/module/dm_snapshot/parameters/snapshot_copy_throttle`"
        guard !others.contains(where: { $0 == nil }) else {
            return
                "the limit of the kernel's merges stays at \(percent) percent: whether a merge on "
                + "another volume needs it is not known, as its store is not mounted here"
        }
        let known = others.compactMap(\.self)
        try apply(known, fallback: known.compactMap(\.kernelPercentBefore).first ?? 100)
        return
            "the limit of the kernel's merges, \(percent) percent, is lifted with the merge; if it "
            + "was not set for that, set it again: \(again)"
    }
}
