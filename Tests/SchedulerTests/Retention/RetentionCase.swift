import Scheduler
import SnapshotModel

/// A case of another tool: a policy, snapshots, and which of them it keeps.
struct RetentionCase: Sendable, CustomStringConvertible {
    var id: String
    var family: Family
    var policy: RetentionPolicy
    /// In the family's own order of snapshots that are equally old.
    var subjects: [RetentionSubject]
    var names: [SnapshotID: String]
    var now: Timestamp
    var keep: Set<String>?
    var remove: Set<String>?
    /// In restic's words.
    var reasons: [String: Set<String>]

    enum Family: String, Sendable {
        case restic = "restic-forget"
        case zrepl = "zrepl-keep-rules"
    }

    var description: String { id }

    init(_ value: JSONValue, fixtures: [String: JSONValue]) throws {
        var fields = try CaseFields(value, "case")
        id = try fields.takeString("id") ?? "?"
        fields = try CaseFields(value, id)
        let word = try fields.takeString("family") ?? "?"
        guard let family = Family(rawValue: word) else {
            throw CaseError("\(id): unknown family \(word)")
        }
        for name in ["id", "kind", "source", "notes", "note", "rechecked", "about", "comment"] {
            _ = fields.take(name)
        }
        let zone = try zone(try fields.takeString("timezone", "time_zone", "zone", "tz") ?? "UTC")
        let now = try fields.takeString("now").map { try time($0) }
        var list = try CaseSnapshots(
            snapshots: fields.take("snapshots"), fixture: fields.takeString("fixture"), fixtures)
        var cursor = ReplicationCursor()
        try cursor.read(&fields)
        guard let policy = fields.take("policy") else { throw CaseError("\(id): no policy") }
        let expect = fields.take("expect", "expected")
        try fields.finish()

        self.family = family
        switch family {
        case .restic: self.policy = try resticPolicy(policy, zone: zone, place: id)
        case .zrepl:
            self.policy = try zreplPolicy(
                policy, zone: zone, hasNow: now != nil, cursor: &cursor, place: id)
        }
        try list.apply(cursor)
        (subjects, names) = list.subjects(of: family)
        // Without one, every snapshot lies in the past.
        self.now = now ?? Timestamp.last
        (keep, remove, reasons) = (nil, nil, [:])
        try readExpectation(expect)
    }

    private mutating func readExpectation(_ value: JSONValue?) throws {
        guard let value else { throw CaseError("\(id): nothing is expected") }
        var fields = try CaseFields(value, "\(id).expect")
        func list(_ value: JSONValue) throws -> Set<String> {
            Set(try value.array("\(id).expect").map { try $0.string("\(id).expect") })
        }
        keep = try fields.take("keep", "kept").map(list)
        remove = try fields.take("remove", "removed", "destroy", "forget").map(list)
        if let texts = fields.take("reasons") {
            reasons = try texts.object("\(id).expect.reasons").mapValues(list)
        }
        _ = fields.take("notes")
        try fields.finish()
        guard keep != nil || remove != nil else { throw CaseError("\(id): nothing is expected") }
    }
}

/// RFC 3339, also with an offset from UTC.
private func time(_ text: String) throws -> Timestamp {
    if let moment = Timestamp(text) { return moment }
    let sign = text.utf8.count > 6 ? Array(text.utf8)[text.utf8.count - 6] : 0
    let offset = text.suffix(5).split(separator: ":")
    guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"), offset.count == 2,
        let hours = Int64(offset[0]), let minutes = Int64(offset[1]),
        let clock = Timestamp(text.dropLast(6))
    else { throw CaseError("not a time: \(text)") }
    let seconds = hours * 3600 + minutes * 60
    return clock.advanced(bySeconds: sign == UInt8(ascii: "+") ? -seconds : seconds)
}

/// Up to where a mirror has everything.
private struct ReplicationCursor {
    var name: String?
    var time: Timestamp?
    var keepsCursor = false

    mutating func read(_ fields: inout CaseFields) throws {
        let text = try fields.takeString(
            "replication_cursor", "cursor", "cursor_id", "replicated_until", "replicated_up_to")
        if let text {
            time = try? SchedulerTests.time(text)
            name = time == nil ? text : nil
        }
        if let value = fields.take("keep_snapshot_at_cursor", "keep_at_cursor") {
            keepsCursor = try value.bool(fields.place)
        }
    }
}

/// The snapshots of a case, as they stand there.
private struct CaseSnapshots {
    private struct Entry {
        var id: String
        var name: String
        var takenAt: Timestamp
        var tags: [String]
        var isReplicated: Bool
    }

    private var entries: [Entry] = []

    init(snapshots: JSONValue?, fixture: String?, _ fixtures: [String: JSONValue]) throws {
        let list = snapshots ?? fixture.flatMap { fixtures[$0] }
        guard let list else { throw CaseError("no snapshots, fixture \(fixture ?? "none")") }
        entries = try list.array("snapshots").map(Self.entry)
    }

    private static func entry(_ value: JSONValue) throws -> Entry {
        var fields = try CaseFields(value, "snapshot")
        let id = try fields.takeString("id")
        let name = try fields.takeString("name")
        guard let label = id ?? name,
            let text = try fields.takeString("time", "taken_at", "date", "creation", "created")
        else { throw CaseError("a snapshot without id or time") }
        let tags = try fields.take("tags")?.array(label).map { try $0.string(label) }
        let isReplicated = try fields.take("replicated", "is_replicated", "mirrored")?.bool(label)
        for other in ["paths", "hostname", "host", "username", "tree", "parent", "notes"] {
            _ = fields.take(other)
        }
        try fields.finish()
        return Entry(
            id: label, name: name ?? label, takenAt: try time(text), tags: tags ?? [],
            isReplicated: isReplicated ?? false)
    }

    /// Marks what a mirror has by its cursor, if the case has one.
    mutating func apply(_ cursor: ReplicationCursor) throws {
        var end = cursor.time
        if let name = cursor.name {
            guard let entry = entries.first(where: { $0.id == name || $0.name == name }) else {
                throw CaseError("the cursor \(name) is not a snapshot")
            }
            end = entry.takenAt
        }
        guard let end else { return }
        for index in entries.indices {
            let takenAt = entries[index].takenAt
            entries[index].isReplicated = cursor.keepsCursor ? takenAt < end : takenAt <= end
        }
    }

    /// restic and zrepl sort stably: of equal moments restic takes the first one for the newest,
    /// zrepl's grid for the oldest.
    func subjects(
        of family: RetentionCase.Family
    ) -> (subjects: [RetentionSubject], names: [SnapshotID: String]) {
        var subjects: [RetentionSubject] = []
        var names: [SnapshotID: String] = [:]
        for (index, entry) in entries.enumerated() {
            let id = SnapshotID(rawValue: Int64(index + 1))
            let ordinal = family == .restic ? entries.count - index : index + 1
            names[id] = entry.id
            subjects.append(
                RetentionSubject(
                    id: id, ordinal: SnapshotOrdinal(rawValue: ordinal), takenAt: entry.takenAt,
                    name: entry.name, tags: entry.tags, isMirrored: entry.isReplicated))
        }
        return (subjects, names)
    }
}

private func resticPolicy(
    _ value: JSONValue, zone: TimeZoneRules, place: String
) throws -> RetentionPolicy {
    var fields = try CaseFields(value, "\(place).policy")
    var rules: [KeepRule] = []
    if let value = fields.take("keep_last", "last") {
        rules.append(.last(try keepCount(value, place)))
    }
    let kinds: [(String, BucketSpan)] = [
        ("hourly", .hourly), ("daily", .daily), ("weekly", .weekly), ("monthly", .monthly),
        ("quarterly", .quarterly), ("yearly", .yearly),
    ]
    for (name, span) in kinds {
        if let value = fields.take("keep_\(name)", name) {
            rules.append(.buckets(span, try keepCount(value, place)))
        }
        if let text = try fields.takeString("keep_within_\(name)", "within_\(name)") {
            rules.append(
                .withinBuckets(WithinBucketRule(span, within: try CalendarSpan(parsing: text))))
        }
    }
    if let text = try fields.takeString("keep_within", "within") {
        rules.append(.within(try CalendarSpan(parsing: text)))
    }
    for list in try fields.take("keep_tags", "keep_tag", "tags")?.array(place) ?? [] {
        rules.append(.tags(TagRule(try tags(list, place))))
    }
    try fields.finish()
    return RetentionPolicy(rules: rules, prefer: .newest, zone: zone)
}

/// A list of tags, or a text with commas as on restic's command line.
private func tags(_ value: JSONValue, _ place: String) throws -> [String] {
    if case .string(let text) = value {
        return text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    return try value.array(place).map { try $0.string(place) }
}

private func keepCount(_ value: JSONValue, _ place: String) throws -> KeepCount {
    guard let count = KeepCount(try value.count(place)) else {
        throw CaseError("\(place): a negative count")
    }
    return count
}

private func zreplPolicy(
    _ value: JSONValue, zone: TimeZoneRules, hasNow: Bool, cursor: inout ReplicationCursor,
    place: String
) throws -> RetentionPolicy {
    var list = value
    if case .object = value {
        var fields = try CaseFields(value, "\(place).policy")
        guard let rules = fields.take("rules", "keep", "keep_rules") else {
            throw CaseError("\(place): no rules")
        }
        try cursor.read(&fields)
        try fields.finish()
        list = rules
    }
    let rules = try list.array("\(place).rules").enumerated().map { number, rule in
        var fields = try CaseFields(rule, "\(place).rules[\(number)]")
        let rule = try zreplRule(&fields, hasNow: hasNow, cursor: &cursor)
        try fields.finish()
        return rule
    }
    return RetentionPolicy(rules: rules, zone: zone)
}

private func zreplRule(
    _ fields: inout CaseFields, hasNow: Bool, cursor: inout ReplicationCursor
) throws -> KeepRule {
    let pattern = try fields.takeString("regex", "pattern").map { try NamePattern($0) }
    switch try fields.takeString("type") ?? "" {
    case "grid":
        guard let text = try fields.takeString("grid", "spec", "intervals") else {
            throw CaseError("\(fields.place): no grid")
        }
        // A case with a moment of its own tests the grid alone, without zrepl's choice of it.
        return .grid(
            GridRule(
                try Grid(parsing: text), pattern: pattern, anchor: hasNow ? .now : .newest))
    case "last_n", "keep_last_n":
        guard let count = fields.take("count", "n") else {
            throw CaseError("\(fields.place): no count")
        }
        return .last(
            LastRule(try keepCount(count, fields.place), pattern: try pattern ?? NamePattern("")))
    case "regex", "keep_regex":
        guard let pattern else { throw CaseError("\(fields.place): no regex") }
        let isNegated = try fields.take("negate", "negated")?.bool(fields.place) ?? false
        return .names(NameRule(pattern, isNegated: isNegated))
    case "not_replicated", "keep_not_replicated":
        try cursor.read(&fields)
        return .notMirrored(NotMirroredRule())
    case let type:
        throw CaseError("\(fields.place): unknown type \(type)")
    }
}
