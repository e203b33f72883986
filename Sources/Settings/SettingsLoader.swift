internal import System
internal import SnapshotModel

/// Reads the settings: the main file, then those of `conf.d` beside it.
package struct SettingsLoader: Sendable {
    /// Settings are a few KiB; what is longer than this is something else.
    package static let limitBytes = 1 << 20

    private let files: any SettingsFiles
    private let timeZones: TimeZoneFiles

    /// `environment` is asked for `$TZ` and `$TZDIR`.
    package init(files: any SettingsFiles = SystemFiles(), environment: [String: String]) {
        self.files = files
        timeZones = TimeZoneFiles(files: files, environment: environment)
    }

    /// The settings; every error of every file.
    package func load(_ location: SettingsLocation) throws(SettingsFailure) -> Settings {
        let diagnostics = DiagnosticCollector()
        var trees: [(file: String, tree: TOMLTree)] = []
        for path in paths(location, diagnostics) {
            do {
                guard let tree = try tree(path, mayBeMissing: !location.isRequired) else {
                    continue
                }
                trees.append((path, tree))
            } catch {
                diagnostics.add(error.diagnostics)
            }
        }
        // What a file that was not understood defines would be missed everywhere else.
        try diagnostics.throwErrors()
        let builder = SettingsBuilder(trees, timeZones: timeZones, diagnostics: diagnostics)
        return try builder.build()
    }

    private func paths(
        _ location: SettingsLocation, _ diagnostics: DiagnosticCollector
    ) -> [String] {
        do {
            let names = try files.list(location.folder)
                .filter(Self.isRead)
            return [location.path] + names.sorted().map { "\(location.folder)/\($0)" }
        } catch {
            if !error.isNotFound { diagnostics.error(error.description, at: nil) }
            return [location.path]
        }
    }

    /// Whether a file of `conf.d` counts, by its name.
    static func isRead(_ name: String) -> Bool { name.hasSuffix(".toml") && !name.hasPrefix(".") }

    private func tree(
        _ path: String, mayBeMissing: Bool
    ) throws(SettingsFailure) -> TOMLTree? {
        let bytes: [UInt8]
        do {
            bytes = try files.read(path, limitBytes: Self.limitBytes)
        } catch {
            if error.isNotFound, mayBeMissing { return nil }
            throw SettingsFailure(error.description, hint: Self.hint(error))
        }
        return try TOMLParser.parse(SourceText(file: path, bytes: bytes))
    }
}

// MARK: - Errors

extension SettingsLoader {
    /// What to do about a file that cannot be read.
    private static func hint(_ failure: IOFailure) -> Advice? {
        if failure.isNotFound { return "check --config and $\(SettingsLocation.variable)" }
        if failure.isTooLong { return "settings have at most \(limitBytes >> 20) MiB" }
        if failure.isReadOnly { return "its owner or root may read it" }
        return nil
    }
}
