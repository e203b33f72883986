import SnapshotModel
import TestKit

/// The operation that an engine is carrying out: what a crash may leave undone, done or half done.
enum InFlight {
    case nothing
    case write(cells: Range<Int>, version: ChunkPattern.Version)
    /// A snapshot that is being taken, or taken back.
    case snapshot(SnapshotID)
    case delete(SnapshotID)
    case resize(cellCount: Int)
    /// The volume becomes a content; first a safety snapshot may be taken.
    case revert(content: [ChunkPattern.Version], safety: SnapshotID?)
    case makeClone(String, of: SnapshotID)
    /// A clone of a clone, with a number of cells.
    case makeCloneOfClone(String, of: String, cellCount: Int)
    case writeClone(String, cells: Range<Int>, version: ChunkPattern.Version)
    case deleteClone(String)
}

extension OracleVolume {
    /// All that may be found after a crash in the middle of an operation.
    func expectation(
        during operation: InFlight, afterPowerCut: Bool,
        optional: [SnapshotID: [ChunkPattern.Version]] = [:],
        optionalClones: [String: AllowedCells] = [:]
    ) -> CrashExpectation {
        typealias Outcome = CrashExpectation.Outcome
        let cells = allowed(afterPowerCut: afterPowerCut)
        let ids = Set(snapshots.keys)
        var contents = snapshots.merging(optional) { live, _ in live }
        var outcomes = [Outcome("as before", cells: cells, present: ids)]
        var others = clones.mapValues { $0.allowed(afterPowerCut: afterPowerCut) }
        var names = [Set(clones.keys)]
        // A snapshot is durable only after the volume's content is.
        let exact = AllowedCells(exact: current)
        switch operation {
        case .nothing: break
        case .write(let range, let version): outcomes[0].cells.allow(version, in: range)
        case .snapshot(let id):
            contents[id] = current
            outcomes.append(Outcome("taken", cells: exact, present: ids.union([id])))
        case .delete(let id):
            outcomes.append(Outcome("deleted", cells: cells, present: ids.subtracting([id])))
        case .resize(let count):
            outcomes.append(Outcome("resized", cells: cells.resized(to: count), present: ids))
        case .revert(let content, let safety):
            let all = ids.union(safety.map { [$0] } ?? [])
            if let safety {
                contents[safety] = current
                outcomes.append(Outcome("safe", cells: exact, present: all))
            }
            let reverted = AllowedCells(exact: content)
            outcomes.append(Outcome("reverted", cells: reverted, present: all))
        case .makeClone(let name, let base):
            others[name] = snapshots[base].map { AllowedCells(exact: $0) }
            outcomes.append(Outcome("cloned", cells: cells, present: ids))
            names.append(names[0].union([name]))
        case .makeCloneOfClone(let name, let parent, let count):
            var after = self
            after.makeClone(name, ofClone: parent, cellCount: count)
            others[name] = after.clones[name]?.allowed(afterPowerCut: afterPowerCut)
            outcomes.append(Outcome("cloned", cells: cells, present: ids))
            names.append(names[0].union([name]))
        case .writeClone(let name, let range, let version):
            others[name]?.allow(version, in: range)
        case .deleteClone(let name):
            outcomes.append(Outcome("without the clone", cells: cells, present: ids))
            names.append(names[0].subtracting([name]))
        }
        for index in outcomes.indices {
            outcomes[index].optional = Set(optional.keys)
            outcomes[index].clones = index < names.count ? names[index] : names[0]
            outcomes[index].optionalClones = Set(optionalClones.keys)
        }
        var expectation = CrashExpectation(snapshots: contents, outcomes: outcomes)
        expectation.clones = others.merging(optionalClones) { live, _ in live }
        return expectation
    }
}
