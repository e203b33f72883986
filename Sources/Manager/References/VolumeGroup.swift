package import Settings

/// Volumes to which the settings give one name: their snapshots are taken at one instant, as a set of
/// that name.
package struct VolumeGroup: Hashable, Sendable {
    package var name: String
    package var volumes: [String]
    /// Whether programs run around its snapshots.
    package var hasHooks: Bool
    /// What messages call it.
    package var noun: String
}

extension VolumeGroup {
    fileprivate init(_ set: SetSettings) {
        self.init(
            name: set.name, volumes: set.volumes, hasHooks: !set.hooks.isEmpty, noun: "set")
    }
}

extension Settings {
    /// Everything that one name stands for, by these names.
    package var groups: [String: VolumeGroup] {
        sets.mapValues { VolumeGroup($0) }
    }
}
