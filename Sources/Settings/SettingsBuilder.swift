internal import Scheduler
internal import SnapshotModel

/// Makes settings of the tables of all files. The decoding of each kind of table is an extension in
/// `Decoding`; this is the order of things, and what they share.
final class SettingsBuilder {
    let tables: SettingsTables
    let diagnostics: DiagnosticCollector
    private let files: [String]
    private let timeZones: TimeZoneFiles
    private var zones: [String: TimeZoneRules] = [:]

    var settings = Settings(defaults: SettingsDefaults())
    /// What volumes and sets refer to; the rest is warned about.
    private var used: [SectionKind: Set<String>] = [:]
    /// What applies. Tables are decoded in another order than they are shown in.
    private var shownAtTop: [EffectiveValue] = []
    private var shown: [SectionKind: [EffectiveValue]] = [:]
    /// Why the machine's own time zone is not known: an error only where it is needed.
    var zoneProblem: Problem?

    init(
        _ trees: [(file: String, tree: TOMLTree)], timeZones: TimeZoneFiles,
        diagnostics: DiagnosticCollector
    ) {
        files = trees.map(\.file)
        tables = SettingsTables(trees, diagnostics: diagnostics)
        self.timeZones = timeZones
        self.diagnostics = diagnostics
    }

    func build() throws(SettingsFailure) -> Settings {
        settings.files = files
        // In an order in which everything that a table refers to is there already.
        let top = TableReader<TopKey>(
            tables.top, others: SettingsTables.sectionNames, diagnostics: diagnostics)
        decodeTimeZone(top)
        decodeSchedules()
        decodePolicies()
        decodeDefaults(top)
        decodeHooks()
        decodeVolumes()
        decodeSets()
        decodeMachines()
        decodeWebhooks()
        requireOneMeaning()
        try diagnostics.throwErrors()
        warn()
        settings.warnings = diagnostics.sorted
        settings.effectiveValues =
            shownAtTop + SectionKind.allCases.flatMap { shown[$0, default: []] }
        return settings
    }

    // MARK: References

    /// The name of something that must be defined.
    func reference<Key>(
        _ key: Key, to kind: SectionKind, in reader: TableReader<Key>
    ) -> SettingsText? {
        guard let text = reader.text(key, expected: "a \(kind.noun)'s name") else { return nil }
        return isDefined(text, as: kind, in: reader.name(key)) ? text : nil
    }

    /// Names, each at most once, of things that must be defined.
    func references<Key>(
        _ key: Key, to kind: SectionKind, in reader: TableReader<Key>
    ) -> [SettingsText]? {
        guard let node = reader.node(key) else { return nil }
        let texts = reader.texts(node, of: key, expected: "an array of names of \(kind.rawValue)")
        return texts?.filter { isDefined($0, as: kind, in: reader.name(key)) }
    }

    private func isDefined(_ text: SettingsText, as kind: SectionKind, in key: String) -> Bool {
        used[kind, default: []].insert(text.text)
        if tables.contains(kind, text.text) { return true }
        let nearest = Suggestion.hint(for: text.text, among: tables.names(kind))
        diagnostics.error(
            "\(key): there is no \(kind.noun) \(Quote.text(text.text))", at: text.node.position,
            hint: nearest ?? "define it with a table \(Quote.path([kind.rawValue, text.text]))")
        return false
    }

    func isUsed(_ kind: SectionKind, _ name: String) -> Bool { used[kind]?.contains(name) ?? false }

    /// A policy by the name in a key; nil when there is no such key, or an error in it.
    func policy<Key>(_ key: Key, in reader: TableReader<Key>) -> NamedPolicy? {
        reference(key, to: .policies, in: reader).flatMap { name in
            settings.policies[name.text].map { NamedPolicy(name: name.text, policy: $0) }
        }
    }

    // MARK: Time zones

    /// The zone that a key names; nil when there is no such key, or an error in it.
    func zone<Key>(_ key: Key, in reader: TableReader<Key>) -> TimeZoneRules? {
        guard let text = reader.text(key, expected: "a time zone's name") else { return nil }
        return zone(text.text, of: reader.name(key), at: text.node.position)
    }

    func zone(_ name: String, of key: String, at position: SourcePosition) -> TimeZoneRules? {
        if let zone = zones[name] { return zone }
        do {
            let zone = try timeZones.zone(named: name)
            zones[name] = zone
            return zone
        } catch {
            diagnostics.error(
                "\(key): \(error.message)", at: position, hint: error.hint)
            return nil
        }
    }

    /// The zone of a table that names none.
    func defaultZone(for table: NamedTable) -> TimeZoneRules {
        if let zoneProblem {
            diagnostics.error(
                "\(Quote.path(table.path)) has no time-zone, and the system's cannot be used: "
                    + zoneProblem.message, at: table.position, hint: zoneProblem.hint)
        }
        return settings.defaults.timeZone
    }

    func systemZone() throws(Problem) -> (zone: TimeZoneRules, source: String) {
        try timeZones.systemZone()
    }

    // MARK: What applies

    /// Adds a line of `config show`.
    func show(
        _ table: NamedTable, _ key: String, _ value: String?, _ source: EffectiveValue.Source,
        note: String? = nil
    ) {
        let line = EffectiveValue(
            table: Quote.path(table.path), key: key, value: value, source: source, note: note)
        if let kind = table.path.first.flatMap(SectionKind.init(rawValue:)) {
            shown[kind, default: []].append(line)
        } else {
            shownAtTop.append(line)
        }
    }

    /// A table's keys in the order in which the reference has them; `standards` for those that are
    /// not there.
    func show<Key: SettingsKey>(
        _ table: NamedTable, _ reader: TableReader<Key>, standards: [Key: EffectiveStandard]
    ) {
        var isEmpty = true
        for key in Key.allCases {
            if let node = reader.node(key) {
                show(table, key.rawValue, node.text, .file(node.position))
            } else if let standard = standards[key] {
                show(table, key.rawValue, standard.value, standard.source, note: standard.note)
            } else {
                continue
            }
            isEmpty = false
        }
        if isEmpty { show(table, "", nil, .file(table.position)) }
    }

    /// What applies when a table does not have a key that may also stand at the top.
    func standard(_ key: TopKey) -> EffectiveStandard {
        let own = shownAtTop.first { $0.key == key.rawValue }
        guard var standard = own.map({ EffectiveStandard($0.value, $0.source, note: $0.note) })
        else {
            return EffectiveStandard(nil, .standard)
        }
        if case .file = standard.source { standard.note = "from \(key.rawValue) at the top" }
        return standard
    }
}

/// What applies in place of a key that is not there.
struct EffectiveStandard {
    var value: String?
    var source: EffectiveValue.Source
    var note: String?

    init(_ value: String?, _ source: EffectiveValue.Source, note: String? = nil) {
        self.value = value
        self.source = source
        self.note = note
    }
}
