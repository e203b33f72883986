package import SnapshotModel

extension StoreLayout {
    /// The folder of what was done with VMs.
    package static let machines = "vmstate"
    private static let recordSuffix = ".json"
    private static let stateSuffix = ".state"

    private static func beginning(_ id: SnapshotID) -> String {
        "\(machines)/\(id.rawValue.padded(to: 6))"
    }

    /// What was done with VMs when a snapshot, the first of its set, was taken: `vmstate/000042.json`.
    package static func machinesRecord(_ id: SnapshotID) -> String { beginning(id) + recordSuffix }

    /// The memory and devices of a VM then: `vmstate/000042-web.state`.
    package static func machineState(_ id: SnapshotID, _ machine: String) -> String {
        "\(beginning(id))-\(machine)\(stateSuffix)"
    }

    /// Whether a name in the folder may be that of a VM's unfinished state.
    static func isDraft(_ name: String, of machine: String) -> Bool {
        name.hasSuffix("-\(machine)\(stateSuffix)\(draftSuffix)")
    }

    /// Reads the name of a file in the folder back; nil when it is none of ours.
    static func machinesSnapshot(of name: String) -> SnapshotID? {
        let whole = name.hasSuffix(draftSuffix) ? name.dropLast(draftSuffix.count) : name[...]
        let digits: Substring
        if whole.hasSuffix(recordSuffix) {
            digits = whole.dropLast(recordSuffix.count)
        } else if whole.hasSuffix(stateSuffix), let dash = whole.firstIndex(of: "-"),
            VolumeRecord.isValidName(
                String(whole[whole.index(after: dash)...].dropLast(stateSuffix.count)))
        {
            digits = whole[..<dash]
        } else {
            return nil
        }
        return number(of: String(digits)).map { SnapshotID(rawValue: Int64($0)) }
    }

    /// Whether a name in the folder is one of ours.
    package static func isMachineFile(_ name: String) -> Bool { machinesSnapshot(of: name) != nil }
}
