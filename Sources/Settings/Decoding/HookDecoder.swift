internal import Scheduler
internal import SnapshotModel

extension SettingsBuilder {
    func decodeHooks() {
        for (name, table) in tables.tables(.hooks) {
            let reader = TableReader<HookKey>(table, diagnostics: diagnostics)
            settings.hooks[name] = HookTable(reader: reader).decode(name: name)
            show(
                table, reader,
                standards: [
                    .timeout: EffectiveStandard(
                        TOMLText.quoted("\(HookTable.standardTimeout)"), .standard),
                    .fatal: EffectiveStandard("true", .standard),
                    .consistency: EffectiveStandard(
                        TOMLText.quoted(HookConsistency.crash.rawValue), .standard),
                    .environment: EffectiveStandard("{}", .standard),
                    .shell: EffectiveStandard("false", .standard),
                ])
        }
    }
}

/// The words of `consistency`.
enum HookConsistency: String, CaseIterable {
    case crash, fs, app

    var level: Consistency {
        switch self {
        case .crash: .crash
        case .fs: .fs
        case .app: .app
        }
    }
}

/// A hook's table.
struct HookTable {
    let reader: TableReader<HookKey>

    static let standardTimeout = TimeSpan(seconds: 30)
    /// Volumes may be held while a hook runs; a day is a mistake.
    private static let longestTimeout = TimeSpan.day
    private static let shell = "/bin/sh"
    private static let reservedPrefix = "SNAPMGR_"

    private static let events: [(HookKey, HookEvent)] = HookEvent.allCases.compactMap { event in
        HookKey(rawValue: event.rawValue).map { ($0, event) }
    }

    func decode(name: String) -> Hook {
        let usesShell = reader.boolean(.shell) ?? false
        var programs: [HookEvent: [String]] = [:]
        let posts = posts()
        for (key, event) in Self.events where !isAddress(key) {
            guard let node = reader.node(key) else { continue }
            if let program = program(node, key, usesShell: usesShell) { programs[event] = program }
        }
        if !Self.events.contains(where: { reader.node($0.0) != nil }) {
            reader.diagnostics.error(
                "\(Quote.path(reader.path)) has no program", at: reader.position,
                hint: "add before-freeze = [\"/path/of/program\"], or an address, or another event")
        }
        let consistency = reader.choice(.consistency, HookConsistency.self) ?? .crash
        if consistency != .crash, reader.node(.beforeFreeze) == nil,
            let node = reader.node(.consistency)
        {
            reader.refuse(
                node, "\(reader.name(.consistency)) is of no use without before-freeze",
                hint: "it says what the snapshots are between that and after-thaw")
        }
        var hook = Hook(
            name: name, programs: programs, timeoutSeconds: Double(timeout().seconds),
            isFatal: reader.boolean(.fatal) ?? true, environment: environment())
        hook.consistency = consistency.level
        (hook.posts, hook.secretPath) = (posts, reader.absolutePath(.secretFile))
        return hook
    }

    // MARK: posts

    /// Whether a key has an address in the place of a program. No line for a shell begins like one.
    private func isAddress(_ key: HookKey) -> Bool {
        guard case .text(let text)? = reader.node(key)?.content else { return false }
        let lower = text.lowercased()
        return lower.hasPrefix("https://") || lower.hasPrefix("http://")
    }

    private func posts() -> [HookEvent: PostPeer] {
        let (authorities, isPlainAllowed) = (
            reader.absolutePath(.caFile), reader.boolean(.insecure) ?? false
        )
        var posts: [HookEvent: PostPeer] = [:]
        for (key, event) in Self.events where isAddress(key) {
            guard let text = reader.text(key),
                let address = reader.address(
                    text, of: reader.name(key), isPlainAllowed: isPlainAllowed)
            else { continue }
            posts[event] = PostPeer(
                address, authorityPath: authorities, isPlainAllowed: isPlainAllowed)
        }
        guard !Self.events.contains(where: { isAddress($0.0) }) else { return posts }
        for key in [HookKey.secretFile, .caFile, .insecure] {
            guard let node = reader.node(key) else { continue }
            reader.refuse(
                node, "\(reader.name(key)) is of no use without an address",
                hint: "write before-freeze = \"https://host/path\" in the place of a program")
        }
        return posts
    }

    private func program(_ node: TOMLNode, _ key: HookKey, usesShell: Bool) -> [String]? {
        if case .text = node.content {
            guard usesShell else {
                reader.wrongType(
                    key, node, expected: "an array of a program's path and its arguments",
                    hint: "write [\"/path/of/program\", \"argument\"], or add shell = true")
                return nil
            }
            guard let line = reader.text(key) else { return nil }
            return [Self.shell, "-c", line.text]
        }
        guard case .array(let nodes) = node.content else {
            reader.wrongType(
                key, node, expected: "an array of a program's path and its arguments")
            return nil
        }
        let arguments = nodes.compactMap {
            reader.text($0, of: key, expected: "an array of texts")
        }
        guard arguments.count == nodes.count else { return nil }
        guard let path = arguments.first else {
            reader.refuse(node, "\(reader.name(key)) has no program")
            return nil
        }
        guard path.text.hasPrefix("/") else {
            reader.refuse(
                path.node,
                "\(reader.name(key)): \(Quote.text(path.text)) is not an absolute path",
                hint: "hooks run without a search path: write the program's whole path")
            return nil
        }
        return arguments.map(\.text)
    }

    private func timeout() -> TimeSpan {
        guard let text = reader.text(.timeout, expected: "a duration in quotes, such as \"30s\""),
            let span = reader.parsed(text, of: .timeout, TimeSpan.init(parsing:))
        else { return Self.standardTimeout }
        if span.seconds == 0 || span > Self.longestTimeout {
            reader.refuse(
                text.node, "\(reader.name(.timeout)) is \(span)",
                hint: "it is from 1s to \(Self.longestTimeout)")
        }
        return span
    }

    private func environment() -> [String: String] {
        guard let node = reader.node(.environment) else { return [:] }
        guard case .table(let tree) = node.content else {
            reader.wrongType(
                .environment, node, expected: "a table of texts", hint: "write { NAME = \"value\" }"
            )
            return [:]
        }
        var result: [String: String] = [:]
        for entry in tree.entries {
            let name = reader.name(.environment) + "." + Quote.path([entry.key])
            if !Self.isVariableName(entry.key) {
                reader.diagnostics.error(
                    "\(name) is not a name of a variable", at: entry.keyPosition,
                    hint: "letters, digits and _, first a letter or _")
            } else if entry.key.hasPrefix(Self.reservedPrefix) {
                reader.diagnostics.error(
                    "\(name): names with \(Self.reservedPrefix) are for what snapmgr tells hooks",
                    at: entry.keyPosition)
            } else if case .text(let text) = entry.value.content, !text.utf8.contains(0) {
                result[entry.key] = text
            } else {
                reader.refuse(entry.value, "\(name) must be a text, not \(entry.value.kind)")
            }
        }
        return result
    }

    private static func isVariableName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return Quote.isBareKey(name) && !name.utf8.contains(UInt8(ascii: "-"))
    }
}
