package import SnapshotModel

/// What a volume and its snapshots must read as, cell by cell, and what a power cut may leave.
///
/// A cell is a sector or a part of one. Clients may count on what they flushed; of what they wrote
/// since, each cell on its own may have any of the values that it was given.
package struct OracleVolume: Sendable {
    package typealias Version = ChunkPattern.Version

    /// What the volume reads as.
    package private(set) var current: [Version]
    /// What each cell held when it was last made durable.
    private var durable: [Version]
    /// For the cells written since: every later value, oldest first.
    private var later: [Int: [Version]] = [:]
    /// Cells whose last flush failed: a later flush that succeeds says nothing of them.
    private var doubtful: Set<Int> = []
    /// The live snapshots' contents.
    package var snapshots: [SnapshotID: [Version]] = [:]
    /// The clones by name; each is as a volume without snapshots.
    package var clones: [String: OracleVolume] = [:]
    /// Of a clone: the snapshot that it began as.
    package private(set) var base: SnapshotID?

    package init(cellCount: Int) {
        current = Array(repeating: 0, count: cellCount)
        durable = current
    }

    /// The oracle of a volume that was found so: all of it durable.
    package init(found: Observation) {
        current = found.cells
        durable = found.cells
        snapshots = found.snapshots
        clones = found.clones.mapValues(OracleVolume.init(clone:))
    }

    private init(clone found: ObservedClone) {
        current = found.cells
        durable = found.cells
        base = found.snapshot
    }

    package var cellCount: Int { current.count }

    // MARK: what was acknowledged

    package mutating func write(_ cells: Range<Int>, version: Version, isDurable: Bool) {
        for cell in cells {
            current[cell] = version
            if isDurable {
                durable[cell] = version
                later[cell] = nil
            } else {
                later[cell, default: []].append(version)
            }
            doubtful.remove(cell)
        }
    }

    package mutating func flush() {
        for (cell, _) in later where !doubtful.contains(cell) { durable[cell] = current[cell] }
        later = later.filter { doubtful.contains($0.key) }
    }

    /// The cells that a client should write again.
    package var doubtfulCells: [Int] { doubtful.sorted() }

    package mutating func flushFailed() { doubtful.formUnion(later.keys) }

    /// What was read after an operation failed, within what it was allowed to leave.
    package mutating func adopt(_ observation: Observation) {
        if observation.cells.count != cellCount { resize(to: observation.cells.count) }
        for (cell, version) in observation.cells.enumerated() where current[cell] != version {
            current[cell] = version
            later[cell, default: []].append(version)
        }
        snapshots = observation.snapshots
        clones = observation.clones.mapValuesWithKeys { name, found in
            guard var known = clones[name] else { return OracleVolume(clone: found) }
            known.adopt(Observation(cells: found.cells, snapshots: [:]))
            return known
        }
    }

    /// A clone begins as one of the snapshots.
    package mutating func makeClone(_ name: String, of id: SnapshotID) {
        clones[name] = snapshots[id].map {
            OracleVolume(clone: ObservedClone(snapshot: id, cells: $0))
        }
    }

    /// A clone begins as another one, all of which is durable then; behind the end of that it is zero.
    package mutating func makeClone(_ name: String, ofClone parent: String, cellCount: Int) {
        clones[parent]?.flush()
        clones[name] = clones[parent]
        clones[name]?.resize(to: cellCount)
    }

    package mutating func takeSnapshot(_ id: SnapshotID) {
        flush()
        snapshots[id] = current
    }

    /// The volume becomes a content, durably.
    package mutating func become(_ content: [Version]) {
        current = content
        durable = content
        later = [:]
        doubtful = []
    }

    package mutating func resize(to cellCount: Int) {
        let kept = min(cellCount, current.count)
        let zeroes = [Version](repeating: 0, count: cellCount - kept)
        current = current[..<kept] + zeroes
        durable = durable[..<kept] + zeroes
        later = later.filter { $0.key < kept }
        doubtful = doubtful.filter { $0 < kept }
    }

    // MARK: what a crash may leave

    /// What the volume's cells may hold when the process was killed, or the power was cut.
    package func allowed(afterPowerCut: Bool) -> AllowedCells {
        afterPowerCut
            ? AllowedCells(exact: durable, alternatives: later) : AllowedCells(exact: current)
    }
}

/// What was read from a volume and its snapshots.
package struct Observation: Hashable, Sendable {
    package var cells: [ChunkPattern.Version]
    package var snapshots: [SnapshotID: [ChunkPattern.Version]]
    /// By name.
    package var clones: [String: ObservedClone]

    package init(
        cells: [ChunkPattern.Version], snapshots: [SnapshotID: [ChunkPattern.Version]],
        clones: [String: ObservedClone] = [:]
    ) {
        self.cells = cells
        self.snapshots = snapshots
        self.clones = clones
    }
}

/// What was read from a clone.
package struct ObservedClone: Hashable, Sendable {
    /// That it began as.
    package var snapshot: SnapshotID
    package var cells: [ChunkPattern.Version]

    package init(snapshot: SnapshotID, cells: [ChunkPattern.Version]) {
        self.snapshot = snapshot
        self.cells = cells
    }
}

extension Dictionary {
    /// The dictionary with other values, made of the keys and the values.
    fileprivate func mapValuesWithKeys<Other>(
        _ body: (Key, Value) -> Other
    ) -> [Key: Other] {
        reduce(into: [:]) { $0[$1.key] = body($1.key, $1.value) }
    }
}

/// The values that each cell of a volume may have.
package struct AllowedCells: Sendable {
    package var exact: [ChunkPattern.Version]
    /// Further values of single cells.
    package var alternatives: [Int: [ChunkPattern.Version]]

    package init(
        exact: [ChunkPattern.Version], alternatives: [Int: [ChunkPattern.Version]] = [:]
    ) {
        self.exact = exact
        self.alternatives = alternatives
    }

    /// The same for a volume that was cut or extended with zeroes.
    package func resized(to count: Int) -> AllowedCells {
        let kept = min(count, exact.count)
        let zeroes = [ChunkPattern.Version](repeating: 0, count: count - kept)
        return AllowedCells(
            exact: exact[..<kept] + zeroes, alternatives: alternatives.filter { $0.key < kept })
    }

    /// Allows one more value for some cells.
    package mutating func allow(_ version: ChunkPattern.Version, in cells: Range<Int>) {
        for cell in cells { alternatives[cell, default: []].append(version) }
    }

    /// The first cell that has a value that it may not have, in words; nil when there is none.
    package func mismatch(_ cells: [ChunkPattern.Version]) -> String? {
        guard cells.count == exact.count else {
            return "has \(cells.count) cells instead of \(exact.count)"
        }
        guard cells != exact else { return nil }
        for (cell, version) in cells.enumerated() where version != exact[cell] {
            let others = alternatives[cell, default: []]
            guard others.contains(version) else {
                let found = version == ChunkPattern.invalid ? "torn bytes" : "version \(version)"
                let allowed = ([exact[cell]] + others).map(String.init).joined(separator: ", ")
                return "cell \(cell) holds \(found), allowed: \(allowed)"
            }
        }
        return nil
    }
}
