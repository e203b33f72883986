import DeviceDriver
import SnapshotModel
import StoreFormat
import TestKit
import VolumeAccess

/// A change of clones that may have been made wholly or not at all. A clone is named by a number.
enum CloneChange: Equatable {
    case make(Int, of: SnapshotID)
    case makeOfClone(Int, of: Int)
    case write(Int, Range<Int>, version: ChunkPattern.Version)
    case delete(Int)
    /// To the clone's snapshot, with what was written to the clone.
    case revert(Int, safety: SnapshotID?, ends: Bool)

    /// The words for it in a tally.
    var word: String {
        switch self {
        case .make: "a clone"
        case .makeOfClone: "a clone of a clone"
        case .write: "a write to a clone"
        case .delete: "the deletion of a clone"
        case .revert: "a revert with a clone"
        }
    }
}

/// What the clones of a volume must hold.
struct ExpectedClones: Equatable {
    struct Clone: Equatable {
        var base: SnapshotID
        var content: DiskContent
    }

    var all: [Int: Clone] = [:]
    /// The clone that ends with the merge that may run; it may have ended.
    var ending: Int?
    var next = 1

    static func name(_ number: Int) -> String { "c\(number)" }

    mutating func takeNumber() -> Int {
        defer { next += 1 }
        return next
    }

    /// The snapshots that are not deleted for them.
    var bases: Set<SnapshotID> { Set(all.values.map(\.base)) }
}

extension ExpectedVolume {
    private func clone(_ number: Int) throws -> ExpectedClones.Clone {
        try require(clones.all[number], "clone \(number)")
    }

    mutating func apply(_ change: CloneChange) throws {
        switch change {
        case .make(let number, let id):
            let content = try require(snapshots[id], "snapshot \(id)")
            clones.all[number] = ExpectedClones.Clone(base: id, content: content)
        case .makeOfClone(let number, let parent): clones.all[number] = try clone(parent)
        case .write(let number, let blocks, let version):
            clones.all[number]?.content.set(version, blocks: blocks)
        case .delete(let number): clones.all[number] = nil
        case .revert(let number, let safety, let ends):
            let used = try clone(number)
            if let safety { snapshots[safety] = live }
            live = used.content
            target = used.base
            clones.ending = ends ? number : nil
        }
    }

    /// Finds out what became of a change that was cut short. Whether it was made.
    ///
    /// - Parameter found: the snapshots that there are.
    mutating func resolve(
        _ change: CloneChange, _ rig: DriverRig, _ found: Set<SnapshotID>
    ) throws -> Bool {
        let state = try rig.storedState()
        let names = Set(state.clones.map(\.name))
        switch change {
        case .make(let number, _), .makeOfClone(let number, _):
            guard names.contains(ExpectedClones.name(number)) else { return false }
            try apply(change)
            return true
        case .delete(let number):
            guard !names.contains(ExpectedClones.name(number)) else { return false }
            try apply(change)
            return true
        case .write(let number, let blocks, let version):
            let old = try clone(number).content
            let device = try DirectDevice(
                path: rig.volume().openClone(ExpectedClones.name(number)))
            clones.all[number]?.content = try old.rewritten(blocks, version, on: device)
            return true
        case .revert(let number, let safety, let ends):
            let used = try clone(number)
            let changesNothing = used.content == live
            let isMade = try resolveRevert(
                to: used.base, as: used.content, safety, isTaken: safety.map(found.contains), rig)
            guard isMade, ends else { return isMade }
            // Of one that changes nothing, what the volume reads as does not tell whether it was made.
            let isUnknown = changesNothing && state.revert == nil
            let isLeft = names.contains(ExpectedClones.name(number))
            clones.ending = isUnknown && isLeft ? nil : number
            return true
        }
    }

    /// Forgets the clone that has ended with a merge.
    mutating func noteEnd(_ state: VolumeState) {
        guard let ending = clones.ending, state.revert == nil else { return }
        clones.all[ending] = nil
        clones.ending = nil
    }

    /// The clones are there, unless they have ended with a merge, and read as they must, unless a merge copies
    /// from them.
    mutating func checkClones(_ rig: DriverRig) throws {
        let state = try rig.storedState()
        let found = state.clones.map(\.name).sorted()
        noteEnd(state)
        let known = clones.all.keys.map(ExpectedClones.name).sorted()
        let ending = clones.ending.map(ExpectedClones.name)
        // Its record goes before the revert's.
        try expect(
            found == known || found == known.filter { $0 != ending },
            "the clones are \(found), and must be \(known)")
        for (number, clone) in clones.all.sorted(by: { $0.key < $1.key }) {
            let name = ExpectedClones.name(number)
            guard found.contains(name), state.revert?.record.clone?.name != name else { continue }
            let path = try rig.volume().openClone(name)
            try clone.content.expect(
                on: DirectDevice(path: path, isReadOnly: true), "clone \(name)")
        }
    }
}
