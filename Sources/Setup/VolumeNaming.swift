internal import SnapshotModel

/// What a volume is called when nobody says. Pure.
package enum VolumeNaming {
    private static let endings = [".img", ".raw", ".bin", ".dd", ".image"]
    private static let longest = 64

    /// The origin's own name, without what a volume's name cannot have; nil when nothing is left of it.
    package static func name(of facts: OriginFacts) -> String? {
        switch facts.kind {
        case .logicalVolume(_, let name): cleaned(name)
        case .mapping(let name): cleaned(name)
        case .file: cleaned(stem(PathHalves(facts.path).name))
        case .partition, .loop, .disk: cleaned(PathHalves(facts.path).name)
        }
    }

    private static func stem(_ name: String) -> String {
        let ending = endings.first { name.lowercased().hasSuffix($0) }
        return ending.map { String(name.dropLast($0.count)) } ?? name
    }

    private static func cleaned(_ name: String) -> String? {
        let text = name.unicodeScalars.map { scalar in
            VolumeRecord.isValidName("a" + String(scalar)) ? String(scalar) : "-"
        }.joined()
        let name = String(text.drop { !VolumeRecord.isValidName(String($0)) }.prefix(longest))
        return VolumeRecord.isValidName(name) ? name : nil
    }
}
