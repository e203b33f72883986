internal import BlockIO
internal import DeviceMapper
internal import MergeKit
package import SnapshotModel

// Reverts, whose merges the kernel runs.
extension DeviceVolume {
    /// Has the volume read as the revert's target, and the kernel's merge begin. May be done again
    /// after it was cut short anywhere.
    ///
    /// The safety snapshot is attached first, so that the merge finds it. From `begun` on, what
    /// `overlay.cow` holds counts.
    func flip(to revert: RevertRecord) throws(Problem) {
        try bringUpMerge(revert)
        if let safety = state.manifest(revert.safety), !state.isBroken(safety.ordinal) {
            try attach(safety, on: .real)
        }
        try store.writeMark(StoreLayout.begunMark(revert.id))
        try stopMerge()
        try stack.replace(
            .base, stack.mergeTable(revert.id, bytes: record.geometry.volumeBytes))
        try reload()
    }

    /// Has the volume read the origin again, whatever of a merge is done.
    func stopMerge() throws(Problem) {
        guard try stack.isMerging() else { return }
        try stack.replace(
            .base, stack.originTable(on: .real, bytes: record.geometry.volumeBytes))
    }

    /// A revert that counts and whose merge has not begun, because its command was killed: begins
    /// it when nothing has happened to the volume since, and takes it back otherwise.
    func finishCommitted() throws(Problem) {
        guard let revert = state.revert?.record else { return }
        guard try isUntouched(since: revert) else {
            try removeRevert(revert.id)
            try reload()
            warn(
                "revert \(revert.id) of volume \(record.name) was cut short and is forgotten: the "
                    + "volume was written since")
            return
        }
        try flip(to: revert)
        warn("revert \(revert.id) of volume \(record.name) was cut short; it is done now")
    }

    private func isUntouched(since revert: RevertRecord) throws(Problem) -> Bool {
        guard let safety = state.manifest(revert.safety), safety == state.newest,
            try map(of: safety).count == revert.safetyEntryCount
        else { return false }
        do throws(Problem) { _ = try plan(of: revert) } catch {
            guard error.code == .corrupt else { throw error }
            return false
        }
        return true
    }

    /// Ends the merge if the kernel has; whether it did.
    func finishMergeIfDone() throws(Problem) -> Bool {
        guard state.merging != nil, try stack.isMerging() else { return false }
        switch try stack.status(.base) {
        case .usage(let allocated, _, let metadata) where allocated == metadata:
            try finishMerge()
            return true
        case .mergeFailed, .invalid, .overflow:
            throw Problem(
                .inputOutput,
                "the kernel's merge on volume \(record.name) failed: nothing is lost, the volume "
                    + "reads as the snapshot", hint: "see `dmesg`; then deactivate and activate it")
        default: return false
        }
    }

    /// With everything merged: the volume reads the origin, and the revert goes. Each step may be
    /// done again.
    func finishMerge() throws(Problem) {
        guard let revert = state.revert?.record else { return }
        try store.writeMark(StoreLayout.mergedMark(revert.id))
        try stopMerge()
        try changeRecord { $0.noteEnded(revert.id) }
        try removeRevert(revert.id)
        try reload()
    }

    func changeRecord(_ change: (inout VolumeRecord) -> Void) throws(Problem) {
        var record = record
        change(&record)
        try store.writeVolume(record)
        try reload()
    }

    /// How far the merge is, in the kernel's own figures; nil when none runs.
    package func mergeProgress() throws(Problem) -> MergeProgress? {
        guard let revert = state.revert?.record else { return nil }
        return try DeviceGlance(stack).progress(of: revert)
    }
}
