internal import Scheduler
internal import SnapshotModel

extension SettingsBuilder {
    func decodeWebhooks() {
        for (name, table) in tables.tables(.webhook) {
            let reader = TableReader<WebhookKey>(table, diagnostics: diagnostics)
            let volumes = reader.texts(.volumes)?.map(\.text) ?? []
            if let webhook = WebhookTable(reader: reader).decode(name: name, volumes: volumes) {
                settings.webhooks[name] = webhook
            }
            show(
                table, reader,
                standards: [
                    .events: EffectiveStandard("[]", .standard, note: "all events"),
                    .volumes: EffectiveStandard("[]", .standard, note: "all volumes"),
                    .caFile: EffectiveStandard(
                        nil, .standard, note: "the certificates that the system trusts"),
                    .insecure: EffectiveStandard("false", .standard),
                    .timeout: Self.seconds(Webhook.standardTimeoutSeconds),
                    .giveUp: Self.seconds(Webhook.standardGiveUpSeconds),
                ])
        }
    }

    private static func seconds(_ count: Int64) -> EffectiveStandard {
        EffectiveStandard(TOMLText.quoted("\(TimeSpan(seconds: count))"), .standard)
    }
}

/// A webhook's table.
struct WebhookTable {
    let reader: TableReader<WebhookKey>

    /// Longer is a mistake.
    private static let longestTimeout = TimeSpan(seconds: 60)
    private static let shortestGiveUp = TimeSpan(seconds: 60)
    private static let longestGiveUp = TimeSpan(seconds: 30 * 86_400)

    /// Nil when it has no address, or no secret.
    func decode(name: String, volumes: [String]) -> Webhook? {
        require(.url, "url = \"https://host/path\"")
        require(.secretFile, "secret-file = \"/path/of/a/secret\"")
        let (secret, authorities) = (
            reader.absolutePath(.secretFile), reader.absolutePath(.caFile)
        )
        let isPlainAllowed = reader.boolean(.insecure) ?? false
        let events = eventPatterns()
        let timeout = span(
            .timeout, TimeSpan(seconds: 1)...Self.longestTimeout,
            standard: Webhook.standardTimeoutSeconds)
        let giveUp = span(
            .giveUp, Self.shortestGiveUp...Self.longestGiveUp,
            standard: Webhook.standardGiveUpSeconds)
        guard let address = address(isPlainAllowed: isPlainAllowed), let secret else { return nil }
        let peer = PostPeer(
            address, authorityPath: authorities, isPlainAllowed: isPlainAllowed,
            timeoutMilliseconds: Int(timeout) * 1_000)
        return Webhook(
            name: name, peer: peer, secretPath: secret, events: events, volumes: volumes,
            giveUpSeconds: giveUp)
    }

    private func require(_ key: WebhookKey, _ line: String) {
        guard reader.node(key) == nil else { return }
        reader.diagnostics.error(
            "\(Quote.path(reader.path)) has no \(key.rawValue)", at: reader.position,
            hint: "add \(line)")
    }

    private func address(isPlainAllowed: Bool) -> PostAddress? {
        guard let text = reader.text(.url, expected: "an address in quotes"),
            let address = reader.address(
                text, of: reader.name(.url), isPlainAllowed: isPlainAllowed)
        else { return nil }
        if !address.isEncrypted, let node = reader.node(.caFile) {
            reader.refuse(node, "\(reader.name(.caFile)) is of no use without https://")
        }
        return address
    }

    /// Each of them stands for an event that there is.
    private func eventPatterns() -> [String] {
        let kinds = EventKind.allCases.map(\.rawValue)
        return (reader.texts(.events) ?? []).map { text in
            if !kinds.contains(where: { Webhook.fits($0, text.text) }) {
                reader.refuse(
                    text.node,
                    "\(reader.name(.events)): there is no event \(Quote.text(text.text))",
                    hint: Suggestion.hint(for: text.text, among: kinds)
                        ?? "`*` stands for anything, as in \"*_failed\"")
            }
            return text.text
        }
    }

    private func span(
        _ key: WebhookKey, _ range: ClosedRange<TimeSpan>, standard: Int64
    ) -> Int64 {
        guard let text = reader.text(key, expected: "a duration in quotes, such as \"10s\""),
            let span = reader.parsed(text, of: key, TimeSpan.init(parsing:))
        else { return standard }
        guard range.contains(span) else {
            reader.refuse(
                text.node, "\(reader.name(key)) is \(span)",
                hint: "it is from \(range.lowerBound) to \(range.upperBound)")
            return standard
        }
        return span.seconds
    }
}
