import DeviceDriver
import SnapshotModel
import StoreFormat
import TestKit
import VolumeAccess

extension CloneChange {
    /// About how many steps it has.
    var stepCount: Int {
        switch self {
        case .write, .delete: 20
        case .make: 30
        case .makeOfClone: 50
        case .revert: 100
        }
    }
}

// Clones in the history of guests that crash.
extension CrashBoot {
    private static let clonesMaximum = 3

    /// A clone that no merge copies from.
    mutating func freeClone() throws -> Int? {
        let source = try rig.storedState().revert?.record.clone?.name
        let free = expected.clones.all.keys.sorted().filter {
            $0 != expected.clones.ending && ExpectedClones.name($0) != source
        }
        return free.isEmpty ? nil : free[random.below(free.count)]
    }

    mutating func writeClone(_ number: Int) throws {
        guard let content = expected.clones.all[number]?.content else { return }
        let blocks = someBlocks(of: content)
        let change = CloneChange.write(number, blocks, version: expected.takeVersion())
        try note(.clone(change))
        try expected.apply(change)
        let device = try DirectDevice(path: rig.volume().openClone(ExpectedClones.name(number)))
        try expected.clones.all[number]?.content.write(blocks, to: device)
        try device.sync()
    }

    /// A change of a clone; nil when there is none to be made.
    mutating func chooseCloneChange(
        isMerging: Bool
    ) throws -> (ExpectedVolume.Change, VolumeRequest)? {
        let ids = expected.snapshots.keys.sorted()
        let free = try freeClone()
        let isFull = expected.clones.all.count >= Self.clonesMaximum
        let choice = random.below(8)
        if let number = free, let known = expected.clones.all[number] {
            let name = ExpectedClones.name(number)
            if choice < 2, !isFull { return makeClone(of: number, known.base) }
            if choice == 2 || isFull && choice == 3 {
                return (.clone(.delete(number)), .deleteClone(name))
            }
            if choice > 4, !isMerging, known.content.byteCount == expected.live.byteCount {
                return revert(with: number, known.base)
            }
        }
        guard !ids.isEmpty, !isFull else { return nil }
        let id = ids[random.below(ids.count)]
        let number = expected.clones.takeNumber()
        return (
            .clone(.make(number, of: id)),
            .createClone(CloneRequest(snapshot: id, name: ExpectedClones.name(number)))
        )
    }

    private mutating func makeClone(
        of parent: Int, _ base: SnapshotID
    ) -> (ExpectedVolume.Change, VolumeRequest) {
        let number = expected.clones.takeNumber()
        let request = CloneRequest(snapshot: base, name: ExpectedClones.name(number))
        return (
            .clone(.makeOfClone(number, of: parent)),
            .createCloneAs(request, CloneShape(parent: ExpectedClones.name(parent)))
        )
    }

    private mutating func revert(
        with number: Int, _ base: SnapshotID
    ) -> (ExpectedVolume.Change, VolumeRequest) {
        let safety = random.oneIn(4) ? nil : expected.takeSnapshotID()
        let use = CloneUse(name: ExpectedClones.name(number), ends: random.oneIn(2))
        let request = RevertRequest(
            id: expected.takeRevertID(), target: base, safety: safety.map(Self.request))
        return (
            .clone(.revert(number, safety: safety, ends: use.ends)),
            .revertWith(request, clone: use)
        )
    }
}
