internal import System
internal import DeviceMapper
internal import MergeKit
internal import StoreFormat
internal import SnapshotModel
internal import VolumeAccess

// The kernel's devices of clones. Which there shall be follows from the store alone; as with views, what they read
// falls through to the snapshot that grows.
extension DeviceVolume {
    /// Whether somebody can have it open: its snapshot can be read, and no merge copies from it.
    func isUsable(_ clone: CloneRecord) -> Bool {
        guard let manifest = state.live(clone.snapshotID), manifest.ordinal == clone.snapshot,
            !state.isBroken(manifest.ordinal)
        else { return false }
        return !isSource(clone.ordinal)
    }

    /// Whether the revert that runs copies from it.
    func isSource(_ ordinal: CloneOrdinal) -> Bool {
        state.revert?.record.clone?.areas.contains { $0.ordinal == ordinal } ?? false
    }

    /// Makes the devices of all clones that can be used. One whose devices cannot be made is no reason not to
    /// have the volume.
    func attachClones() {
        for clone in state.clones where isUsable(clone) {
            do throws(Problem) { try attach(clone) } catch {
                warn(
                    "clone \(clone.name) of volume \(record.name) cannot be used now: "
                        + "\(error.message)")
            }
        }
    }

    /// Makes a clone's devices; nothing where they are.
    func attach(_ clone: CloneRecord) throws(Problem) {
        let part = DeviceName.Part.clone(clone.ordinal)
        if let info = try stack.info(part), info.hasLiveTable {
            guard try stack.isLost(part) else { return try requireOwn(clone) }
            guard info.openCount == 0 else {
                throw Problem(.inputOutput, Self.lossCause, hint: "close it")
            }
            try removeDevices(ofClone: clone.ordinal)
        }
        try revalidate(clone)
        try stack.ensure(.cloneBase(clone.ordinal), isReadOnly: true) { () throws(Problem) in
            try baseTable(of: clone)
        }
        try stack.ensure(part, isReadOnly: clone.isReadOnly) { () throws(Problem) in
            try stack.cloneTable(of: clone)
        }
    }

    /// `.refused` when the device that is there is another clone's, whose number this one has now.
    private func requireOwn(_ clone: CloneRecord) throws(Problem) {
        let name = stack.name(.clone(clone.ordinal))
        var own: [DeviceNumber] = []
        if clone.isReadOnly {
            if let base = try stack.info(.cloneBase(clone.ordinal)) { own.append(base.number) }
        } else {
            own = try stack.ownLoops(StoreLayout.cloneArea(clone.ordinal)).map(\.number)
        }
        let found = try asking { () throws(DeviceFailure) in try stack.mapper.dependencies(name) }
        guard own.contains(where: { found.contains($0) }) else {
            throw Problem(
                .refused, "the device \(name) has another area than the clone's",
                hint: "close it, then remove it: `dmsetup remove \(name)`")
        }
    }

    /// Why the kernel takes no I/O for a clone any more.
    static let lossCause =
        "its store was full, or failed, in the middle of a write: what was answered is there again once nobody has "
        + "its device open"

    /// Has the kernel take a clone's area again that it gave up because the store was full or failed.
    ///
    /// All that it has answered for is there: a write was answered when its data and its entry were durable, and no
    /// entry is ever changed.
    ///
    /// - Throws: `corrupt` when the area is damaged: the kernel believes any entry.
    private func revalidate(_ clone: CloneRecord) throws(Problem) {
        _ = try store.chunkMap(of: clone, state.format)
        let area = try store.openCloneArea(clone.ordinal, writable: true)
        let reader = AreaReader(device: area, format: state.format, originChunkCount: .max)
        do { if try reader.header().isValid { return } } catch {
            throw Problem(error, area: area.path)
        }
        try doing { () throws(IOFailure) in
            var header = AlignedBuffer(count: state.format.chunkBytes)
            var bytes = header.mutableBytes
            state.format.encodeHeader(isValid: true, into: &bytes)
            try area.write(header.bytes, at: 0)
            try area.sync()
        }
        warn(
            "the kernel gave up clone \(clone.name) of volume \(record.name), because its store was full or "
                + "failed; all that was answered is there again")
    }

    /// What the clone began as: its snapshot, zeroes where it is larger, and what its layers have.
    private func baseTable(of clone: CloneRecord) throws(Problem) -> DeviceTable {
        let manifest = try readable(clone.snapshotID)
        var table = LayeredTable(try viewTable(of: manifest).segments, state.format)
        table.extend(toBytes: clone.volumeBytes)
        let layers = clone.layers ?? []
        let areas = try stack.areaLoops(Set(layers.map(\.inPlans)))
        // The newest counts, and comes last.
        for ordinal in layers.reversed() {
            let layer = try store.requireLayer(ordinal)
            guard let area = areas[ordinal.inPlans] else { continue }
            table.cover(
                try store.chunkMap(of: layer, state.format), by: area,
                upToBytes: layer.volumeBytes)
        }
        return table.table
    }

    // MARK: Following the chain

    /// Has what clones read fall through to the snapshots that grow now, and removes the devices of clones that
    /// are not there, or cannot be used.
    func tidyClones() throws(Problem) {
        let usable = Set(state.clones.filter(isUsable).map(\.ordinal))
        let parts = try stack.existing()
        for case .clone(let ordinal) in parts where !usable.contains(ordinal) {
            // Who has it open has errors, where it reads what is lost. He is not waited for.
            if try isClosed(ordinal) { try? stack.remove(.clone(ordinal)) }
        }
        for case .cloneBase(let ordinal) in parts {
            if try stack.info(.clone(ordinal)) == nil, !usable.contains(ordinal) {
                try stack.remove(.cloneBase(ordinal))
            } else {
                try repoint(ordinal)
            }
        }
    }

    /// As ``repointViews()``, of what a clone began as. The number of the device that it falls through to tells
    /// whether it does already: as long as it does, nothing else has that.
    private func repoint(_ ordinal: CloneOrdinal) throws(Problem) {
        let part = DeviceName.Part.cloneBase(ordinal)
        guard let clone = state.clones.first(where: { $0.ordinal == ordinal }), isUsable(clone)
        else {
            let table = try errorTable(of: part)
            guard try stack.table(part) != table else { return }
            return try stack.replace(part, table, isReadOnly: true)
        }
        do throws(Problem) { try repoint(part, clone) } catch {
            // That one clone cannot be had is no reason not to have the volume.
            warn(
                "clone \(clone.name) of volume \(record.name) cannot be used any more: \(error.message); "
                    + "see \(.check(record.name))")
            try giveUp(ordinal)
        }
    }

    /// Has nothing of a clone stand on the snapshot's device that it fell through to. Who has it open has errors.
    private func giveUp(_ ordinal: CloneOrdinal) throws(Problem) {
        if try isClosed(ordinal), (try? removeDevices(ofClone: ordinal)) != nil { return }
        let part = DeviceName.Part.cloneBase(ordinal)
        guard try stack.info(part) != nil else { return }
        let table = try errorTable(of: part)
        guard try stack.table(part) != table else { return }
        try stack.replace(part, table, isReadOnly: true)
    }

    private func isClosed(_ ordinal: CloneOrdinal) throws(Problem) -> Bool {
        try stack.info(.clone(ordinal))?.openCount ?? 0 == 0
    }

    private func repoint(
        _ part: DeviceName.Part, _ clone: CloneRecord
    ) throws(Problem) {
        if let growing = state.growing(from: clone.snapshot),
            let number = try stack.info(.snapshot(growing.ordinal))?.number,
            try asking({ () throws(DeviceFailure) in
                try stack.mapper.dependencies(stack.name(part))
            }).contains(number)
        {
            return
        }
        let table = try baseTable(of: clone)
        guard try stack.table(part) != table else { return }
        try stack.replace(part, table, isReadOnly: true)
    }

    // MARK: Down

    /// `.refused` when somebody has a clone open, naming who.
    func requireClonesClosed() throws(Problem) {
        for case .clone(let ordinal) in try stack.existing() {
            let name = state.clones.first { $0.ordinal == ordinal }?.name ?? "\(ordinal)"
            if let problem = try stack.openProblem(clone: name, ordinal) { throw problem }
        }
    }

    /// Removes the devices of all clones.
    func removeClones() throws(Problem) {
        let parts = try stack.existing()
        for case .clone(let ordinal) in parts { try stack.remove(.clone(ordinal)) }
        for case .cloneBase(let ordinal) in parts { try stack.remove(.cloneBase(ordinal)) }
    }

    /// Removes a clone's devices. `.refused` when somebody has it open.
    func removeDevices(ofClone ordinal: CloneOrdinal) throws(Problem) {
        try stack.remove(.clone(ordinal))
        try stack.remove(.cloneBase(ordinal))
        try stack.detachUnusedLoops()
    }

    /// Sweeps what was left of creations and removals of clones, and has the records of layers say that they are
    /// layers.
    func sweepClones() throws(Problem) {
        let survey = reading.cloneSurvey
        for warning in survey.warnings(record) { warn(warning) }
        // One that somebody has open waits until he closes it.
        for ordinal in survey.unfinished where try isClosed(ordinal) {
            try removeDevices(ofClone: ordinal)
            removeFolder(ordinal)
            warn("swept the unfinished folder of clone \(ordinal)")
        }
        // Where it fails, as on a full disk, it is done before the last clone that reads the layer goes.
        for layer in survey.layers where layer.role != .layer { try? mark(layer) }
    }
}

extension VolumeStack {
    /// Why a clone's device cannot go, naming who has it open; nil when nobody has.
    func openProblem(
        clone name: String, _ ordinal: CloneOrdinal
    ) throws(Problem) -> Problem? {
        guard let holders = try holders(of: .clone(ordinal)) else { return nil }
        let path = self.name(.clone(ordinal)).path
        return Problem(
            .refused,
            "clone \(name) of volume \(record.name) is open: \(path) is \(holders.text)",
            hint: holders.mountPoint.map { "run \(.umount($0))" }
                ?? holders.clientHint(ExportName(volume: name))
                ?? "close it, then run the command again; see `fuser -v \(path)`")
    }
}
