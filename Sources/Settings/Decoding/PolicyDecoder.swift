internal import Scheduler
internal import SnapshotModel

extension SettingsBuilder {
    func decodePolicies() {
        for (name, table) in tables.tables(.policies) {
            let (reader, policy) = policy(of: table)
            settings.policies[name] = policy
            show(
                table, reader,
                standards: [
                    .prefer: EffectiveStandard(
                        TOMLText.quoted(RetentionPolicy.Preference.oldest.rawValue), .standard),
                    .timeZone: standard(.timeZone),
                    .includeManual: EffectiveStandard("false", .standard),
                ])
        }
    }

    /// What a policy's table says.
    func policy(of table: NamedTable) -> (reader: TableReader<PolicyKey>, policy: RetentionPolicy) {
        let reader = TableReader<PolicyKey>(table, diagnostics: diagnostics)
        let zone =
            reader.node(.timeZone) == nil
            ? defaultZone(for: table) : zone(.timeZone, in: reader) ?? .utc
        let policy = RetentionPolicy(
            rules: PolicyRules(reader: reader).decode(),
            prefer: reader.choice(.prefer, RetentionPolicy.Preference.self) ?? .oldest,
            zone: zone, appliesToManual: reader.boolean(.includeManual) ?? false)
        return (reader, policy)
    }
}

/// The rules in a policy's table, in the order of the reference.
struct PolicyRules {
    let reader: TableReader<PolicyKey>

    private static let buckets: [(PolicyKey, within: PolicyKey, BucketSpan)] = [
        (.minutely, .withinMinutely, .minutely), (.hourly, .withinHourly, .hourly),
        (.daily, .withinDaily, .daily), (.weekly, .withinWeekly, .weekly),
        (.monthly, .withinMonthly, .monthly), (.quarterly, .withinQuarterly, .quarterly),
        (.yearly, .withinYearly, .yearly),
    ]

    func decode() -> [KeepRule] {
        var rules: [KeepRule] = []
        if let count = count(.last) { rules.append(.last(count)) }
        if let span = span(.within) { rules.append(.within(span)) }
        for (key, _, bucket) in Self.buckets {
            if let count = count(key) { rules.append(.buckets(bucket, count)) }
        }
        for (_, key, bucket) in Self.buckets {
            if let span = span(key) {
                rules.append(.withinBuckets(WithinBucketRule(bucket, within: span)))
            }
        }
        rules += every() + tags() + names(.names, isNegated: false)
        rules += names(.notNames, isNegated: true)
        let grid = reader.parsed(
            .grid, expected: "a grid, such as \"24x1h | 30x1d\"", Grid.init(parsing:))
        if let grid { rules.append(.grid(GridRule(grid))) }
        if reader.boolean(.notMirrored) == true { rules.append(.notMirrored(NotMirroredRule())) }
        return rules
    }

    private func span(_ key: PolicyKey) -> CalendarSpan? {
        guard
            let text = reader.text(
                key, expected: "a length of time in quotes, such as \"7d\""),
            let span = reader.parsed(text, of: key, CalendarSpan.init(parsing:))
        else { return nil }
        if CalendarSpan.hasBareMonths(text.text) {
            reader.diagnostics.warn(
                "\(reader.name(key)): m is months here, and minutes elsewhere",
                at: text.node.position,
                hint: "write mo for months, or min for minutes")
        }
        return span
    }

    private func count(_ key: PolicyKey) -> KeepCount? {
        reader.node(key).flatMap { count($0, of: reader.name(key)) }
    }

    private func count(_ node: TOMLNode, of name: String) -> KeepCount? {
        let count: KeepCount?
        switch node.content {
        case .integer(let number): count = KeepCount(number)
        case .text("unlimited"): count = .all
        default: count = nil
        }
        if count == nil {
            let isNumber = if case .integer(let number) = node.content { number } else { Int?.none }
            reader.refuse(
                node, "\(name) must be a count, not \(isNumber.map(String.init) ?? node.kind)",
                hint: "a count is 0 or more, or \"unlimited\"")
        }
        return count
    }

    /// `every = { "15m" = 96 }`: buckets of any length.
    private func every() -> [KeepRule] {
        guard let node = reader.node(.every) else { return [] }
        guard case .table(let tree) = node.content else {
            reader.wrongType(
                .every, node, expected: "a table of counts", hint: "write { \"15m\" = 96 }")
            return []
        }
        var first: [BucketSpan: String] = [:]
        var rules: [KeepRule] = []
        for entry in tree.entries {
            let name = reader.name(.every) + "." + Quote.path([entry.key])
            do throws(SyntaxError) {
                let span = try BucketSpan(parsing: entry.key)
                if let other = first.updateValue(entry.key, forKey: span) {
                    reader.diagnostics.error(
                        "\(name) is the same as \(Quote.text(other))", at: entry.keyPosition)
                }
                if let count = count(entry.value, of: name) { rules.append(.buckets(span, count)) }
            } catch {
                reader.diagnostics.error("\(name): \(error.message)", at: entry.keyPosition)
            }
        }
        return rules
    }

    /// `tags = [["keep"], ["monthly", "tax"]]`: all tags of any of the lists.
    private func tags() -> [KeepRule] {
        let expected = "an array of arrays of tags"
        guard let node = reader.node(.tags) else { return [] }
        guard case .array(let lists) = node.content else {
            reader.wrongType(.tags, node, expected: expected, hint: "write [[\"keep\"]]")
            return []
        }
        return lists.compactMap { list in
            guard case .array(let parts) = list.content else {
                reader.wrongType(
                    .tags, list, expected: expected,
                    hint: "a snapshot is kept that has all tags of a list: [[\"keep\"]]")
                return nil
            }
            guard !parts.isEmpty else {
                reader.refuse(list, "\(reader.name(.tags)) has an empty list")
                return nil
            }
            let texts = reader.texts(list, of: .tags, expected: expected) ?? []
            return .tags(TagRule(texts.map(\.text)))
        }
    }

    private func names(_ key: PolicyKey, isNegated: Bool) -> [KeepRule] {
        (reader.texts(key) ?? []).compactMap { text in
            reader.parsed(text, of: key, NamePattern.init).map {
                .names(NameRule($0, isNegated: isNegated))
            }
        }
    }
}
