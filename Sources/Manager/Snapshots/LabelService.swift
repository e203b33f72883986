internal import Catalog
internal import System
package import SnapshotModel
internal import VolumeAccess

/// What to write on snapshots, and what to take off them.
package struct LabelRequest: Hashable, Sendable {
    /// Snapshots, and sets for all of theirs.
    package var references: [String]
    /// Nil leaves the name as it is, an empty one takes it away.
    package var name: String?
    /// Nil leaves the note as it is, an empty one takes it away.
    package var note: String?
    package var addedTags: [String]
    package var removedTags: [String]
    package var isDryRun: Bool

    package init(
        _ references: [String], name: String? = nil, note: String? = nil,
        addedTags: [String] = [], removedTags: [String] = [], isDryRun: Bool = false
    ) {
        self.references = references
        self.name = name
        self.note = note
        self.addedTags = addedTags
        self.removedTags = removedTags
        self.isDryRun = isDryRun
    }

    /// What a snapshot says when it is done. Tags that stay keep their order.
    func applied(to labels: SnapshotLabels) -> SnapshotLabels {
        var labels = labels
        if let name { labels.name = name.isEmpty ? nil : name }
        if let note { labels.note = note.isEmpty ? nil : note }
        labels.tags.removeAll { tag in removedTags.contains { Self.isSame($0, tag) } }
        for tag in addedTags where !labels.tags.contains(where: { Self.isSame($0, tag) }) {
            labels.tags.append(tag)
        }
        return labels
    }

    /// As the catalog compares words: byte by byte, so that what was added is found.
    private static func isSame(_ tag: String, _ other: String) -> Bool {
        tag.utf8.elementsEqual(other.utf8)
    }
}

/// The snapshots as they are labelled now; of a dry run, as they would be.
package struct LabelReport: Hashable, Sendable {
    package var snapshots: [SnapshotSummary]
    /// Those of them that were changed.
    package var changed: Set<SnapshotID>
    package var isDryRun: Bool
}

extension LabelReport: JSONConvertible {
    package var json: JSONValue {
        [
            "snapshots": JSONValue(snapshots),
            "changed": .array(changed.sorted().map { JSONValue($0) }),
            "dry_run": JSONValue(isDryRun),
        ]
    }
}

/// Changes what people wrote on snapshots, in their stores first, which the catalog is rebuilt from.
package struct LabelService {
    let context: ManagerContext

    package func modify(_ request: LabelRequest) throws -> LabelReport {
        if let both = request.addedTags.first(where: request.removedTags.contains) {
            throw Problem(.usage, "`\(both)` cannot be added and taken away at once")
        }
        let resolver = ReferenceResolver(context)
        var rows: [SnapshotID: SnapshotRow] = [:]
        for reference in request.references {
            for row in try resolver.snapshots(reference) { rows[row.id] = row }
        }
        let ids = rows.keys.sorted()
        return try Reconciler(context).withVolumes(rows.values.map(\.volume)) { volumes in
            // As they are now that nobody else changes them.
            let rows = try ids.map { try present($0) }
            let wanted = try rows.map { row in
                try valid(request.applied(to: row.manifest.labels), of: row)
            }
            try requireDistinct(zip(rows, wanted))
            let changes = zip(rows, wanted).filter { $0.manifest.labels != $1 }
            if !request.isDryRun { try carryOut(changes, in: volumes) }
            return LabelReport(
                snapshots: zip(rows, wanted).map { row, labels in
                    var summary = SnapshotSummary(row)
                    summary.manifest.labels = labels
                    return summary
                }, changed: Set(changes.map(\.0.id)), isDryRun: request.isDryRun)
        }
    }

    private func present(_ id: SnapshotID) throws -> SnapshotRow {
        guard let row = try context.catalog.snapshot(id), row.phase == .present else {
            throw Problem.noSnapshot("\(id)")
        }
        return row
    }

    private func valid(_ labels: SnapshotLabels, of row: SnapshotRow) throws -> SnapshotLabels {
        // What it says already may be from a time with other bounds.
        if labels != row.manifest.labels { try labels.validate() }
        if let name = labels.name, name != row.manifest.name {
            try context.requireFree(name, in: row.volume)
        }
        return labels
    }

    /// One name for several snapshots of a volume, none of which has it yet.
    private func requireDistinct(
        _ wanted: Zip2Sequence<[SnapshotRow], [SnapshotLabels]>
    ) throws {
        var named: [String: SnapshotID] = [:]
        for (row, labels) in wanted where labels.name != row.manifest.name {
            guard let name = labels.name else { continue }
            guard let other = named.updateValue(row.id, forKey: row.volume) else { continue }
            throw Problem(
                .usage,
                "snapshots \(other) and \(row.id) of volume \(row.volume) cannot both be called "
                    + name, hint: "name them one by one")
        }
    }

    private func carryOut(
        _ changes: [(SnapshotRow, SnapshotLabels)], in volumes: [VolumeRow]
    ) throws {
        var done: [SnapshotID] = []
        do {
            for volume in volumes {
                let mine = changes.filter { $0.0.volume == volume.record.name }
                guard !mine.isEmpty else { continue }
                _ = try context.reader(volume)
                try context.withSession(volume) { session in
                    for (row, labels) in mine {
                        try context.end.check()
                        try carryOut(labels, on: row, session)
                        done.append(row.id)
                    }
                }
            }
        } catch {
            throw partly(done, of: changes.count, Problem(error))
        }
    }

    /// Why not all were changed, of which some are.
    private func partly(_ done: [SnapshotID], of count: Int, _ problem: Problem) -> Problem {
        guard !done.isEmpty, problem.code != .interrupted else { return problem }
        let ids = done.map(\.description).joined(separator: ", ")
        return Problem(
            .partial,
            "\(done.count) of \(count) snapshots were changed (\(ids)), and no more: "
                + problem.message, hint: problem.hint)
    }

    private func carryOut(
        _ labels: SnapshotLabels, on row: SnapshotRow, _ session: any VolumeSession
    ) throws {
        try context.catalog.beginLabelling(row.id)
        do throws(Problem) {
            try session.perform(.label(row.id, labels))
        } catch {
            // What the store says now is looked up by the next command.
            guard error.code == .usage else { throw error }
            throw Problem(
                .failed,
                "the server of volume \(row.volume) is older, and cannot change what is written on "
                    + "snapshots: \(error.message)", hint: "restart it: \(.serve())")
        }
        try context.catalog.atomically("labelling snapshot \(row.id)") {
            try context.catalog.setLabels(row.id, labels)
            try context.log(
                .labelled, "snapshot \(row.id) is labelled: \(labels.words)", volume: row.volume,
                snapshot: row.id)
        }
    }
}

extension SnapshotLabels {
    /// - Throws: `usage` when it cannot be written on a snapshot.
    func validate() throws(Problem) {
        if let name { try SnapshotName.validate(name) }
        for text in tags + [note].compactMap(\.self)
        where text.utf8.count > TextBounds.noteBytes {
            throw Problem(
                .usage, "`\(text.prefix(20))...` is too long",
                hint: "use \(TextBounds.noteBytes) bytes at most")
        }
        guard !tags.contains("") else {
            throw Problem(.usage, "a tag is empty", hint: "give it a word, or leave it out")
        }
        guard tags.count <= TextBounds.tagCount else {
            throw Problem(
                .usage, "there are \(tags.count) tags", hint: "use \(TextBounds.tagCount) at most")
        }
    }

    /// All of it in one line.
    package var words: String {
        let parts =
            [name.map { "name \($0)" }].compactMap(\.self) + tags.map { "tag \($0)" }
            + [note.map { "note `\($0)`" }].compactMap(\.self)
        return parts.isEmpty ? "nothing" : parts.joined(separator: ", ").escapedForPeople
    }
}

extension ManagerContext {
    /// A name is there once in a volume. Those that older versions gave twice stay.
    ///
    /// - Throws: `exists`, naming the snapshot that has it.
    func requireFree(_ name: String, in volume: String) throws {
        if try catalog.clones(volume: volume).contains(where: { $0.record.name == name }) {
            throw Problem(
                .exists, "volume \(volume) has a clone \(name) already",
                hint: "choose another name; see \(.cloneList)")
        }
        guard let other = try catalog.snapshots(volume: volume, named: name).first else { return }
        throw Problem(
            .exists, "snapshot \(other.id) of volume \(volume) is called \(name) already",
            hint: "choose another name, or give that one another: \(.modify(other.id))")
    }
}
