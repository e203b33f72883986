import System
import Control
import Glibc
import Manager
import MergeKit
import SnapshotModel
import TestKit

/// A random history of commands on real files, each by a manager of its own as on the command line.
struct CommandHistory {
    static let chunkBytes = 4096
    static let chunkCount = 48
    static let volumes = ["a", "b"]
    private static let commandCount = 40
    /// A full minute.
    static let beginning: Int64 = 1_795_348_800

    private let machine: Machine
    private let ledger: FileDevice
    private var ledgerEnd = 0
    private var known = KnownState()
    private var generator: SeededGenerator
    private var cloneCount = 0
    /// The members of each set that was taken, as long as all are there.
    private var sets: [(reference: String, ids: [Int64])] = []

    private init(root: String, seed: UInt64) throws {
        machine = Machine(root: root, seconds: Self.beginning)
        ledger = try FileDevice(path: root + "/" + LedgerEntry.fileName, access: .create)
        generator = SeededGenerator(seed: seed)
    }

    /// Runs a history and ends the process.
    static func record(root: String, seed: UInt64) -> Never {
        do {
            var history = try CommandHistory(root: root, seed: seed)
            for volume in volumes { try history.run(.create(volume: volume)) }
            // The schedule is seen for the first time: its slots are due from now on.
            try history.run(.tick(slot: beginning, kept: Machine.keptCount))
            for _ in 0..<commandCount { try history.run(history.nextCommand()) }
            exit(0)
        } catch {
            refuse("seed \(seed): \(Problem(error).description)")
        }
    }

    private mutating func run(_ command: Command) throws {
        try note(begun: command)
        try carryOut(command)
        try noteEnds()
        try note(begun: nil)
    }

    private mutating func note(begun: Command?) throws {
        let line = try LedgerEntry(
            known: known, begun: begun, seconds: machine.clock.seconds
        ).line
        try ledger.write(line.span.bytes, at: ledgerEnd)
        ledgerEnd += line.count
    }

    // MARK: choosing

    private mutating func nextCommand() -> Command {
        let removable = known.snapshots.filter {
            !known.held.contains($0.id) && !known.clones.values.contains($0.id)
        }
        switch generator.below(36) {
        case 0..<6: return write()
        case 6..<10: return .take(volumes: generator.oneIn(2) ? Self.volumes : [pick(Self.volumes)])
        case 10..<13 where removable.count > 3:
            return .delete(ids: [pick(removable).id])
        case 13 where removable.count > 6:
            return .delete(ids: Array(removable.prefix(3).map(\.id)))
        case 14..<16 where !known.snapshots.isEmpty:
            let target = pick(known.snapshots)
            return .revert(ids: [target.id], reference: "\(target.id)", waits: generator.oneIn(2))
        case 16 where !sets.isEmpty:
            let set = pick(sets)
            return .revert(ids: set.ids, reference: set.reference, waits: generator.oneIn(2))
        case 17 where !known.snapshots.isEmpty: return .hold(id: pick(known.snapshots).id)
        case 18 where !known.held.isEmpty: return .release(id: pick(known.held.sorted()))
        case 19: return .rebuild
        case 20..<24: return tick()
        case 24..<26 where known.clones.count < 3 && !known.snapshots.isEmpty:
            cloneCount += 1
            return .clone(name: "c\(cloneCount)", id: pick(known.snapshots).id)
        case 24..<27 where !known.clones.isEmpty:
            return .deleteClone(name: pick(known.clones.keys.sorted()))
        case 27..<30 where !known.clones.isEmpty:
            let start = generator.below(Self.chunkCount)
            return .writeClone(
                name: pick(known.clones.keys.sorted()),
                chunks: start..<min(start + 1 + generator.below(12), Self.chunkCount),
                byte: UInt8(1 + generator.below(255)))
        case 30..<32 where !known.clones.isEmpty:
            let name = pick(known.clones.keys.sorted())
            return .revertWith(
                name: name, id: known.clones[name] ?? 0, ends: generator.oneIn(2),
                waits: generator.oneIn(2))
        case 32..<34 where !known.clones.isEmpty && known.clones.count < 4:
            let parent = pick(known.clones.keys.sorted())
            cloneCount += 1
            return .cloneOfClone(
                name: "c\(cloneCount)", parent: parent, id: known.clones[parent] ?? 0)
        case 34 where !known.clones.isEmpty && known.contents.count < 4:
            cloneCount += 1
            return .promote(name: pick(known.clones.keys.sorted()), volume: "v\(cloneCount)")
        default: return write()
        }
    }

    /// One slot later, or several, or the same one again.
    private mutating func tick() -> Command {
        machine.clock.seconds += Int64(generator.below(3)) * Machine.periodSeconds
        let now = machine.clock.seconds
        return .tick(slot: now - now % Machine.periodSeconds, kept: Machine.keptCount)
    }

    private mutating func write() -> Command {
        let start = generator.below(Self.chunkCount)
        let count = min(1 + generator.below(12), Self.chunkCount - start)
        return .write(
            volume: pick(Self.volumes), chunks: start..<start + count,
            byte: UInt8(1 + generator.below(255)))
    }

    private mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[generator.below(elements.count)]
    }

    // MARK: running

    private mutating func carryOut(_ command: Command) throws {
        switch command {
        case .create(let volume):
            _ = try machine.manager().volumes.create(
                CreateRequest(
                    name: volume, originPath: "\(machine.root)/\(volume).img",
                    createBytes: Self.chunkBytes * Self.chunkCount, chunkBytes: Self.chunkBytes))
            known.contents[volume] = Array(repeating: 0, count: Self.chunkCount)
        case .write(let volume, let chunks, let byte):
            try machine.withEngine(volume) { engine in
                let bytes = [UInt8](repeating: byte, count: chunks.count * Self.chunkBytes)
                try engine.write(bytes.span.bytes, at: chunks.lowerBound * Self.chunkBytes)
                try engine.flush()
            }
            for chunk in chunks { known.contents[volume]?[chunk] = byte }
        case .take(let volumes): try take(volumes)
        case .delete(let ids):
            _ = try refusable {
                _ = try machine.manager().deletions.delete(ids.map(String.init), isDryRun: false)
                known.snapshots.removeAll { ids.contains($0.id) }
                sets.removeAll { !Set($0.ids).isDisjoint(with: ids) }
            }
        case .revert(let ids, let reference, let waits):
            try revert(ids, reference, waits: waits)
        case .hold(let id):
            _ = try machine.manager().holds.hold(
                "\(id)", owner: "test", reason: "test", until: nil)
            known.held.insert(id)
        case .release(let id):
            _ = try machine.manager().holds.release("\(id)", owner: "test")
            known.held.remove(id)
        case .tick(let slot, _): try tick(slot)
        case .clone(let name, let id):
            _ = try machine.manager().clones.create("\(id)", name: name, isDryRun: false)
            known.clones[name] = id
            known.cloneContents[name] = known.snapshots.first { $0.id == id }?.content
        case .cloneOfClone(let name, let parent, let id):
            let isDone: Void? = try refusable {
                _ = try machine.manager().clones.create(parent, name: name, isDryRun: false)
            }
            if isDone != nil {
                known.clones[name] = id
                known.cloneContents[name] = known.cloneContents[parent]
            }
        case .promote(let name, let volume):
            let isDone: Void? = try refusable {
                let options = PromoteOptions(
                    originPath: "\(machine.root)/\(volume).img", name: volume)
                _ = try machine.manager().clones.promote(name, options)
            }
            if isDone != nil {
                known.contents[volume] = known.cloneContents[name]
                forgetClone(name)
            }
        case .deleteClone(let name):
            let isDone: Void? = try refusable {
                _ = try machine.manager().clones.delete(name, isDryRun: false)
            }
            if isDone != nil { forgetClone(name) }
        case .writeClone(let name, let chunks, let byte):
            let isDone: Void? = try refusable { try machine.write(byte, to: chunks, ofClone: name) }
            if isDone != nil { for chunk in chunks { known.cloneContents[name]?[chunk] = byte } }
        case .revertWith(let name, let id, let ends, let waits):
            try revert(
                [id], "\(id)", waits: waits, with: CloneUse(name: name, ends: ends))
        case .remove, .rename: break
        case .rebuild:
            _ = try RebuildService(machine.options).rebuild(store: nil)
        }
    }

    private mutating func tick(_ slot: Int64) throws {
        let report = try machine.manager().ticks.tick(prunes: true, isDryRun: false)
        for served in report.slots {
            if case .failed(let problem) = served.outcome { throw problem }
            guard case .taken(let ids, _) = served.outcome else { continue }
            note(ids.map { ($0.rawValue, "a") }, isSafety: false, slot: slot)
            known.served.append(slot)
        }
        let gone = Set(
            (report.prune?.volumes ?? []).flatMap(\.removed).map(\.id.rawValue))
        let failure = report.prune?.volumes.compactMap(\.failure).first
        if let failure, failure.code != .refused { throw failure }
        if failure == nil { known.snapshots.removeAll { gone.contains($0.id) } }
    }

    private mutating func take(_ volumes: [String]) throws {
        let report = try machine.manager().snapshots.take(TakeRequest(volumes: volumes))
        note(report.snapshots.map { ($0.id.rawValue, $0.volume) }, isSafety: false)
        if let set = report.set {
            sets.append(("set:\(set.rawValue)", report.snapshots.map(\.id.rawValue)))
        }
    }

    /// Snapshots that were taken of the volumes as they read.
    private mutating func note(
        _ taken: [(id: Int64, volume: String)], isSafety: Bool, slot: Int64? = nil
    ) {
        for (id, volume) in taken {
            known.snapshots.append(
                KnownSnapshot(
                    id: id, volume: volume, content: known.contents[volume] ?? [],
                    isSafety: isSafety, slot: slot))
            known.highestID = max(known.highestID, id)
        }
    }

    private mutating func forgetClone(_ name: String) {
        known.clones[name] = nil
        known.cloneContents[name] = nil
        known.ending.remove(name)
    }

    /// The clones that were to end with a merge, and have.
    private mutating func noteEnds() throws {
        guard !known.ending.isEmpty else { return }
        let left = Set(try machine.manager().clones.list([]).map(\.record.name))
        for name in known.ending where !left.contains(name) { forgetClone(name) }
    }

    private mutating func revert(
        _ ids: [Int64], _ reference: String, waits: Bool, with clone: CloneUse? = nil
    ) throws {
        let report = try refusable {
            try machine.manager().reverts.revert(
                reference, RevertOptions(waits: waits, clone: clone))
        }
        guard let report else { return }
        let safeties = report.items.compactMap { item in
            item.safety.map { (id: $0.rawValue, volume: item.volume) }
        }
        note(safeties, isSafety: true)
        for target in known.snapshots where ids.contains(target.id) {
            known.contents[target.volume] =
                clone.flatMap { known.cloneContents[$0.name] } ?? target.content
        }
        if let clone, clone.ends { known.ending.insert(clone.name) }
    }

    /// What the rules forbid at this moment (a revert while another one's snapshot is needed, say)
    /// is no part of the history.
    private func refusable<Result>(_ body: () throws -> Result) throws -> Result? {
        do {
            return try body()
        } catch {
            guard Problem(error).code == .refused else { throw error }
            return nil
        }
    }
}
