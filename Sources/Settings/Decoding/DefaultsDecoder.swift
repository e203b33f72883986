internal import Scheduler
internal import SnapshotModel

extension SettingsBuilder {
    /// First, since schedules and policies need it.
    func decodeTimeZone(_ reader: TableReader<TopKey>) {
        if let node = reader.node(.timeZone) {
            if let zone = zone(.timeZone, in: reader) { settings.defaults.timeZone = zone }
            show(tables.top, TopKey.timeZone.rawValue, node.text, .file(node.position))
            return
        }
        do {
            let (zone, source) = try systemZone()
            settings.defaults.timeZone = zone
            // A copy of a zone's file does not tell the zone's name.
            let name = zone.name == "local" ? nil : TOMLText.quoted(zone.name)
            show(
                tables.top, TopKey.timeZone.rawValue, source == "$TZ" ? nil : name,
                source == "default" ? .standard : .system(source),
                note: name == nil || source == "$TZ" ? "the zone of \(source)" : nil)
        } catch {
            zoneProblem = error
            show(
                tables.top, TopKey.timeZone.rawValue, TOMLText.quoted(TimeZoneRules.utc.name),
                .standard)
        }
    }

    func decodeDefaults(_ reader: TableReader<TopKey>) {
        settings.defaults.policy = policy(.policy, in: reader)
        if let policy = policy(.safetyPolicy, in: reader) {
            settings.defaults.safetyPolicy = policy
        }
        if let floor = freeSpaceFloor(.freeSpaceFloor, in: reader) {
            settings.defaults.freeSpaceFloor = floor
        }
        if let below = belowFloor(.belowFloor, in: reader) { settings.defaults.belowFloor = below }
        if let scrub = scrub(.scrub, in: reader) { settings.defaults.scrub = scrub }
        if let log = writeBack(.writeBack, in: reader) { settings.defaults.writeBack = log }
        let events = reader.parsed(
            .events, expected: "a length of time in quotes, such as \"2y\"",
            CalendarSpan.init(parsing:))
        if let events { settings.defaults.events = events }
        showTop(.policy, reader, EffectiveStandard(nil, .standard, note: "all snapshots are kept"))
        showTop(
            .safetyPolicy, reader,
            EffectiveStandard(nil, .standard, note: "built in: \(NamedPolicy.builtInSafetyText)"))
        showTop(
            .freeSpaceFloor, reader,
            EffectiveStandard(TOMLText.quoted("\(FreeSpaceFloor.standard)"), .standard))
        showTop(
            .belowFloor, reader,
            EffectiveStandard(TOMLText.quoted(BelowFloor.refuse.rawValue), .standard))
        showTop(.scrub, reader, EffectiveStandard(TOMLText.quoted("off"), .standard))
        showTop(.writeBack, reader, EffectiveStandard(TOMLText.quoted("off"), .standard))
        showTop(.events, reader, EffectiveStandard(TOMLText.quoted("2y"), .standard))
    }

    func writeBack<Key>(_ key: Key, in reader: TableReader<Key>) -> WriteBack? {
        guard let text = reader.text(key, expected: WriteBack.rule) else { return nil }
        guard let log = WriteBack(text.text) else {
            reader.refuse(
                text.node, "\(reader.name(key)) cannot be \(Quote.text(text.text))",
                hint: "write \(WriteBack.rule)")
            return nil
        }
        return log
    }

    func scrub<Key>(_ key: Key, in reader: TableReader<Key>) -> ScrubInterval? {
        let words = ScrubInterval.allCases.map { TOMLText.quoted($0.rawValue) }
            .joined(separator: " or ")
        guard let text = reader.text(key, expected: words) else { return nil }
        guard let interval = ScrubInterval(rawValue: text.text) else {
            reader.refuse(
                text.node, "\(reader.name(key)) cannot be \(Quote.text(text.text))",
                hint: "write \(words)")
            return nil
        }
        return interval
    }

    func belowFloor<Key>(_ key: Key, in reader: TableReader<Key>) -> BelowFloor? {
        let words = BelowFloor.allCases.map { TOMLText.quoted($0.rawValue) }
            .joined(separator: " or ")
        guard let text = reader.text(key, expected: words) else { return nil }
        guard let below = BelowFloor(rawValue: text.text) else {
            reader.refuse(
                text.node, "\(reader.name(key)) cannot be \(Quote.text(text.text))",
                hint: "write \(words)")
            return nil
        }
        return below
    }

    private func showTop(
        _ key: TopKey, _ reader: TableReader<TopKey>, _ standard: EffectiveStandard
    ) {
        if let node = reader.node(key) {
            show(tables.top, key.rawValue, node.text, .file(node.position))
        } else {
            show(tables.top, key.rawValue, standard.value, standard.source, note: standard.note)
        }
    }

    func freeSpaceFloor<Key>(_ key: Key, in reader: TableReader<Key>) -> FreeSpaceFloor? {
        let expected = "a share or a size in quotes, such as \"5%\" or \"20GiB\""
        guard let text = reader.text(key, expected: expected) else { return nil }
        guard let floor = FreeSpaceFloor(text.text) else {
            reader.refuse(
                text.node,
                "\(reader.name(key)): \(Quote.text(text.text)) is neither a share nor a size",
                hint: "write it as \"5%\" (below 100%) or \"20GiB\"")
            return nil
        }
        return floor
    }
}
