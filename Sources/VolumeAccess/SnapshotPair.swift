package import SnapshotModel

/// Two snapshots of a volume, of which the older one was taken first.
package struct SnapshotPair: Hashable, Sendable {
    /// The one that was taken first.
    package let older: SnapshotManifest
    /// The one that was taken after it.
    package let newer: SnapshotManifest

    /// What stands between the two in an export's name.
    package static let separator = ".."

    /// - Throws: `usage` unless the first was taken before the second.
    package init(_ older: SnapshotManifest, _ newer: SnapshotManifest) throws(Problem) {
        guard older.ordinal < newer.ordinal else {
            throw Problem(
                .usage, "snapshot \(older.id) was not taken before snapshot \(newer.id)",
                hint: "name the older one first; see \(.list())")
        }
        (self.older, self.newer) = (older, newer)
    }

    /// Reads `A..B`, by ids or names, which may have dots of their own: a snapshot of that name wins.
    ///
    /// - Returns: nil for what is to name one snapshot.
    /// - Throws: `notFound` when one of the two is not there, `ambiguous` when it may be several pairs, `usage` when
    ///   the first was not taken before the second.
    package init?(_ text: String, among snapshots: [SnapshotManifest]) throws(Problem) {
        let places = Self.places(in: text)
        let isName = snapshots.contains { !$0.isDeleted && $0.name == text }
        guard let first = places.first, !isName else { return nil }
        let known = places.filter { halves in
            (try? Self.manifests(halves, snapshots)) != nil
        }
        guard known.count <= 1 else {
            throw Problem(
                .ambiguous, "\(text) may name several pairs of snapshots",
                hint: "give their ids; see \(.list())")
        }
        let (older, newer) = try Self.manifests(known.first ?? first, snapshots)
        try self.init(older, newer)
    }

    /// The two halves for each place at which a text can be divided that is no longer than two names.
    private static func places(in text: String) -> [(String, String)] {
        guard text.count <= 2 * TextBounds.nameLength + separator.count else { return [] }
        return text.indices.compactMap { index in
            let (head, tail) = (text[..<index], text[index...])
            guard !head.isEmpty, tail.hasPrefix(separator), tail.count > separator.count else {
                return nil
            }
            return (String(head), String(tail.dropFirst(separator.count)))
        }
    }

    private static func manifests(
        _ halves: (String, String), _ snapshots: [SnapshotManifest]
    ) throws(Problem) -> (SnapshotManifest, SnapshotManifest) {
        (try manifest(halves.0, snapshots), try manifest(halves.1, snapshots))
    }

    private static func manifest(
        _ reference: String, _ snapshots: [SnapshotManifest]
    ) throws(Problem) -> SnapshotManifest {
        let id = try ExportName.resolve(reference, among: snapshots)
        guard let manifest = snapshots.first(where: { $0.id == id }) else {
            throw Problem(.notFound, "there is no snapshot \(reference)")
        }
        return manifest
    }
}

/// What has changed between two snapshots: the newer one's content, of which clients are told what is as in the older
/// one. Both stay open.
struct ChangesContent: ExportContent {
    let older: any ExportContent
    let newer: any ExportContent
    /// Ascending, within the newer one.
    let changed: [Range<Int>]
    let description: String

    var byteCount: Int { newer.byteCount }
    var preferredBytes: Int { newer.preferredBytes }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        try newer.read(into: &buffer, at: offset)
    }

    func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent] {
        try newer.extents(in: range, limit: limit)
    }

    func stretches(in range: Range<Int>, limit: Int) throws(Problem) -> [ExportStretch] {
        var list: [ExportStretch] = []
        var position = range.lowerBound
        var index = changed.lowestIndex { $0.upperBound > position }
        while position < range.upperBound, list.count < limit {
            let next = index < changed.count ? changed[index] : range.upperBound..<range.upperBound
            if position < next.lowerBound {
                let end = min(next.lowerBound, range.upperBound)
                list.append(ExportStretch(position..<end, .unchanged))
                position = end
                continue
            }
            let part = position..<min(next.upperBound, range.upperBound)
            let extents = try newer.extents(in: part, limit: limit - list.count)
            list += extents.map { ExportStretch($0) }
            guard let end = extents.last?.range.upperBound, end > position else {
                throw Problem(.failed, "\(description) tells nothing of what is at \(position)")
            }
            position = end
            if position >= next.upperBound { index += 1 }
        }
        return list
    }

    func close() {
        newer.close()
        older.close()
    }
}
