package import SnapshotModel

/// What an export reads and writes. Several threads may call at once; none does after `close`.
///
/// What cannot be done ends with `io`, `no_space` for a write that finds no room, `broken` for a snapshot whose
/// area was given up meanwhile, and `refused` for a change of what is read-only.
package protocol ExportContent: Sendable {
    /// The size in bytes when the client connected.
    var byteCount: Int { get }
    /// For people: what it is.
    var description: String { get }
    /// The size in bytes below which a write may cost the copy of more than itself.
    var preferredBytes: Int { get }
    var isWritable: Bool { get }
    /// Whether a client's hint that it does not need a range any more is of use: it is then zeroed.
    var canTrim: Bool { get }
    /// Whether zeroes never take longer than to write them.
    var isZeroFast: Bool { get }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem)

    /// - Parameter isDurable: whether it is durable when this returns; else after ``flush()``.
    func write(_ bytes: RawSpan, at offset: Int, isDurable: Bool) throws(Problem)

    /// Has a range read as zeroes.
    func zero(_ range: Range<Int>, isDurable: Bool) throws(Problem)

    /// Returns when everything that was written before, by whichever client, is durable.
    func flush() throws(Problem)

    /// Consecutive extents from the range's start on, at most `limit`.
    func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent]

    /// The same for clients, who are told apart what did not change, where that is what the export is for.
    func stretches(in range: Range<Int>, limit: Int) throws(Problem) -> [ExportStretch]

    /// The client has gone.
    func close()
}

/// A stretch of an export, in bytes, as its clients are told of it.
package struct ExportStretch: Hashable, Sendable {
    /// What clients are told.
    package enum Kind: Sendable {
        case data
        /// It is known to read as zeroes.
        case zero
        /// It is as in the older one of two snapshots, whatever that is.
        case unchanged
    }

    /// The bytes, from the export's beginning.
    package var range: Range<Int>
    /// What they are.
    package var kind: Kind

    package init(_ range: Range<Int>, _ kind: Kind) {
        (self.range, self.kind) = (range, kind)
    }

    package init(_ extent: Extent) { self.init(extent.range, extent.isHole ? .zero : .data) }
}

extension ExportContent {
    /// The extents, of what is no comparison.
    package func stretches(
        in range: Range<Int>, limit: Int
    ) throws(Problem) -> [ExportStretch] {
        try extents(in: range, limit: limit).map { ExportStretch($0) }
    }
}

// What is read-only.
extension ExportContent {
    /// What is not said to be writable is not.
    package var isWritable: Bool { false }
    /// What is not said to take trims takes none.
    package var canTrim: Bool { false }
    /// Writing zeroes is as slow as writing, unless it is said.
    package var isZeroFast: Bool { false }

    /// Refused, where nothing else is said.
    package func write(_ bytes: RawSpan, at offset: Int, isDurable: Bool) throws(Problem) {
        throw readOnlyProblem
    }

    /// Refused, where nothing else is said.
    package func zero(_ range: Range<Int>, isDurable: Bool) throws(Problem) {
        throw readOnlyProblem
    }

    /// A snapshot does not change: there is nothing to flush.
    package func flush() throws(Problem) {}

    /// Why nothing can be written.
    package var readOnlyProblem: Problem { Problem(.refused, "\(description) is read-only") }
}

/// What exports are called for people.
package enum ExportDescription {
    /// How messages call a volume.
    package static func volume(_ name: String) -> String { "volume \(name)" }

    /// How messages call a clone.
    package static func clone(_ clone: CloneRecord, of volume: String) -> String {
        "clone \(clone.name) of snapshot \(clone.snapshotID) of volume \(volume)"
    }

    /// How messages call a snapshot.
    package static func snapshot(_ manifest: SnapshotManifest, of volume: String) -> String {
        let name = manifest.name.map { " (\($0))" } ?? ""
        return "snapshot \(manifest.id)\(name) of volume \(volume), taken \(manifest.takenAt)"
    }

    /// How messages call what has changed between two snapshots.
    package static func changes(_ pair: SnapshotPair, of volume: String) -> String {
        "what has changed from snapshot \(pair.older.id) to snapshot \(pair.newer.id) of volume \(volume)"
    }
}
