import System
import Glibc
import Manager
import MergeKit
import SnapshotModel
import StoreFormat

/// What the next commands find after a power cut, compared with what had been acknowledged.
struct RecoveryCheck {
    let machine: Machine
    let entry: LedgerEntry
    /// Whether the command that was begun was acknowledged.
    var isDone = false

    private struct Failure: Error {
        var message: String
    }

    /// What is wrong; nil when nothing is.
    func failure(rebuildsCatalog: Bool, ticksFirst: Bool) -> String? {
        do {
            try check(ticksFirst: ticksFirst, rebuildsCatalog: rebuildsCatalog)
            return nil
        } catch let failure as Failure {
            return "\(failure.message); notes: \(machine.notes)"
        } catch {
            return "recovery failed: \(Problem(error))"
        }
    }

    private func check(ticksFirst: Bool, rebuildsCatalog: Bool) throws {
        let manager = try machine.manager()
        // The next tick comes before anybody has looked.
        if case .tick = entry.begun, ticksFirst {
            _ = try manager.ticks.tick(prunes: false, isDryRun: false)
        }
        try renameBack(manager)
        let volumes = try manager.volumes.list().map(\.record.name)
        try checkVolumes(Set(volumes))
        try checkStates(manager, of: volumes)
        let found = try observe(manager, of: volumes)
        try checkSnapshots(found)
        try checkContents(found)
        if isDone { try checkOutcome(found, manager) }
        try checkHolds(manager)
        try checkClones(manager)
        try requireSound(manager)
        try checkSlots(manager)
        try checkNewIDs(manager, of: volumes)
        if rebuildsCatalog { try checkRebuild(manager) }
    }

    // MARK: what there is

    private struct Observation {
        var contents: [String: [UInt8]] = [:]
        var snapshots: [KnownSnapshot] = []
    }

    private func observe(_ manager: Manager, of volumes: [String]) throws -> Observation {
        var found = Observation()
        let rows = try list(manager)
        for volume in volumes {
            try machine.withEngine(volume) { engine in
                found.contents[volume] = try Self.firstBytes { bytes, offset in
                    try engine.read(into: &bytes, at: offset)
                }
                for row in rows where row.volume == volume {
                    let view = try engine.openView(of: row.id)
                    defer { view.close() }
                    found.snapshots.append(
                        KnownSnapshot(
                            id: row.id.rawValue, volume: volume,
                            content: try Self.firstBytes { bytes, offset in
                                try view.read(into: &bytes, at: offset)
                            }, isSafety: row.manifest.kind == .safety,
                            slot: row.manifest.slot?.secondsSinceEpoch))
                }
            }
        }
        return found
    }

    private func list(_ manager: Manager) throws -> [SnapshotSummary] {
        var rows: [SnapshotSummary] = []
        try manager.lists.forEachPage(ListRequest(sort: "id")) { rows += $0 }
        return rows
    }

    static func firstBytes(
        _ read: (inout MutableRawSpan, Int) throws -> Void
    ) throws -> [UInt8] {
        var buffer = AlignedBuffer(count: CommandHistory.chunkBytes * CommandHistory.chunkCount)
        var bytes = buffer.mutableBytes
        try read(&bytes, 0)
        let all = buffer.bytes.array
        return (0..<CommandHistory.chunkCount).map { all[$0 * CommandHistory.chunkBytes] }
    }

    // MARK: what must hold

    func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
        guard condition else { throw Failure(message: message()) }
    }

    /// A volume that has its new name gets the old one again, by which everything else of it is known.
    private func renameBack(_ manager: Manager) throws {
        guard case .rename(let volume, let name) = entry.begun else { return }
        let isRenamed = try manager.volumes.list().contains { $0.record.name == name }
        try require(isRenamed || !isDone, "volume \(volume) is not called \(name)")
        if isRenamed { _ = try manager.volumes.set(name, VolumeSetting(name: volume)) }
    }

    private func checkVolumes(_ found: Set<String>) throws {
        var names = found
        var known = Set(entry.known.contents.keys)
        switch entry.begun {
        case .create(let volume), .promote(_, let volume): names.remove(volume)
        case .remove(let volume):
            try require(!isDone || !names.contains(volume), "volume \(volume) is still there")
            names.remove(volume)
            known.remove(volume)
        default: break
        }
        try require(names == known, "volumes \(known.sorted()) became \(names.sorted())")
    }

    /// The catalog's rows say what the stores do: which snapshots there are, and how each is.
    private func checkStates(_ manager: Manager, of volumes: [String]) throws {
        let rows = Dictionary(grouping: try list(manager), by: \.volume)
        for volume in volumes {
            let path = machine.options.state.defaultStorePath(volume: volume)
            let state = try StoreReader(folder: FileFolder(path: path)).state()
            let stored = state.manifests.filter { !$0.isDeleted }
                .map { "\($0.id) \(state.condition(of: $0))" }
            let catalogued = (rows[volume] ?? []).sorted { $0.id < $1.id }
                .map { "\($0.id) \($0.state)" }
            try require(
                stored == catalogued,
                "the store of \(volume) has \(stored), the catalog \(catalogued)")
        }
    }

    private func checkSnapshots(_ found: Observation) throws {
        var deletable: [Int64] = []
        if case .delete(let ids) = entry.begun { deletable = ids }
        if case .remove(let volume) = entry.begun {
            deletable = entry.known.snapshots.filter { $0.volume == volume }.map(\.id)
        }
        if case .tick(let slot, let kept) = entry.begun {
            let scheduled = found.snapshots.filter { $0.slot != nil }.map(\.id)
            try require(
                scheduled.count >= min(kept, entry.known.snapshots.count { $0.slot != nil }),
                "the policy keeps \(kept), and there are \(scheduled)")
            // All but the newest that the policy keeps may have been pruned already.
            let all = entry.known.snapshots.filter { $0.slot != nil }.map(\.id)
            deletable = all.filter {
                !all.suffix(kept - 1).contains($0) && !entry.known.clones.values.contains($0)
            }
            try require(
                found.snapshots.count { $0.slot == slot } <= 1, "slot \(slot) was served twice")
        }
        for snapshot in entry.known.snapshots {
            guard let now = found.snapshots.first(where: { $0.id == snapshot.id }) else {
                try require(deletable.contains(snapshot.id), "snapshot \(snapshot.id) is lost")
                continue
            }
            try require(now == snapshot, "snapshot \(snapshot) became \(now)")
        }
        let ids = Set(entry.known.snapshots.map(\.id))
        // A volume that is made may come with snapshots: a stream's.
        var made: String?
        if case .create(let volume) = entry.begun { made = volume }
        let new = found.snapshots.filter { !ids.contains($0.id) && $0.volume != made }
        for snapshot in new {
            try require(
                snapshot.content == entry.known.contents[snapshot.volume],
                "the new snapshot \(snapshot) is not what the volume was")
        }
        switch entry.begun {
        case .take(let volumes):
            try require(
                new.isEmpty || new.map(\.volume).sorted() == volumes.sorted(),
                "of a set of \(volumes), there are \(new.map(\.volume))")
        case .tick(let slot, _):
            try require(
                new.count <= 1 && new.allSatisfy { $0.slot == slot && $0.volume == "a" },
                "a tick left \(new)")
        case .revert, .revertWith:
            try require(new.allSatisfy(\.isSafety), "a revert left \(new)")
        default:
            try require(new.isEmpty, "there are snapshots that nobody took: \(new)")
        }
    }

    private func checkContents(_ found: Observation) throws {
        let isReverted = try revertedVolumes(found)
        if case .promote(let name, let volume) = entry.begun, let now = found.contents[volume] {
            try require(
                now == entry.known.cloneContents[name], "clone \(name) became volume \(now)")
        }
        for (volume, content) in entry.known.contents where !isReverted.contains(volume) {
            guard let now = found.contents[volume] else { continue }
            var allowed: [UInt8]?
            if case .write(volume, let chunks, let byte) = entry.begun {
                allowed = content
                for chunk in chunks where now[chunk] == byte { allowed?[chunk] = byte }
            }
            try require(
                now == content || now == allowed, "volume \(volume): \(content) became \(now)")
        }
    }

    /// The volumes that the revert that was under way has reverted: all of its volumes, or none.
    private func revertedVolumes(_ found: Observation) throws -> Set<String> {
        let ids: [Int64]
        var content: [UInt8]?
        switch entry.begun {
        case .revert(let all, _, _): ids = all
        case .revertWith(let name, let id, _, _):
            ids = [id]
            content = entry.known.cloneContents[name]
        default: return []
        }
        var targets = entry.known.snapshots.filter { ids.contains($0.id) }
        if let content { for index in targets.indices { targets[index].content = content } }
        // One that changes nothing is reverted either way.
        let changed = targets.filter { $0.content != entry.known.contents[$0.volume] }
        let reverted = changed.filter { found.contents[$0.volume] == $0.content }
        try require(
            reverted.isEmpty || reverted.count == changed.count,
            "of the reverts to \(ids), only \(reverted.map(\.id)) happened")
        for target in reverted {
            try require(
                found.snapshots.contains {
                    $0.isSafety && $0.volume == target.volume
                        && $0.content == entry.known.contents[target.volume]
                }, "the revert to \(target.id) left no safety snapshot")
        }
        return Set(reverted.map(\.volume))
    }

    /// What the acknowledged command did is there.
    private func checkOutcome(_ found: Observation, _ manager: Manager) throws {
        let known = Set(entry.known.snapshots.map(\.id))
        let new = found.snapshots.filter { !known.contains($0.id) }
        let isThere: Bool
        switch entry.begun {
        case .create(let volume): isThere = found.contents[volume] != nil
        case .take(let volumes): isThere = new.map(\.volume).sorted() == volumes.sorted()
        case .delete(let ids): isThere = !found.snapshots.contains { ids.contains($0.id) }
        case .revert(let ids, _, _):
            isThere = entry.known.snapshots.filter { ids.contains($0.id) }
                .allSatisfy { found.contents[$0.volume] == $0.content }
        case .revertWith(let name, let id, _, _):
            let target = entry.known.snapshots.first { $0.id == id }
            isThere =
                target.map {
                    found.contents[$0.volume] == entry.known.cloneContents[name]
                } ?? false
        case .tick(let slot, _): isThere = found.snapshots.contains { $0.slot == slot }
        case .hold(let id): isThere = try held(manager).contains(id)
        case .release(let id): isThere = try !held(manager).contains(id)
        case .clone(let name, _), .cloneOfClone(let name, _, _):
            isThere = try clones(manager)[name] != nil
        case .deleteClone(let name): isThere = try clones(manager)[name] == nil
        case .promote(let name, let volume):
            isThere =
                try found.contents[volume] == entry.known.cloneContents[name]
                && clones(manager)[name] == nil
        default: isThere = true
        }
        try require(isThere, "what was acknowledged did not happen")
    }

    /// The snapshots that somebody holds, other than mirrors and who has ended one.
    private func held(_ manager: Manager) throws -> Set<Int64> {
        Set(
            try manager.holds.list().filter { !$0.owner.hasPrefix("mirror ") }
                .map(\.snapshot.rawValue))
    }

    private func checkHolds(_ manager: Manager) throws {
        var held = try held(manager)
        var known = entry.known.held
        if case .hold(let id) = entry.begun { held.remove(id); known.remove(id) }
        if case .release(let id) = entry.begun { held.remove(id); known.remove(id) }
        try require(held == known, "holds on \(known.sorted()) became \(held.sorted())")
    }

    private func requireSound(_ manager: Manager) throws {
        let report = try manager.checks.check([], readsData: false, repairs: false)
        try require(
            report.damageCount == 0,
            "check finds \(report.items.map { "\($0.finding.object): \($0.finding.message)" })")
    }

    /// The next tick serves the slot if nobody has, and never one twice.
    private func checkSlots(_ manager: Manager) throws {
        guard entry.known.contents["a"] != nil else { return }
        let before = try list(manager).compactMap(\.manifest.slot?.secondsSinceEpoch)
        let report = try manager.ticks.tick(prunes: false, isDryRun: false)
        let taken = report.slots.map(\.slot.secondsSinceEpoch)
        for problem in report.failures { throw problem }
        try require(
            Set(before + entry.known.served).isDisjoint(with: taken),
            "of the slots \(before), served \(entry.known.served), \(taken) was served again")
        try require(
            try manager.ticks.tick(prunes: false, isDryRun: false).slots.isEmpty,
            "a slot was served twice")
    }

    private func checkNewIDs(_ manager: Manager, of volumes: [String]) throws {
        for volume in volumes {
            let taken = try manager.snapshots.take(TakeRequest(volumes: [volume])).snapshots
            try require(
                taken.allSatisfy { $0.id.rawValue > entry.known.highestID },
                "id \(taken.map(\.id)) was given out again")
        }
    }

    private func checkRebuild(_ manager: Manager) throws {
        // While a merge runs, the sizes of its safety snapshot still change.
        _ = try manager.merges.resume([])
        let rows = try list(manager).map(Self.withoutHolds)
        let clones = try clones(manager)
        for suffix in ["", "-wal", "-shm"] {
            unlink(machine.options.state.catalogPath + suffix)
        }
        _ = try RebuildService(machine.options).rebuild(store: nil)
        let rebuilt = try list(machine.manager())
        try require(
            try self.clones(machine.manager()) == clones, "the rebuilt catalog has other clones")
        try require(
            rebuilt.map(\.id) == rows.map(\.id),
            "the rebuilt catalog has the snapshots \(rebuilt.map(\.id)), not \(rows.map(\.id))")
        for (before, after) in zip(rows, rebuilt) {
            try require(after == before, "the rebuilt catalog says \(after), not \(before)")
        }
    }

    private static func withoutHolds(_ row: SnapshotSummary) -> SnapshotSummary {
        var row = row
        row.holds = 0
        return row
    }
}
