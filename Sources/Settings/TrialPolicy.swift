package import Scheduler
internal import SnapshotModel

/// A policy that no file has: it is only tried out.
///
/// It is read as a table `[policies.NAME]` is, and what is wrong with it is told in the same words.
package struct TrialPolicy: Sendable {
    /// What messages call the table, and reports the policy.
    package static let name = "keep"

    private let tree: TOMLTree

    /// - Parameter values: the keys of the table.
    package init(_ values: [String: SettingsValue]) {
        tree = SettingsValue.tree(values, at: Self.start)
    }

    /// - Parameter text: the keys of the table on one line: `last = 5, daily = 7`.
    /// - Throws: what is no TOML.
    package init(parsing text: String) throws(SettingsFailure) {
        let bytes = Array("\(Self.name) = { \(text) }".utf8)
        let document: TOMLTree
        do {
            document = try TOMLParser.parse(SourceText(file: Self.name, bytes: bytes))
        } catch {
            throw error.withoutPlaces
        }
        guard document.entries.count == 1,
            case .table(let tree)? = document[Self.name]?.value.content
        else {
            throw SettingsFailure(
                "\(Quote.text(text)) is more than the keys of a policy",
                hint: "write last = 5, daily = 7")
        }
        self.tree = tree
    }

    private static let start = SourcePosition(file: name, line: 1, column: 1)

    /// The policy, with the zone of the settings unless it names one of its own.
    ///
    /// - Throws: everything that is wrong with it.
    package func policy(
        _ defaults: SettingsDefaults, files: any SettingsFiles = SystemFiles(),
        environment: [String: String] = [:]
    ) throws(SettingsFailure) -> RetentionPolicy {
        let diagnostics = DiagnosticCollector()
        let builder = SettingsBuilder(
            [], timeZones: TimeZoneFiles(files: files, environment: environment),
            diagnostics: diagnostics)
        builder.settings.defaults = defaults
        let table = NamedTable(path: [Self.name], position: Self.start, tree: tree)
        let policy = builder.policy(of: table).policy
        guard !diagnostics.hasErrors else {
            throw SettingsFailure(sorted: diagnostics.sorted).withoutPlaces
        }
        return policy
    }
}

extension SettingsFailure {
    /// The same of what stands in no file.
    fileprivate var withoutPlaces: SettingsFailure {
        SettingsFailure(
            sorted: errors.map { diagnostic in
                var diagnostic = diagnostic
                diagnostic.position = nil
                return diagnostic
            })
    }
}
