import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit

extension HistoryRun {
    private static var clonesMaximum: Int { 4 }

    /// Whether a clone needs a snapshot.
    func isCloned(_ id: SnapshotID) -> Bool { oracle.clones.values.contains { $0.base == id } }

    /// The clone that a pick chooses; nil when there is none.
    func clone(_ pick: Int) -> String? {
        let names = oracle.clones.keys.sorted()
        return names.isEmpty ? nil : names[pick % names.count]
    }

    /// A clone, open; it stays so.
    func opened(_ name: String) throws -> LiveClone {
        if let open = openClones[name] { return open.clone }
        let open = try engine.openClone(name)
        openClones[name] = open
        return open.clone
    }

    func makeClone(_ pick: Int) throws {
        guard let id = snapshot(pick), oracle.clones.count < Self.clonesMaximum else { return }
        let name = "c\(newID())"
        inFlight = .makeClone(name, of: id)
        let record = try engine.createClone(CloneRequest(snapshot: id, name: name))
        guard record.name == name, record.snapshotID == id else {
            throw TortureFailure("clone \(name) of \(id) answered with \(record)")
        }
        oracle.makeClone(name, of: id)
    }

    func makeCloneOfClone(_ pick: Int, isReadOnly: Bool, isLarger: Bool) throws {
        guard let parent = clone(pick), let known = oracle.clones[parent], let base = known.base,
            oracle.clones.count < Self.clonesMaximum
        else { return }
        let name = "c\(newID())"
        // Not by whole chunks.
        let bytes =
            known.cellCount * history.cellBytes + (isLarger ? 2 * history.chunkBytes + 512 : 0)
        let cells = bytes / history.cellBytes
        inFlight = .makeCloneOfClone(name, of: parent, cellCount: cells)
        var record: CloneRecord?
        let isDone = try permits("cloning clone \(parent)", mustRefuse: isMerging(parent)) {
            record = try engine.createClone(
                CloneRequest(snapshot: base, name: name),
                CloneShape(parent: parent, byteCount: bytes, isReadOnly: isReadOnly))
        }
        guard isDone else { return }
        guard record?.parent == parent, record?.volumeBytes == bytes,
            record?.isReadOnly == isReadOnly
        else {
            throw TortureFailure("clone \(name) of \(parent) answered with \(record as Any)")
        }
        oracle.makeClone(name, ofClone: parent, cellCount: cells)
    }

    private func isReadOnly(_ name: String) -> Bool {
        engine.clones.contains { $0.name == name && $0.isReadOnly }
    }

    /// No folder is there that no clone needs, and none is missing.
    func checkCloneFolders() throws {
        let store = Store(folder: disk)
        let survey = try StoreReading(store).cloneSurvey
        let needed = (survey.clones + survey.layers).map(\.ordinal).sorted()
        let found = try store.cloneFolders()
        guard found == needed, survey.layers.allSatisfy({ $0.role == .layer }) else {
            throw TortureFailure("the folders of clones are \(found), needed are \(needed)")
        }
    }

    func writeClone(
        _ pick: Int, _ cells: Range<Int>, version: ChunkPattern.Version, isForced: Bool
    ) throws {
        guard let name = clone(pick), let known = oracle.clones[name] else { return }
        // Of a larger one, what is behind its snapshot's end, too.
        let excess = pick.isMultiple(of: 2) ? 0 : max(0, known.cellCount - history.cellCount)
        let shifted = cells.lowerBound + excess..<cells.upperBound + excess
        let cells = shifted.clamped(to: 0..<known.cellCount)
        guard !cells.isEmpty else { return }
        inFlight = .writeClone(name, cells: cells, version: version)
        let clone = try opened(name)
        let size = history.cellBytes
        let bytes = cells.lowerBound * size..<cells.upperBound * size
        let mustRefuse = isMerging(name) || isReadOnly(name)
        let isDone = try permits("writing to clone \(name)", mustRefuse: mustRefuse) {
            guard version != 0 else {
                return try clone.zero(bytes, forceUnitAccess: isForced)
            }
            let content = history.pattern.bytes(version: version, cells: cells)
            try clone.write(content.span.bytes, at: bytes.lowerBound, forceUnitAccess: isForced)
        }
        guard isDone else { return }
        oracle.clones[name]?.write(cells, version: version, isDurable: isForced)
    }

    func flushClone(_ pick: Int, isClosed: Bool) throws {
        guard let name = clone(pick) else { return }
        if isClosed {
            openClones.removeValue(forKey: name)?.close()
        } else {
            try opened(name).flush()
            oracle.clones[name]?.flush()
        }
    }

    func deleteClone(_ pick: Int, isOpen: Bool) throws {
        guard let name = clone(pick) else { return }
        if isOpen { _ = try opened(name) } else { openClones.removeValue(forKey: name)?.close() }
        inFlight = .deleteClone(name)
        let isDone = try permits("deleting clone \(name)", mustRefuse: isOpen || isMerging(name)) {
            _ = try engine.deleteClone(name)
        }
        if isDone { oracle.clones[name] = nil }
    }

    /// What makes a clone a volume of its own: its content is copied while nobody writes to it, and then it goes.
    func promoteClone(_ pick: Int, isOpen: Bool) throws {
        guard let name = clone(pick), let known = oracle.clones[name] else { return }
        if isOpen { _ = try opened(name) } else { openClones.removeValue(forKey: name)?.close() }
        inFlight = .deleteClone(name)
        let mustRefuse = isOpen || isMerging(name)
        let isDone = try permits("promoting clone \(name)", mustRefuse: mustRefuse) {
            let hold = try engine.holdClone(name)
            defer { hold.close() }
            let cells = try copy(hold)
            guard cells == known.current else {
                throw TortureFailure("clone \(name) was copied as \(cells), not \(known.current)")
            }
            _ = try engine.deleteClone(hold)
        }
        if isDone { oracle.clones[name] = nil }
    }

    /// What a copy of a clone holds, in a file that goes again.
    private func copy(_ hold: CloneHold) throws -> [ChunkPattern.Version] {
        let name = "copy-\(newID())"
        defer { try? disk.removeFile(name) }
        do {
            let file = try disk.createFile(name, byteCount: 0)
            try SnapshotExporter.export(hold, to: file)
            return try reader.cells(of: file)
        } catch let failure as IOFailure {
            throw Problem(failure)
        }
    }

    /// Walks the extents of a clone.
    func checkCloneExtents() throws {
        guard let (name, known) = oracle.clones.min(by: { $0.key < $1.key }) else { return }
        let open = try engine.openClone(name)
        defer { open.close() }
        try reader.checkExtents(
            byteCount: open.clone.byteCount, content: known.current,
            what: "extents of clone \(name)"
        ) { try open.clone.extents(in: $0, limit: $1) }
    }
}
