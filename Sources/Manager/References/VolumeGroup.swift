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
    /// Its table in the settings, as that is named there.
    package var table: String
}

extension VolumeGroup {
    fileprivate init(_ set: SetSettings) {
        self.init(
            name: set.name, volumes: set.volumes, hasHooks: !set.hooks.isEmpty, noun: "set",
            table: "sets.\(set.name)")
    }

    fileprivate init(_ machine: MachineSettings) {
        self.init(
            name: machine.name, volumes: machine.volumes, hasHooks: false, noun: "VM",
            table: "vm.\(machine.name)")
    }
}

extension Settings {
    /// Everything that one name stands for, by these names. A set with a VM's name has the same volumes, and may have
    /// hooks. A VM with the name of one of its disks is not among them: the name is the disk's, and the VM's sets
    /// have numbers.
    package var groups: [String: VolumeGroup] {
        machines.filter { !$1.volumes.contains($0) }.mapValues { VolumeGroup($0) }
            .merging(sets.mapValues { VolumeGroup($0) }) { $1 }
    }
}
