internal import System
internal import Catalog
internal import Hooks
package import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// What to take snapshots of, and what to write on them.
package struct TakeRequest: Hashable, Sendable {
    package var volumes: [String]
    package var name: String?
    /// Makes a set even of one volume.
    package var setName: String?
    package var tags: [String]
    package var note: String?
    /// Does nothing when every volume has a younger snapshot; in seconds.
    package var minimumAgeSeconds: Int64?
    /// The schedule that asks for it, and for which of its slots; nil when it is taken by hand.
    var slot: ScheduledSlot?

    package init(
        volumes: [String], name: String? = nil, setName: String? = nil, tags: [String] = [],
        note: String? = nil, minimumAgeSeconds: Int64? = nil
    ) {
        self.volumes = volumes
        self.name = name
        self.setName = setName
        self.tags = tags
        self.note = note
        self.minimumAgeSeconds = minimumAgeSeconds
    }
}

/// What a schedule asks for.
struct ScheduledSlot: Hashable, Sendable {
    var schedule: String
    var slot: Timestamp
    /// Takes nothing when nothing was written since the snapshots before.
    var skipsUnchanged: Bool
}

/// What was taken; nothing when the volumes had younger snapshots.
package struct TakeReport: Hashable, Sendable {
    package var snapshots: [SnapshotSummary]
    package var set: SetID?
    /// For how long writes waited, in nanoseconds; of a set, from the first volume's hold to the last
    /// one's release.
    package var heldNanoseconds: Int64
    /// Whether another tick has taken it meanwhile.
    var isServedAlready = false
    /// What was done with the VMs whose disks they are; nil when they are no VM's.
    package var machines: MachinesRecord?
}

extension TakeReport: JSONConvertible {
    package var json: JSONValue {
        [
            "snapshots": JSONValue(snapshots), "set_id": JSONValue(set),
            "held_us": JSONValue(heldNanoseconds / 1000), "vms": machines?.json ?? .null,
        ]
    }
}

/// Takes a snapshot of a volume, or of several at one instant.
package struct SnapshotService {
    let context: ManagerContext

    /// - Throws: `ambiguous` when a name is a volume's and that of a set of the settings.
    package func take(_ request: TakeRequest) throws -> TakeReport {
        // A schedule names the volumes, and their set.
        let request = try request.slot == nil ? SetExpansion(context).expanded(request) : request
        try validate(request)
        MachineRescue(context).runQuietly()
        return try context.asJob(.snapshot, of: request.volumes) { context in
            try SnapshotService(context: context).takeValid(request)
        }
    }

    private func takeValid(_ request: TakeRequest) throws -> TakeReport {
        let patience =
            request.slot == nil
            ? ManagerContext.lockPatienceMilliseconds : ManagerContext.slotPatienceMilliseconds
        return try Reconciler(context).withVolumes(
            request.volumes, patienceMilliseconds: patience
        ) { volumes in
            if try isServed(request) {
                return TakeReport(
                    snapshots: [], set: nil, heldNanoseconds: 0, isServedAlready: true)
            }
            guard try isDue(request, volumes) else {
                return TakeReport(snapshots: [], set: nil, heldNanoseconds: 0)
            }
            try requireFreeName(request, volumes)
            return try take(request, of: volumes)
        }
    }

    /// A clone's snapshots are clones of it that nobody writes to.
    private func requireNoClone(_ name: String) throws {
        // A promotion that was cut leaves a volume and a clone of one name.
        guard try context.catalog.volume(named: name) == nil,
            let clone = try context.catalog.clones(named: name).first
        else { return }
        throw Problem(
            .refused,
            "`\(name)` is a clone of volume \(clone.volume): what keeps its state is a clone of it that is not "
                + "written to", hint: "run \(.cloneKeep(name))")
    }

    private func validate(_ request: TakeRequest) throws {
        guard !request.volumes.isEmpty else {
            throw Problem(
                .usage, "no volume is named", hint: "run \(.volumeList) to see the volumes")
        }
        for name in request.volumes { try requireNoClone(name) }
        try SnapshotLabels(name: request.name, note: request.note, tags: request.tags).validate()
        if let name = request.setName { try SnapshotName.validate(name) }
        guard request.volumes.count <= TextBounds.setVolumeCount else {
            throw Problem(
                .usage, "there are \(request.volumes.count) volumes",
                hint: "take at most \(TextBounds.setVolumeCount) at one moment")
        }
    }

    /// Asked with the volumes' locks, so that nobody serves the slot at the same time.
    private func isServed(_ request: TakeRequest) throws -> Bool {
        guard let slot = request.slot else { return false }
        let target =
            request.setName.map(ScheduleTarget.set)
            ?? request.volumes.first.map(ScheduleTarget.volume)
        guard let target else { return false }
        let key = ScheduleKey(target: target, schedule: slot.schedule)
        return try context.catalog.scheduleMarks()[key]?.served.contains(slot.slot) ?? false
    }

    /// A script that always gives the same name must be heard of by who looks at events alone.
    private func requireFreeName(_ request: TakeRequest, _ volumes: [VolumeRow]) throws {
        guard let name = request.name else { return }
        do {
            for volume in volumes { try context.requireFree(name, in: volume.record.name) }
        } catch {
            try? noteFailure(volumes, because: error)
            throw error
        }
    }

    private func isDue(_ request: TakeRequest, _ volumes: [VolumeRow]) throws -> Bool {
        if request.slot?.skipsUnchanged == true, try volumes.allSatisfy(isUnchanged) {
            return false
        }
        guard let age = request.minimumAgeSeconds else { return true }
        let limit = context.clock.now().advanced(bySeconds: -age)
        return try volumes.contains { volume in
            let latest = try context.catalog.latestSnapshot(volume: volume.record.name)
            return latest.map { $0.takenAt <= limit } ?? true
        }
    }

    /// Whether nothing was written to the volume since its newest snapshot, as far as is known on
    /// disk. A write that is under way makes the next slot's snapshot differ.
    private func isUnchanged(_ volume: VolumeRow) throws -> Bool {
        guard let latest = try context.catalog.latestSnapshot(volume: volume.record.name),
            latest.state == .active
        else { return false }
        let reader = try context.reader(volume)
        guard try reader.runningRevert() == nil,
            latest.volumeBytes == reader.record.geometry.volumeBytes
        else { return false }
        return try AreaMaps(context, volume, reader: reader).chunkMap(of: latest.ordinal).isEmpty
    }

    /// The ids come from the catalog first, then the stores take the snapshots, then the catalog
    /// takes over what they wrote. A crash in between is seen by the phases of the rows.
    private func take(_ request: TakeRequest, of volumes: [VolumeRow]) throws -> TakeReport {
        try context.requireIndependent(volumes)
        let hooked = try HookedOperation(
            context,
            HookOperation(
                .snapshot, volumes: volumes.map(\.record.name), set: request.setName,
                schedule: request.slot?.schedule))
        let resting = try RestingSet(context, volumes, hooked)
        // Programs and VMs go on whatever has happened, and before anybody reports it.
        defer { resting?.undo() }
        // The hooks are kept by what is told of them, which must not keep itself so, with its locks and connections.
        let note: (HookRun) -> Void = { [weak resting] in resting?.note($0) }
        let report: TakeReport = try hooked.performAtRest(onRun: note) { hooks in
            try resting?.preparePrograms(hooks)
            let begun = try begin(request, volumes)
            do {
                try resting?.prepare(begun.requests)
                // What hooks have put at rest must still be so while the volume is held.
                let taken =
                    try volumes.count == 1 && resting?.isIdle != false
                    ? takeOne(begun.requests, of: volumes)
                    : takeAll(begun.requests, of: volumes, resting)
                return try record(taken.outcomes, volumes, begun.set, taken.heldNanoseconds)
            } catch {
                resting?.giveUp(Problem(error))
                // What failed first is what people must know; the next command settles the rest.
                try? giveUp(volumes, set: begun.set, because: error)
                throw error
            }
        } facts: { report in
            HookFacts(
                snapshots: report.snapshots.reduce(into: [:]) { $0[$1.volume] = $1.id })
        }
        return try resting?.conclude(report) ?? report
    }

    private func begin(
        _ request: TakeRequest, _ volumes: [VolumeRow]
    ) throws -> (set: SetID?, requests: [SnapshotRequest]) {
        // A tick has looked at the clock, which what is taken now says nothing of. Files are read before
        // the catalog is locked.
        let watch = request.slot == nil ? ClockJudge(context, try? context.settings.get()) : nil
        return try context.catalog.atomically("giving out ids") {
            try watch?.record()
            return try giveOutIDs(request, volumes)
        }
    }

    private func giveOutIDs(
        _ request: TakeRequest, _ volumes: [VolumeRow]
    ) throws -> (set: SetID?, requests: [SnapshotRequest]) {
        let isSet = volumes.count > 1 || request.setName != nil
        let set = try isSet ? context.catalog.beginSet(name: request.setName) : nil
        var description = SnapshotDescription(
            kind: request.slot == nil ? .manual : .scheduled, name: request.name, setID: set,
            setName: request.setName, setVolumes: isSet ? volumes.map(\.record.uuid) : nil,
            schedule: request.slot?.schedule, slot: request.slot?.slot, tags: request.tags,
            note: request.note)
        let ids = try volumes.map {
            try context.catalog.beginSnapshot(volume: $0.record.name, description: description)
        }
        // Read after the ids were given out, so that every store knows all of them.
        description.idFloor = try context.catalog.idFloor()
        return (set, ids.map { SnapshotRequest(id: $0, description: description) })
    }

    private typealias Taken = (outcomes: [SnapshotOutcome], heldNanoseconds: Int64)

    private func takeAll(
        _ requests: [SnapshotRequest], of volumes: [VolumeRow], _ resting: RestingSet?
    ) throws -> Taken {
        for volume in volumes { _ = try context.reader(volume) }
        let sessions = try context.openSessions(volumes)
        defer { context.closeSessions(sessions) }
        let members = zip(zip(volumes, sessions), requests).map { member, request in
            SetBarrier.Member(
                volume: member.0.record.name, session: member.1,
                preparation: .prepareSnapshot(request))
        }
        let barrier = SetBarrier(members, clock: context.clock, end: context.end)
        let (committed, held) = try barrier.run(
            onPrepared: { try resting?.comeToRest() }, onHeld: { try resting?.onHeld() },
            onReleased: { resting?.onReleased() })
        let outcomes = try committed.map { committed in
            guard let outcome = committed.snapshot else {
                throw Problem.unexpectedReply(to: "commit", of: committed.volume)
            }
            return outcome
        }
        return (outcomes, held)
    }

    /// One volume, with one request to whoever has it open.
    private func takeOne(_ requests: [SnapshotRequest], of volumes: [VolumeRow]) throws -> Taken {
        let outcomes = try zip(requests, volumes).map { request, volume in
            try context.withSession(volume) { session in
                try session.takeSnapshot(request)
            }
        }
        return (outcomes, outcomes.map(\.heldNanoseconds).max() ?? 0)
    }

    private func record(
        _ outcomes: [SnapshotOutcome], _ volumes: [VolumeRow], _ set: SetID?,
        _ heldNanoseconds: Int64
    ) throws -> TakeReport {
        let usages = zip(outcomes, volumes).map { outcome, volume in
            AreaBookkeeper(context, volume).settled(before: outcome.manifest.ordinal)
        }
        let summaries = try context.catalog.atomically("recording snapshots") {
            if let set { try context.catalog.setHeld(set, nanoseconds: heldNanoseconds) }
            return try zip(zip(outcomes, usages), volumes).compactMap {
                try record($0.0.manifest, $0.1, $1)
            }
        }
        return TakeReport(snapshots: summaries, set: set, heldNanoseconds: heldNanoseconds)
    }

    private func record(
        _ manifest: SnapshotManifest, _ usage: SettledUsage?, _ volume: VolumeRow
    ) throws -> SnapshotSummary? {
        try context.catalog.commitSnapshot(manifest, volume: volume.record.name)
        try AreaBookkeeper(context, volume).snapshotTaken(manifest.ordinal, usage)
        try context.log(
            .snapshotTaken, "snapshot \(manifest.id) was taken", volume: volume.record.name,
            snapshot: manifest.id)
        return try context.catalog.snapshot(manifest.id).map { SnapshotSummary($0) }
    }

    /// Compares with the stores what became of it, as the next command would.
    private func giveUp(
        _ volumes: [VolumeRow], set: SetID?, because error: any Error
    ) throws {
        try Reconciler(context).settleQuietly(volumes)
        if let set { try context.catalog.abandonSet(set) }
        try noteFailure(volumes, because: error)
    }

    private func noteFailure(_ volumes: [VolumeRow], because error: any Error) throws {
        let names = volumes.map(\.record.name)
        try context.log(
            .error, .snapshotFailed,
            "no snapshot of \(names.joined(separator: ", ")) was taken: \(Problem(error).message)",
            volume: names.count == 1 ? names.first : nil)
    }
}
