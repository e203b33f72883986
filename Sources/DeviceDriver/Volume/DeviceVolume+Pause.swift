internal import System
internal import DeviceMapper
internal import StoreFormat
internal import SnapshotModel

// Merges that are paused. The kernel's merge has no pause: while it shall rest, `base` is a table of
// windows in its place, and the overlay stays as it is.
extension DeviceVolume {
    /// Has the merge copy nothing until it is resumed. Does nothing when none runs, and ends one that
    /// has nothing left to do.
    ///
    /// The mark comes first, and the kernel follows: a command that is killed in between is finished
    /// by the next one. I/O waits for `base` alone, which is as right before the exchange as after it:
    /// so whoever resumes it in between does no harm.
    func pauseMerge() throws(Problem) {
        try requireActive()
        try requireRunning()
        guard let merging = state.merging, merging.phase != .paused else { return }
        if let failure = try mergeFailure() { throw failure }
        if try finishMergeIfDone() { return try tidy() }
        try checkSegments(merging.record)
        try store.writeMark(StoreLayout.pausedMark(merging.record.id))
        try reload()
        do throws(Problem) { try rest(merging.record) } catch {
            // What is said to have failed shall not come about later.
            if let role = try? stack.contentRole(), role == .merging {
                try? store.removeMark(StoreLayout.pausedMark(merging.record.id))
                try? reload()
            }
            throw error
        }
        try tidy()
    }

    /// Has a merge go on that is paused or has stopped at an error, at full speed if it was slowed down.
    func resumeMerge() throws(Problem) {
        try requireRunning()
        if let revert = state.revert?.record.id { dropLimit(of: revert) }
        guard let merging = state.merging, merging.phase == .paused else {
            return try restartMerge()
        }
        try requireActive()
        try store.removeMark(StoreLayout.pausedMark(merging.record.id))
        try reload()
        if try mergeFailure() != nil {
            try restartMerge()
        } else if let running = state.merging {
            try carryOn(running)
        }
        try tidy()
    }

    /// Brings the kernel to what the store says of a revert that has begun.
    func carryOn(_ revert: RunningRevert) throws(Problem) {
        let role = try stack.contentRole()
        guard revert.phase == .paused else {
            if role != .merging { try flip(to: revert.record) }
            return
        }
        // One that has stopped at an error copies nothing, and its overlay may not be readable.
        if role == .merging, try mergeFailure() != nil { return }
        try rest(revert.record)
    }

    /// Why nobody can wait for the merge's end; nil when one can.
    func restingProblem() throws(Problem) -> Problem? {
        try requireActive()
        if let problem = try DeviceInspector(stack).suspensionProblem() { return problem }
        guard let merging = state.merging, merging.phase == .paused else { return nil }
        return Problem(
            .refused, "the merge of snapshot \(merging.record.targetID) is paused", hint: mergeHint)
    }

    /// Puts the table of a merge that rests in place of one that runs, or of the origin, which is so
    /// only while the volume is held.
    private func rest(_ revert: RevertRecord) throws(Problem) {
        guard try stack.contentRole() != .paused else { return }
        try bringUpMerge(revert)
        try ensureUnder()
        var isDone = false
        // Only when the kernel has ended the step at hand, what is not merged stays so.
        try stack.replaceHeld(.content) { () throws(Problem) in
            let unmerged = try unmergedChunks(of: revert)
            isDone = unmerged.isEmpty
            return try isDone ? originTable() : pausedTable(revert, unmerged)
        }
        guard try stack.contentRole() != .merging else {
            throw Problem(
                .interrupted, "the merge on volume \(record.name) went on meanwhile",
                hint: "run the command again when the disk is less busy")
        }
        if isDone { try finishMerge() }
    }

    /// What `base` is while a merge rests, when there is no `base` yet.
    func restingTable(_ revert: RevertRecord) throws(Problem) -> DeviceTable {
        try ensureUnder()
        let unmerged = try unmergedChunks(of: revert)
        return try unmerged.isEmpty ? originTable() : pausedTable(revert, unmerged)
    }

    /// After all that hangs on `real`: an origin learns when it is resumed what that is.
    private func ensureUnder() throws(Problem) {
        try stack.ensure(.pausedOrigin) { () throws(Problem) in try originTable() }
    }

    private func originTable() throws(Problem) -> DeviceTable {
        try stack.originTable(on: .linear, bytes: record.geometry.volumeBytes)
    }

    private func pausedTable(
        _ revert: RevertRecord, _ unmerged: ChunkMap
    ) throws(Problem) -> DeviceTable {
        try stack.pausedTable(revert.id, bytes: record.geometry.volumeBytes).table(unmerged)
    }

    /// Where in the overlay each chunk lies that is not merged. The kernel takes an entry out of the
    /// list, from its end, when the chunk is durable on the origin.
    private func unmergedChunks(of revert: RevertRecord) throws(Problem) -> ChunkMap {
        let path = stack.name(.overlay(revert.id)).path
        let device = try doing { () throws(IOFailure) in
            try FileDevice(path: path, access: .readDirectly)
        }
        let reader = AreaReader(
            device: device, format: state.format,
            originChunkCount: record.geometry.chunkCount)
        do { return try reader.chunkMap() } catch { throw Problem(error, area: path) }
    }

    private func checkSegments(_ revert: RevertRecord) throws(Problem) {
        let unmerged = try unmergedChunks(of: revert)
        guard PausedTable.segmentsMaximum(unmerged) > pausedSegmentsMaximum else { return }
        throw Problem(
            .refused,
            "what is not merged on volume \(record.name) lies in \(unmerged.runs.count) pieces, too "
                + "many for a merge that is paused",
            hint: "slow it down with \(.mergeThrottle(record.name)), or try later")
    }
}
