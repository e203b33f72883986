package import SnapshotModel

extension StoreLayout {
    /// The folder of the seals of frozen areas.
    package static let seals = "seals"
    private static let sealSuffix = ".seal"

    /// What was in a snapshot's area when it froze, chunk by chunk, as sums: `seals/000042.seal`.
    package static func seal(_ ordinal: SnapshotOrdinal) -> String {
        "\(seals)/\(ordinal.rawValue.padded(to: 6))\(sealSuffix)"
    }

    /// Reads the name of a seal in its folder back; nil when it is none.
    static func sealOrdinal(of name: String) -> SnapshotOrdinal? {
        guard name.hasSuffix(sealSuffix), let number = number(of: String(name.dropLast(5)))
        else { return nil }
        return SnapshotOrdinal(rawValue: number)
    }

    /// Whether a name in the seals' folder is one of ours.
    package static func isSealFile(_ name: String) -> Bool {
        let name = name.hasSuffix(draftSuffix) ? name.dropLast(draftSuffix.count) : name[...]
        return sealOrdinal(of: String(name)) != nil
    }
}
