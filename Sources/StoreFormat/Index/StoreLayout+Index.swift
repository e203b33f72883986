internal import SnapshotModel

extension StoreLayout {
    /// The folder of the index of views.
    package static let index = "index"
    private static let mapSuffix = ".map"

    /// The merged map of a block's areas: `index/2-000005.map`.
    package static func indexMap(_ block: IndexBlock) -> String {
        "\(index)/\(block.level)-\(block.number.padded(to: 6))\(mapSuffix)"
    }

    /// Reads the name of a map in the index's folder back; nil when it is none.
    static func indexBlock(of name: String, _ shape: IndexShape) -> IndexBlock? {
        guard name.hasSuffix(mapSuffix), let hyphen = name.firstIndex(of: "-"),
            let level = Int(name[..<hyphen]),
            let number = Int(name[name.index(after: hyphen)...].dropLast(mapSuffix.count)),
            let block = shape.block(level: level, number: number),
            indexMap(block) == index + "/" + name
        else { return nil }
        return block
    }

    /// Whether a name in the index's folder is one of ours, whatever the index's shape was.
    package static func isIndexFile(_ name: String) -> Bool {
        let name = name.hasSuffix(draftSuffix) ? name.dropLast(draftSuffix.count) : name[...]
        guard name.hasSuffix(mapSuffix) else { return false }
        let numbers = name.dropLast(mapSuffix.count).split(
            separator: "-", omittingEmptySubsequences: false)
        return numbers.count == 2
            && numbers.allSatisfy { number in
                !number.isEmpty && number.allSatisfy { $0.isASCII && $0.isNumber }
            }
    }
}
