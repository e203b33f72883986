internal import System
internal import Catalog
internal import Scheduler
internal import Settings
internal import SnapshotModel
internal import StoreFormat

/// What the settings say about keeping one volume's snapshots.
struct VolumeRetention {
    private let context: ManagerContext
    private let settings: Settings
    let volume: VolumeRow
    let rows: [RetentionRow]
    /// A policy that is tried out in the place of a target's own.
    private let trial: (target: ScheduleTarget, policy: NamedPolicy)?
    /// Read once, from each copy's manifest, however many plans are made.
    private let copyTimes: [SnapshotID: Timestamp]

    init(
        _ context: ManagerContext, _ settings: Settings, _ volume: VolumeRow,
        trying trial: (target: ScheduleTarget, policy: NamedPolicy)? = nil
    ) throws {
        self.context = context
        self.trial = trial
        self.settings = settings
        self.volume = volume
        rows = try context.catalog.retentionRows(volume: volume.record.name)
        copyTimes = try Self.copyTimes(of: rows, in: volume, context)
    }

    /// When copies were taken where they come from. In the chain they stand behind what was taken here before they came,
    /// with its time when that is later: of all that came after it, the same one.
    ///
    /// It is the source that says them, so they count only as far as they rise with the chain and are no later than the
    /// chain says: no copy can be sent that takes the place of an earlier one.
    private static func copyTimes(
        of rows: [RetentionRow], in volume: VolumeRow, _ context: ManagerContext
    ) throws -> [SnapshotID: Timestamp] {
        let copies = rows.filter { $0.kind == .mirror }
        guard !copies.isEmpty else { return [:] }
        let reader = try context.reader(volume)
        var (times, newest): ([SnapshotID: Timestamp], Timestamp?) = ([:], nil)
        for row in copies {
            // One that cannot be read has the time that the catalog knows.
            let manifest = try? reader.manifest(row.ordinal) as SnapshotManifest
            guard let takenAt = manifest?.source?.takenAt else { continue }
            let time = min(row.takenAt, max(takenAt, newest ?? takenAt))
            (times[row.id], newest) = (time, time)
        }
        return times
    }

    private var name: String { volume.record.name }

    /// What stays and what goes, as things are now, or at the moment that is believed to be now.
    func plan() throws -> PrunePlan {
        try plan(asOf: try ClockJudge(context, settings).look().now)
    }

    /// What stays and what goes of all that there is, with ages as of a moment.
    ///
    /// - Parameter open: what somebody reads: whoever has the volume open knows it.
    func plan(asOf moment: Timestamp, open: Set<SnapshotID> = []) throws -> PrunePlan {
        plan(of: try subjects(open), now: moment)
    }

    /// What would have stayed and gone at an earlier moment, of what there was then.
    func plan(at moment: Timestamp) throws -> PrunePlan {
        plan(of: try subjects().filter { $0.takenAt <= moment }, now: moment)
    }

    private func plan(of subjects: [RetentionSubject], now: Timestamp) -> PrunePlan {
        let places = scopePlaces
        return PrunePlan(of: subjects, scopes: scopes, now: now) { places[$0.id] }
    }

    // MARK: policies

    private var own: VolumeSettings { settings.volume(name) }
    private var sets: [SetSettings] { settings.sets(of: name) }

    /// The safety snapshots' first, then the volume's, then those of its sets.
    private var scopes: [RetentionScope] {
        [
            scope(own.safetyPolicy, []),
            scope(tried(.volume(name)) ?? own.policy, own.schedules),
        ] + sets.map { scope(tried(.set($0.name)) ?? $0.policy, $0.schedules) }
    }

    private func tried(_ target: ScheduleTarget) -> NamedPolicy? {
        trial?.target == target ? trial?.policy : nil
    }

    private func scope(_ named: NamedPolicy?, _ schedules: [Schedule]) -> RetentionScope {
        // A policy without rules keeps everything.
        let named = named ?? NamedPolicy(name: "none", policy: RetentionPolicy(rules: []))
        return RetentionScope(
            name: named.name, policy: named.policy,
            nextSlot: schedules.isEmpty ? nil : Self.nextSlot(of: schedules))
    }

    static func nextSlot(of schedules: [Schedule]) -> (Timestamp) -> Timestamp? {
        { moment in schedules.compactMap { $0.nextSlot(after: moment) }.min() }
    }

    /// The snapshots that a target's policy is about, whether or not it keeps them.
    func members(of target: ScheduleTarget) -> Set<SnapshotID> {
        let place: Int? =
            switch target {
            case .volume: 1
            case .set(let set): sets.firstIndex { $0.name == set }.map { $0 + 2 }
            }
        return Set(scopePlaces.filter { $0.value == place }.keys)
    }

    /// The scope of each snapshot by its place in ``scopes``.
    private var scopePlaces: [SnapshotID: Int] {
        let setPlaces = sets.enumerated().reduce(into: [:]) { $0[$1.element.name] = $1.offset + 2 }
        return rows.reduce(into: Dictionary(minimumCapacity: rows.count)) { places, row in
            switch row.kind {
            case .safety: places[row.id] = 0
            case .scheduled: places[row.id] = row.setName.flatMap { setPlaces[$0] } ?? 1
            case .manual, .mirror: places[row.id] = 1
            }
        }
    }

    // MARK: snapshots

    private func subjects(_ open: Set<SnapshotID> = []) throws -> [RetentionSubject] {
        let ids = Set(rows.map(\.id))
        let holds = Dictionary(
            grouping: try context.catalog.holds().filter { ids.contains($0.snapshot) },
            by: \.snapshot)
        let running = try context.reader(volume).runningRevert()
        let cloned = Set(
            try context.catalog.clones(volume: volume.record.name).map(\.record.snapshotID))
        let mounted = try MountHolds(context).points(of: name)
        let sent = try SendingHolds(context).snapshots(of: name)
        let mirrors = try MirrorService(context: context).waiting(in: name)
        let bases = try VolumeStandings(context).bases(of: volume, among: rows)
        return rows.map { row in
            var subject = RetentionSubject(
                id: row.id, ordinal: row.ordinal, takenAt: copyTimes[row.id] ?? row.takenAt,
                kind: row.kind,
                name: row.name, tags: row.tags)
            subject.holds = (holds[row.id] ?? []).map {
                RetentionHold(owner: $0.owner, reason: $0.reason, until: $0.until)
            }
            if running?.targetID == row.id { subject.uses.insert(.merging) }
            if cloned.contains(row.id) { subject.uses.insert(.cloned) }
            subject.mountPoints = mounted[row.id] ?? []
            if !subject.mountPoints.isEmpty { subject.uses.insert(.mounted) }
            // What it is mounted by reads it, too.
            if open.contains(row.id), subject.mountPoints.isEmpty { subject.uses.insert(.read) }
            if sent.contains(row.id) { subject.uses.insert(.sent) }
            subject.isMirrored = !mirrors.missing.contains(row.id)
            if mirrors.bases.contains(row.id) || bases.contains(row.id) {
                subject.uses.insert(.mirrorBase)
            }
            if running?.safetyID == row.id { subject.uses.insert(.undoesRunningRevert) }
            return subject
        }
    }
}
