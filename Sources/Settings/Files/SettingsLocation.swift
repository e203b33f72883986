internal import SnapshotModel

/// Which file holds the settings.
package struct SettingsLocation: Hashable, Sendable {
    package var path: String
    /// Somebody named it, so that it must exist; the standard one need not.
    package var isRequired: Bool

    package static let standardPath = "/etc/snapmgr/snapmgr.toml"
    package static let variable = "SNAPMGR_CONFIG"

    package init(path: String, isRequired: Bool) {
        self.path = path
        self.isRequired = isRequired
    }

    /// The file of `--config`, else of `$SNAPMGR_CONFIG`, else the standard one. An empty variable
    /// counts as none.
    package init(option: String?, environment: [String: String]) {
        let variable = environment[Self.variable].flatMap { $0.isEmpty ? nil : $0 }
        let named = option ?? variable
        self.init(path: named ?? Self.standardPath, isRequired: named != nil)
    }

    /// The folder beside it whose `*.toml` files are read, too, in the order of their names.
    package var folder: String {
        PathHalves(path).parent.map { $0 + "/conf.d" } ?? "conf.d"
    }
}
