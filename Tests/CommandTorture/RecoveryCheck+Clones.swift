import Manager
import MergeKit
import SnapshotModel
import StoreFormat
import System

extension RecoveryCheck {
    /// The snapshots of all clones, by the clones' names.
    func clones(_ manager: Manager) throws -> [String: Int64] {
        try manager.clones.list([]).reduce(into: [:]) {
            $0[$1.record.name] = $1.record.snapshotID.rawValue
        }
    }

    /// The catalog has the clones that were acknowledged, as the stores have them, and each reads as its
    /// snapshot.
    func checkClones(_ manager: Manager) throws {
        var known = entry.known.clones
        var found = try clones(manager)
        var stored: [String: Int64] = [:]
        for volume in try manager.volumes.list().map(\.record.name) {
            let path = machine.options.state.defaultStorePath(volume: volume)
            for clone in try StoreReader(folder: FileFolder(path: path)).clones() {
                stored[clone.name] = clone.snapshotID.rawValue
                var expected = entry.known.cloneContents[clone.name]
                if case .cloneOfClone(clone.name, let parent, _) = entry.begun {
                    expected = entry.known.cloneContents[parent]
                }
                expected =
                    expected
                    ?? entry.known.snapshots.first { $0.id == clone.snapshotID.rawValue }?.content
                let content = try machine.withEngine(volume) { engine in
                    let open = try engine.openClone(clone.name)
                    defer { open.close() }
                    return try Self.firstBytes { try open.clone.read(into: &$0, at: $1) }
                }
                var allowed = expected
                if case .writeClone(clone.name, let chunks, let byte) = entry.begun {
                    for chunk in chunks where content[chunk] == byte { allowed?[chunk] = byte }
                }
                try require(
                    content == expected || content == allowed,
                    "clone \(clone.name) reads as \(content)")
            }
        }
        try require(stored == found, "the stores have the clones \(stored), the catalog \(found)")
        switch entry.begun {
        case .clone(let name, let id), .cloneOfClone(let name, _, let id):
            if found.removeValue(forKey: name) != nil { known[name] = id }
        case .deleteClone(let name), .promote(let name, _):
            if found[name] == nil { known[name] = nil }
        case .revertWith(let name, _, true, _): if found[name] == nil { known[name] = nil }
        default: break
        }
        // What ends with a merge is gone as soon as anybody has merged.
        for name in entry.known.ending where found[name] == nil { known[name] = nil }
        switch entry.begun {
        case .clone(let name, let id), .cloneOfClone(let name, _, let id):
            if known[name] != nil { found[name] = id }
        default: break
        }
        try require(found == known, "the clones \(known) became \(found)")
    }
}
