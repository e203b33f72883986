internal import System
internal import Catalog
internal import Hooks
package import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// What to revert, and how.
package struct RevertOptions: Hashable, Sendable {
    /// Takes no safety snapshot: what was written since the newest snapshot is lost.
    package var skipsSafety: Bool
    /// Whether to return only when the merge has ended; nil waits where nobody serves the volume,
    /// because then nobody else merges.
    package var waits: Bool?
    package var isDryRun: Bool
    /// Of a volume under device-mapper that is open: does it when it is closed.
    package var isQueuedWhileOpen: Bool
    /// Reverts an image under the clients that have it open, and whatever clients write to the clone.
    package var overrulesClients: Bool
    /// A clone of the snapshot: the volume gets what was written to it, too.
    package var clone: CloneUse?
    /// For a look ahead: those that have the volumes open will have gone.
    var ignoresClients = false
    /// Whether a mirror's target is reverted for its mirror, or to be promoted.
    var isForMirror = false

    package init(
        skipsSafety: Bool = false, waits: Bool? = nil, isDryRun: Bool = false,
        isQueuedWhileOpen: Bool = false, overrulesClients: Bool = false, clone: CloneUse? = nil
    ) {
        self.clone = clone
        self.overrulesClients = overrulesClients
        self.skipsSafety = skipsSafety
        self.waits = waits
        self.isDryRun = isDryRun
        self.isQueuedWhileOpen = isQueuedWhileOpen
    }
}

/// Reverts a volume, or all volumes of a set, to a snapshot.
package struct RevertService {
    let context: ManagerContext

    package func revert(
        _ reference: String, _ options: RevertOptions
    ) throws -> RevertReport {
        let (set, rows) = try targets(reference)
        ImageMounts(context).sweepQuietly()
        MachineRescue(context).runQuietly()
        return try context.asJob(.revert, of: rows.map(\.volume)) { context in
            try RevertService(context: context).revert(rows, set, options, reference)
        }
    }

    private func revert(
        _ rows: [SnapshotRow], _ set: SetRow?, _ options: RevertOptions, _ reference: String
    ) throws -> RevertReport {
        try Reconciler(context).withVolumes(rows.map(\.volume)) { volumes in
            let machines = try machines(rows, options, reference)
            guard machines.isEmpty else {
                return try revert(machines, options) { try revert(rows, set, $0, volumes) }
            }
            return try revert(rows, set, options, volumes)
        }
    }

    private func revert(
        _ rows: [SnapshotRow], _ set: SetRow?, _ options: RevertOptions, _ volumes: [VolumeRow]
    ) throws -> RevertReport {
        var isUnderWay = false
        do {
            return try revert(rows, set, options, &isUnderWay)
        } catch  where isUnderWay {
            // What failed first is what people must know; the next command settles the rest.
            try? giveUp(volumes, because: error)
            throw error
        }
    }

    /// - Parameter isUnderWay: whether an error leaves something to be finished or abandoned.
    private func revert(
        _ rows: [SnapshotRow], _ set: SetRow?, _ options: RevertOptions, _ isUnderWay: inout Bool
    ) throws -> RevertReport {
        let clone = try clone(rows, set, options)
        var members = try RevertMember.open(context, rows, with: clone)
        defer { context.closeSessions(members.map(\.session)) }
        var report = RevertReport(
            items: members.map(\.item), set: set?.id, isDryRun: options.isDryRun)
        try requireAllowed(members, options)
        if options.isQueuedWhileOpen, let queued = try queue(report, members, options) {
            return queued
        }
        let participants =
            options.isDryRun
            ? nil : RevertParticipants(context, members.map { ($0.name, $0.target.id) })
        defer { participants?.end(succeeded: false) }
        try participants?.prepare(overrules: options.overrulesClients)
        // Known before anything is begun; but programs before a revert may be what closes the volumes.
        if options.overrulesClients {
            try overruleClients(members, &report)
        } else if try !options.ignoresClients && hooks(members, set).isBare {
            try requireClosed(members)
        }
        guard !options.isDryRun else { return report }
        guard try clone?.ends == true || !isDone(members) else {
            for index in report.items.indices { report.items[index].state = .done }
            participants?.end(succeeded: true)
            return report
        }
        try context.end.check()
        let clients = report.items.map(\.clients)
        report.items = try withHooks(members, set) { onHeld in
            isUnderWay = true
            try begin(&members, options)
            let items = try carryOut(members, onHeld: onHeld)
            isUnderWay = false
            return items
        }
        participants?.end(succeeded: true)
        for index in report.items.indices { report.items[index].clients = clients[index] }
        for (index, member) in members.enumerated()
        where options.waits ?? !member.session.mergesByItself {
            report.items[index].state = try wait(for: member)
        }
        return report
    }

    /// The programs before a revert may stop who uses the volumes, and those after it start them
    /// again: the volume is usable then, although the merge still runs.
    private func withHooks(
        _ members: [RevertMember], _ set: SetRow?,
        _ body: (_ onHeld: () throws -> Void) throws -> [RevertItem]
    ) throws -> [RevertItem] {
        try hooks(members, set).perform(body) { items in
            HookFacts(
                snapshots: Self.targets(of: members),
                reverts: items.reduce(into: [:]) { $0[$1.volume] = $1.id })
        }
    }

    private func hooks(_ members: [RevertMember], _ set: SetRow?) throws -> HookedOperation {
        try HookedOperation(
            context,
            HookOperation(
                .revert, volumes: members.map(\.name), set: set?.name,
                facts: HookFacts(snapshots: Self.targets(of: members))))
    }

    private static func targets(of members: [RevertMember]) -> [String: SnapshotID] {
        members.reduce(into: [:]) { $0[$1.name] = $1.target.id }
    }

    /// Queues the revert if its volume is open; nil when it can be done at once.
    private func queue(
        _ report: RevertReport, _ members: [RevertMember], _ options: RevertOptions
    ) throws -> RevertReport? {
        guard let member = members.first, members.count == 1, report.set == nil else {
            throw Problem(
                .usage, "a set cannot wait until its volumes are closed",
                hint: "close them all, or revert them one by one")
        }
        try context.requireDevices(member.volume, "it need not be closed to be reverted")
        guard !options.skipsSafety else {
            throw Problem(
                .usage, "a revert that waits takes a safety snapshot: nobody is asked then",
                hint: "leave out --no-safety")
        }
        guard try context.inspector(member.volume).openProblem() != nil else { return nil }
        if !options.isDryRun {
            try QueuedReverts(context).add(member.target.id, of: member.name)
        }
        var queued = report
        queued.items[0].isQueued = true
        return queued
    }

    private func requireClosed(_ members: [RevertMember]) throws {
        for member in members {
            if let problem = try context.inspector(member.volume).openProblem() { throw problem }
            if let clients = try member.session.clients() { throw clients.problem(member.name) }
            if let problem = member.preview.cloneProblem { throw problem }
        }
    }

    private func overruleClients(
        _ members: [RevertMember], _ report: inout RevertReport
    ) throws {
        for (index, member) in members.enumerated() {
            report.items[index].clients = try member.session.clients()
            try member.session.overruleClients()
        }
    }

    /// Compares with the stores what became of it, as the next command would.
    private func giveUp(_ volumes: [VolumeRow], because error: any Error) throws {
        try Reconciler(context).settleQuietly(volumes)
        let names = volumes.map(\.record.name)
        try context.log(
            .error, .revertFailed,
            "\(names.joined(separator: ", ")): not reverted: \(Problem(error).message)",
            volume: names.count == 1 ? names.first : nil)
    }

    private func targets(_ reference: String) throws -> (SetRow?, [SnapshotRow]) {
        switch try ReferenceResolver(context).target(reference) {
        case .snapshot(let row): return (nil, [row])
        case .set(let set, let rows):
            guard Set(rows.map(\.volume)).count == rows.count else {
                throw Problem(
                    .corrupt, "set \(set.id) has two snapshots of one volume",
                    hint: "run \(.check())")
            }
            try RevertedSet(context).require(set, rows, reference)
            return (set, rows)
        case .live, .liveSet:
            throw Problem(
                .usage, "`\(reference)` is the volume as it is", hint: "name one of its snapshots")
        }
    }

    private func requireAllowed(_ members: [RevertMember], _ options: RevertOptions) throws {
        if !options.isForMirror {
            let standings = VolumeStandings(context)
            for member in members { try standings.requireNoCopy(member.volume) }
        }
        if !options.overrulesClients {
            let mounts = MountHolds(context)
            try mounts.requireUnmounted(members.map(\.target.id))
            for member in members {
                guard let clone = member.clone else { continue }
                try mounts.requireUnmounted(clone: clone.name, of: member.name)
            }
        }
        for member in members {
            // In mid-merge the first safety snapshot still stands, so the next revert takes none.
            let isDisplacing = try context.reader(member.volume).runningRevert() != nil
            if isDisplacing, !options.skipsSafety {
                throw Problem(
                    .refused,
                    "a merge runs in volume \(member.name): another revert would drop what was "
                        + "written since it began",
                    hint: "wait for it (\(.mergeStatus(member.name))), or use --no-safety")
            }
            if let refusal = member.preview.refusal {
                throw refusal.about("volume \(member.name)")
            }
        }
    }

    /// The clone that is asked for, by the name that it has in its volume.
    private func clone(
        _ rows: [SnapshotRow], _ set: SetRow?, _ options: RevertOptions
    ) throws -> CloneUse? {
        guard var use = options.clone else { return nil }
        guard set == nil, let row = rows.first else {
            throw Problem(
                .usage, "a set has no clone: each of its volumes has clones of its own",
                hint: "revert its volumes one by one, each with its clone; see \(.cloneList)")
        }
        guard !options.isQueuedWhileOpen else {
            throw Problem(
                .usage, "a revert that waits until the volume is closed takes no clone",
                hint: "leave out --with, or close the volume first")
        }
        let clone = try CloneService(context: context).clone(use.name)
        guard clone.volume == row.volume else {
            throw Problem(
                .refused,
                "clone \(clone.record.name) is one of volume \(clone.volume), and not of \(row.volume)",
                hint: "run \(.revertWithClone(clone.record.snapshotID, clone.record.name))")
        }
        use.name = clone.record.name
        return use
    }

    /// Whether the volumes read as the snapshots already.
    private func isDone(_ members: [RevertMember]) throws -> Bool {
        try members.allSatisfy {
            try $0.preview.planBytes == 0 && context.reader($0.volume).runningRevert() == nil
                && $0.target.volumeBytes == $0.volume.record.geometry.volumeBytes
        }
    }
}

// MARK: - Steps

extension RevertService {
    /// Gives out the ids: of the reverts, of their safety snapshots, and of the set that these make.
    private func begin(_ members: inout [RevertMember], _ options: RevertOptions) throws {
        // As for a snapshot: the safety snapshot is dated by a clock that must not explain itself.
        let watch = ClockJudge(context, try? context.settings.get())
        try context.catalog.atomically("giving out ids") {
            try watch.record()
            try giveOutIDs(&members, options)
        }
    }

    private func giveOutIDs(_ members: inout [RevertMember], _ options: RevertOptions) throws {
        let isSet = members.count > 1
        let names = isSet ? members.map(\.name) : nil
        let key = isSet ? context.clock.now().stored : nil
        let set = try isSet && !options.skipsSafety ? context.catalog.beginSet(name: nil) : nil
        let uuids = set.map { _ in members.map(\.volume.record.uuid) }
        for (index, member) in members.enumerated() {
            let id = try context.catalog.beginRevert(
                volume: member.name, snapshot: member.target.id, group: names, groupKey: key)
            var safety: SnapshotRequest?
            if !options.skipsSafety {
                let description = SnapshotDescription(
                    kind: .safety, setID: set, setVolumes: uuids,
                    note: "before the revert to \(member.target.id)", revertID: id)
                let snapshot = try context.catalog.beginSnapshot(
                    volume: member.name, description: description)
                safety = SnapshotRequest(id: snapshot, description: description)
            }
            members[index].request = RevertRequest(
                id: id, target: member.target.id, safety: safety)
        }
        // Read after the ids were given out, so that every store knows all of them.
        let floor = try context.catalog.idFloor()
        for index in members.indices {
            members[index].request?.safety?.description.idFloor = floor
        }
    }

    private func carryOut(
        _ members: [RevertMember], onHeld: () throws -> Void
    ) throws -> [RevertItem] {
        let outcomes: [RevertOutcome]
        if members.count == 1 {
            // One request does it all: before it, nothing says that there is a revert.
            try onHeld()
            outcomes = try members.map(revertOne)
        } else {
            outcomes = try revertAll(members, onHeld: onHeld)
        }
        let commits = zip(members, outcomes).map { member, outcome in
            RevertCommit(context, outcome, volume: member.volume, clone: member.clone)
        }
        try context.catalog.atomically("recording reverts") {
            for commit in commits { try commit.record() }
        }
        return zip(members, outcomes).map { $0.item($1) }
    }

    private func revertOne(_ member: RevertMember) throws -> RevertOutcome {
        guard let request = member.request else {
            throw Problem.unexpectedReply(to: "revert", of: member.name)
        }
        return try member.session.revert(request, with: member.clone)
    }

    private func revertAll(
        _ members: [RevertMember], onHeld: () throws -> Void
    ) throws -> [RevertOutcome] {
        let parties = members.compactMap { member in
            member.request.map {
                SetBarrier.Member(
                    volume: member.name, session: member.session, preparation: .prepareRevert($0))
            }
        }
        let barrier = SetBarrier(parties, clock: context.clock, end: context.end)
        return try barrier.run(onHeld: onHeld).committed.map { committed in
            guard let outcome = committed.revert else {
                throw Problem.unexpectedReply(to: "commit", of: committed.volume)
            }
            return outcome
        }
    }

    private func wait(for member: RevertMember) throws -> MergeState {
        try MergeFollower(context).run(member.session, member.volume)
        return .done
    }
}
