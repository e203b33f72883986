internal import System
internal import SnapshotModel

/// The clones of a volume that is open, and which of them are in use.
struct CloneTable {
    /// By ordinal, ascending.
    var records: [CloneRecord] = []
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

    /// - Returns: the clone as it was open, for who has no lock to let go.
    mutating func remove(_ ordinal: CloneOrdinal) -> LiveClone? {
        records.removeAll { $0.ordinal == ordinal }
        going.remove(ordinal)
        return open.removeValue(forKey: ordinal)?.clone
    }
}
