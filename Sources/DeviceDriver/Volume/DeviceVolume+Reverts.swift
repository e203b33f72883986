internal import System
internal import DeviceMapper
internal import StoreFormat
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
            try attach(safety, on: .linear)
            try hangOnReal(safety)
        }
        try store.writeMark(StoreLayout.begunMark(revert.id))
        // The kernel takes no second merge beside the first.
        if try stack.contentRole() == .merging { try stopMerge() }
        try stack.replace(
            .content, stack.mergeTable(revert.id, bytes: record.geometry.volumeBytes))
        try reload()
    }

    /// A snapshot that was taken in the middle of an earlier merge hangs on `base`, and would not see
    /// what this merge overwrites. Nothing is written meanwhile, so that its area says all.
    private func hangOnReal(_ manifest: SnapshotManifest) throws(Problem) {
        let part = DeviceName.Part.snapshot(manifest.ordinal)
        guard case .snapshot(let origin, _, _, _) = try stack.table(part).segments.first?.target,
            try origin != stack.reference(.linear)
        else { return }
        try stack.replace(part, try stack.snapshotTable(of: manifest, on: .linear))
        try stack.renewOrigin()
    }

    /// Has the volume read the origin again, whatever of a merge is done.
    func stopMerge() throws(Problem) {
        guard let role = try stack.contentRole(), role != .origin else { return }
        try stack.replace(
            .content, stack.originTable(on: .linear, bytes: record.geometry.volumeBytes))
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

    /// Ends the merge if the kernel has; whether it did. A merge that has failed is left as it is,
    /// since the volume goes on: see ``mergeFailure()``.
    func finishMergeIfDone() throws(Problem) -> Bool {
        guard state.merging != nil, try stack.contentRole() == .merging else { return false }
        guard case .usage(let allocated, _, let metadata) = try stack.status(.content),
            allocated == metadata
        else { return false }
        try finishMerge()
        return true
    }

    /// What the kernel says of a merge that has stopped; nil while all is well, also of one that is
    /// paused.
    func mergeFailure() throws(Problem) -> Problem? {
        guard let merging = state.merging, let role = try stack.contentRole(), role != .origin
        else {
            return nil
        }
        var parts: [DeviceName.Part] = [.overlay(merging.record.id)]
        if role == .merging { parts.append(.content) }
        for part in parts where try stack.isLost(part) {
            return Problem(
                .inputOutput,
                "the store of volume \(record.name) failed in the middle of a merge: what is not "
                    + "merged cannot be read or written now",
                hint: "see `dmesg`; when the store works again, run "
                    + "\(.mergeResume(record.name))")
        }
        guard role == .merging, case .mergeFailed = try stack.status(.content) else { return nil }
        return Problem(
            .inputOutput,
            "the kernel's merge on volume \(record.name) has stopped at an I/O error: nothing is "
                + "lost, the volume reads as the snapshot",
            hint: "see `dmesg`; when the disk works again, run "
                + "\(.mergeResume(record.name))")
    }

    /// Begins a merge again that has stopped at an error. Reading the same tables anew is enough: the
    /// kernel forgets then that it failed, and goes on where the overlay's metadata say.
    ///
    /// The kernel takes no second merge beside the first, so that there is a moment when the volume
    /// would read an origin that is half merged: all I/O waits for it. Should this process die then,
    /// the next command finishes it.
    func restartMerge() throws(Problem) {
        guard let merging = state.merging, try mergeFailure() != nil else { return }
        let id = merging.record.id
        try stack.noteSuspension(of: [.content, .mounted])
        try stack.suspend(.mounted, freezesFilesystem: false)
        do throws(Problem) {
            try stopMerge()
            if try stack.isLost(.overlay(id)) {
                try stack.remove(.overlay(id))
                try stack.detachUnusedLoops()
            }
            try flip(to: merging.record)
        } catch {
            // A volume that reads wrongly stays suspended.
            if let role = try? stack.contentRole(), role != .origin {
                try? stack.letGoUnguarded([.content, .mounted])
            }
            throw error
        }
        try stack.letGoUnguarded([.content, .mounted])
        stack.noteResumption(of: [.content, .mounted])
    }

    /// Has the kernel take an overlay again that it gave up because the store failed.
    ///
    /// All that it has answered for is there: an exception was answered for when its data and its
    /// entry were durable, and no exception is ever changed but by its user's own writes.
    func revalidateOverlay(_ id: RevertID, _ layout: SyntheticLayout) throws(Problem) {
        let format = state.format
        let overlay = try doing { () throws(IOFailure) in
            try store.folder.openFile(StoreLayout.syntheticOverlay(id), writable: true)
        }
        let reader = AreaReader(
            device: overlay, format: format, originChunkCount: layout.chunkCount)
        do {
            if try reader.header().isValid { return }
            _ = try reader.chunkMap()
        } catch { throw Problem(error, area: overlay.path) }
        try doing { () throws(IOFailure) in
            var header = AlignedBuffer(count: format.chunkBytes)
            var bytes = header.mutableBytes
            format.encodeHeader(isValid: true, into: &bytes)
            try overlay.write(header.bytes, at: 0)
            try overlay.sync()
        }
        warn(
            "the kernel gave up what was written to volume \(record.name) in mid-merge, because its "
                + "store failed; all that was answered is there again")
    }

    /// With everything merged: the volume reads the origin, and the revert goes. Each step may be
    /// done again, and works in a store that is full: the first ones free what the others need.
    func finishMerge() throws(Problem) {
        guard let revert = state.revert?.record else { return }
        try store.writeMark(StoreLayout.mergedMark(revert.id))
        try stopMerge()
        try removeOverlay(revert.id)
        try changeRecord { $0.noteEnded(revert.id) }
        let hasEnded = try endClone(of: revert)
        try removeRevert(revert.id)
        try reload()
        if hasEnded, let clone = revert.clone { removeEnded(clone) }
    }

    private func removeOverlay(_ id: RevertID) throws(Problem) {
        try stack.remove(.overlay(id))
        try stack.detachUnusedLoops()
        let name = StoreLayout.syntheticOverlay(id)
        try doing { () throws(IOFailure) in
            if try store.folder.exists(name) { try store.folder.removeFile(name) }
        }
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
        return try DeviceInspector(stack).progress(of: revert)
    }
}
