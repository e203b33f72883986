package import Settings
package import Setup
package import SnapshotModel

/// What `setup` is told.
package struct SetupRequest: Hashable, Sendable {
    package var originPath: String
    /// Nil takes the origin's own name.
    package var name: String?
    /// The time between two snapshots, as settings have it.
    package var every: String
    package var keep: KeepPlan
    /// Whether somebody has chosen one of the two.
    package var choosesSettings: Bool
    /// Nil is what suits the origin.
    package var driver: DriverName?
    /// The main file of settings.
    package var location: SettingsLocation
    package var environment: [String: String]
    package var isDryRun: Bool

    package static let defaultEvery = "15m"

    package init(
        originPath: String, name: String? = nil, every: String? = nil, keep: KeepPlan? = nil,
        driver: DriverName? = nil, location: SettingsLocation, environment: [String: String] = [:],
        isDryRun: Bool = false
    ) {
        self.originPath = originPath
        self.name = name
        self.every = every ?? Self.defaultEvery
        self.keep = keep ?? .standard
        choosesSettings = every != nil || keep != nil
        self.driver = driver
        self.location = location
        self.environment = environment
        self.isDryRun = isDryRun
    }
}
