internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// Compares what the catalog has left unfinished with the stores, and finishes or abandons it.
///
/// Every verb that touches a volume runs it first. It does nothing, and writes nothing, when
/// nothing is unfinished; what it does, it says.
struct Reconciler {
    let context: ManagerContext

    private let isQuiet: Bool

    init(_ context: ManagerContext, isQuiet: Bool = false) {
        self.context = context
        self.isQuiet = isQuiet
    }

    /// Runs `body` on the named volumes (all for none) while no other command can change them, after
    /// what a crash left on them was put right.
    func withVolumes<Result>(
        _ names: [String],
        patienceMilliseconds: Int = ManagerContext.lockPatienceMilliseconds,
        _ body: ([VolumeRow]) throws -> Result
    ) throws -> Result {
        let volumes = try context.volumes(names)
        try BrokenMarks(context: context).takeOver(volumes)
        while true {
            let locked = try closure(of: volumes)
            let result: Result? = try context.withLocks(
                locked, patienceMilliseconds: patienceMilliseconds
            ) {
                // Another command may have begun or ended something while we waited.
                guard try isWhole(locked, volumes) else { return nil }
                try reconcile(volumes)
                let rows = try context.volumes(volumes.map(\.record.name))
                for row in rows where row.labelling != nil { try finishLabelling(row) }
                for row in rows where row.cloning != nil { try finishCloning(row) }
                return try body(rows)
            }
            if let result { return result }
            try context.end.check()
        }
    }

    /// Whether what belongs to the volumes is among those that are locked.
    private func isWhole(_ locked: [VolumeRow], _ volumes: [VolumeRow]) throws -> Bool {
        let known = Set(locked.map(\.record.name))
        return try known.isSuperset(of: closure(of: volumes).map(\.record.name))
    }

    /// As ``withVolumes(_:_:)`` for one volume.
    func withVolume<Result>(
        _ name: String,
        patienceMilliseconds: Int = ManagerContext.lockPatienceMilliseconds,
        _ body: (VolumeRow) throws -> Result
    ) throws -> Result {
        try withVolumes([name], patienceMilliseconds: patienceMilliseconds) { volumes in
            guard let volume = volumes.first else { throw context.noVolume(name) }
            return try body(volume)
        }
    }

    /// For verbs that only read: puts things right when nobody is at work there. What cannot be put
    /// right in one volume is said, and no reason not to look at the others.
    func tidy(_ names: [String]) throws {
        let volumes = try context.volumes(names)
        // What cannot be written to is shown as it is.
        guard context.catalog.access == .writable else { return }
        try BrokenMarks(context: context).takeOver(volumes)
        for volume in volumes where try volume.cloning != nil || hasUnfinished([volume]) {
            do {
                let locked = try closure(of: [volume])
                try context.withLocksIfFree(locked) {
                    // What has changed meanwhile is somebody's who is at work.
                    guard try isWhole(locked, [volume]) else { return }
                    try reconcile([volume])
                    let row = try context.volume(volume.record.name)
                    if row.cloning != nil { try finishCloning(row) }
                }
            } catch {
                let problem = Problem(error).about("volume \(volume.record.name)")
                guard problem.code != .interrupted else { throw problem }
                context.note(problem.message)
            }
        }
    }

    /// For a use case that has just failed and still has its locks: finishes or abandons what it
    /// began. Nothing is noted, because the failure itself is reported.
    func settleQuietly(_ volumes: [VolumeRow]) throws {
        let quiet = Reconciler(context, isQuiet: true)
        try quiet.reconcile(volumes)
    }
}

// MARK: - What belongs together

extension Reconciler {
    private func hasUnfinished(_ volumes: [VolumeRow]) throws -> Bool {
        let names = Set(volumes.map(\.record.name))
        if try context.catalog.unfinishedReverts().contains(where: { names.contains($0.volume) }) {
            return true
        }
        return try names.contains { try !context.catalog.unfinished(volume: $0).isEmpty }
    }

    /// The volumes, and those that share an unfinished set or revert with them, or with one of those:
    /// all or none of these are put right.
    private func closure(of volumes: [VolumeRow]) throws -> [VolumeRow] {
        let all = try context.catalog.volumes()
        let reverts = try context.catalog.unfinishedReverts()
        var names = Set(volumes.map(\.record.name))
        var fresh = names
        while let name = fresh.popFirst() {
            var uuids: Set<String> = []
            // A volume that has gone since shares nothing.
            if all.contains(where: { $0.record.name == name }) {
                for row in try context.catalog.unfinished(volume: name) {
                    uuids.formUnion(row.setVolumes ?? [])
                }
            }
            var found = Set(all.filter { uuids.contains($0.record.uuid) }.map(\.record.name))
            for row in reverts where row.volume == name || row.group?.contains(name) == true {
                found.formUnion([row.volume] + (row.group ?? []))
            }
            fresh.formUnion(found.subtracting(names))
            names.formUnion(found)
        }
        return all.filter { names.contains($0.record.name) }
    }

    private func reconcile(_ volumes: [VolumeRow]) throws {
        guard try hasUnfinished(volumes) else { return }
        let members = try closure(of: volumes)
        let log = ReconcileLog(context: context, isQuiet: isQuiet)
        var facts: [String: StoreFacts] = [:]
        for volume in members {
            if !isQuiet { noteEndOfMerge(volume) }
            // A store that cannot be read is the verb's own error, in its own words.
            guard let reader = try? context.reader(volume) else { continue }
            facts[volume.record.name] = StoreFacts(volume, reader)
        }
        // Reverts first: rolling one forward finishes its safety snapshot.
        for volume in members {
            guard let facts = facts[volume.record.name] else { continue }
            try RevertReconciler(context, facts, log).run()
        }
        let unfinished = try members.map { try context.catalog.unfinished(volume: $0.record.name) }
        // Judged before anything is done: deleting one member would make its set incomplete.
        let verdicts = try unfinished.joined().map { row in
            (row, try verdict(on: row, facts))
        }
        for (row, verdict) in verdicts where !verdict.endsDeletion {
            guard let facts = facts[row.volume] else { continue }
            try SnapshotReconciler(context, facts, log).carryOut(verdict, on: row)
        }
        let deletions = Dictionary(grouping: verdicts.filter(\.1.endsDeletion), by: \.0.volume)
        for (volume, deletions) in deletions.sorted(by: { $0.key < $1.key }) {
            guard let facts = facts[volume] else { continue }
            try SnapshotReconciler(context, facts, log).finish(deletions)
        }
    }

    /// A command was cut while it wrote labels anew: the catalog takes over what the store says. A store that
    /// cannot be read is the verb's own error, in its own words, and the next command's task.
    private func finishLabelling(_ volume: VolumeRow) throws {
        guard let id = volume.labelling else { return }
        guard let row = try context.catalog.snapshot(id), row.phase == .present,
            row.volume == volume.record.name
        else { return try context.catalog.endLabelling(volume: volume.record.name) }
        guard let manifest = try? context.reader(volume).manifest(row.ordinal), manifest.id == id
        else { return }
        var labels = manifest.labels
        labels.consistency = manifest.consistency
        try context.catalog.setLabels(id, labels)
        guard manifest.labels != row.manifest.labels else { return }
        try ReconcileLog(context: context, isQuiet: isQuiet).say(
            "snapshot \(id) says now: \(manifest.labels.words)", volume: row.volume, snapshot: id)
    }

    /// A command was cut while it made or deleted a clone: the catalog takes over what the store says.
    private func finishCloning(_ volume: VolumeRow) throws {
        guard let name = volume.cloning, let clones = try? context.reader(volume).clones() else {
            return
        }
        try context.catalog.setClones(volume: volume.record.name, clones)
        guard !isQuiet else { return }
        let isThere = clones.contains { $0.name == name }
        let text =
            "clone \(name) was being made or deleted, and \(isThere ? "is there" : "is not there")"
        context.note("volume \(volume.record.name): a command ended early: \(text)")
        try context.log(.warning, .reconciled, text, volume: volume.record.name)
    }

    /// The kernel ends a merge and tells nobody: whoever opens the volume sees it. Best effort: what
    /// fails here fails again in the verb itself.
    private func noteEndOfMerge(_ volume: VolumeRow) {
        guard context.devices(of: volume) != nil, let reader = try? context.reader(volume),
            (try? reader.runningRevert()) != nil, context.isActive(volume)
        else { return }
        try? context.withSession(volume) { _ in }
    }

    private func verdict(
        on row: SnapshotRow, _ facts: [String: StoreFacts]
    ) throws -> SnapshotVerdict {
        guard let own = facts[row.volume] else { return .wait }
        return SnapshotVerdict(
            row: row, manifest: try own.manifest(row.id),
            isSetComplete: try isSetComplete(row, facts))
    }

    /// A set is complete when every volume's store has its member. Safety snapshots stand for
    /// themselves: their reverts are rolled forward instead. One whose revert was then done with
    /// another one is of no use, and would be its volume's second in the set.
    private func isSetComplete(
        _ row: SnapshotRow, _ facts: [String: StoreFacts]
    ) throws -> SnapshotVerdict.Completeness {
        if let revert = try row.revertID.flatMap({ try context.catalog.revert($0) }),
            revert.state != nil, let safety = revert.safetySnapshot
        {
            return safety == row.id
        }
        guard let set = row.setID, let uuids = row.setVolumes, row.revertID == nil else {
            return true
        }
        // One that was committed tells that all stores had theirs.
        if try context.catalog.snapshots(set: set).contains(where: { $0.phase == .present }) {
            return true
        }
        let members = facts.values.filter { uuids.contains($0.volume.record.uuid) }
        for member in members where try !member.hasMember(of: set) { return false }
        return members.count == Set(uuids).count ? true : nil
    }
}

/// Says what was put right, to people and in the event log.
struct ReconcileLog {
    let context: ManagerContext
    let isQuiet: Bool

    func say(_ text: String, volume: String, snapshot: SnapshotID) throws {
        guard !isQuiet else { return }
        context.note("volume \(volume): a command ended early: \(text)")
        try context.log(.warning, .reconciled, text, volume: volume, snapshot: snapshot)
    }
}
