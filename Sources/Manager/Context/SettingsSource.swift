package import Settings
internal import SnapshotModel
internal import Synchronization

/// The settings, read when they are first asked for: a command that needs none is not stopped by a
/// mistake in them.
package final class SettingsSource: Sendable {
    private let load: @Sendable () throws -> Settings
    private let loaded = Mutex<Settings?>(nil)

    package init(_ load: @escaping @Sendable () throws -> Settings) { self.load = load }

    /// Without any file: no schedules, everything is kept.
    package static let none = SettingsSource { Settings(defaults: SettingsDefaults()) }

    /// Has the files read anew by the next ``get()``: who runs for long sees what was changed in them.
    func forget() { loaded.withLock { $0 = nil } }

    /// - Throws: what is wrong with the files.
    package func get() throws -> Settings {
        try loaded.withLock { loaded in
            if let loaded { return loaded }
            let settings = try load()
            loaded = settings
            return settings
        }
    }
}
