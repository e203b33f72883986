internal import System
internal import SnapshotModel

/// The clones of a volume that is open, and which of them are in use.
struct CloneTable {
    /// By ordinal, ascending.
    var records: [CloneRecord] = []
    /// The layers that they read.
    var layers: [CloneRecord] = []
    /// Those of the layers whose records may not say so yet: as long as a clone reads them, it does not matter.
    var unmarked: Set<CloneOrdinal> = []
    /// Of clones that were to go on elsewhere: the folders there, which may count, and could not be removed.
    var strays: [CloneOrdinal: CloneOrdinal] = [:]
    /// Those whose records cannot be read, ascending.
    var doubtful: [CloneOrdinal] = []
    /// Those whose removal has begun and failed: the next try goes on with it.
    var going: Set<CloneOrdinal> = []
    /// Those that somebody has open, and those that must not be opened as they are.
    var open: [CloneOrdinal: OpenEntry] = [:]
    /// The areas that a merge copies from, or is about to: nobody writes to these clones.
    var sources: [CloneOrdinal: any BlockDevice] = [:]
    /// How many copy a clone just now: nobody writes to these either.
    var holds: [CloneOrdinal: Int] = [:]

    /// Whether nobody may write to a clone.
    func isFrozen(_ ordinal: CloneOrdinal) -> Bool {
        sources[ordinal] != nil || holds[ordinal] != nil
    }

    /// A clone that is open.
    struct OpenEntry {
        let clone: LiveClone
        /// How many have it open, and how many of these for writing.
        var users = 0
        var writers = 0
    }

    func record(named name: String) -> CloneRecord? { records.first { $0.name == name } }

    /// Where a clone that somebody has open is; nil when nobody has.
    func place(of clone: LiveClone) -> CloneOrdinal? {
        open.first { $0.value.clone === clone }?.key
    }

    /// Those of some layers that no clone reads any more, besides one of them.
    func spare(_ layers: [CloneOrdinal], without clone: CloneOrdinal? = nil) -> [CloneOrdinal] {
        // One whose record cannot be read may read any of them.
        guard doubtful.isEmpty else { return [] }
        return unread(layers, without: clone)
    }

    /// Those of some layers that no clone reads whose record can be read, besides one of them.
    func unread(_ layers: [CloneOrdinal], without clone: CloneOrdinal? = nil) -> [CloneOrdinal] {
        let others = records.lazy.filter { $0.ordinal != clone }
        let needed = Set(others.flatMap { $0.layers ?? [] })
        return layers.filter { !needed.contains($0) }
    }

    /// Notes that a clone goes on in another folder, and what it has left behind.
    mutating func move(_ former: CloneRecord, to next: CloneRecord) {
        records.removeAll { $0.ordinal == former.ordinal }
        records.append(next)
        layers.append(former)
        unmarked.insert(former.ordinal)
        if let entry = open.removeValue(forKey: former.ordinal) { open[next.ordinal] = entry }
    }

    /// - Returns: the clone as it was open, for who has no lock to let go.
    mutating func remove(_ ordinal: CloneOrdinal) -> LiveClone? {
        records.removeAll { $0.ordinal == ordinal }
        going.remove(ordinal)
        return open.removeValue(forKey: ordinal)?.clone
    }
}
