internal import SnapshotModel

/// How much of a store's filesystem is to stay free.
package enum FreeSpaceFloor: Hashable, Sendable {
    case bytes(Int)
    /// Of the filesystem's size; 0 and more, below 100.
    case percent(Double)

    package static let standard = FreeSpaceFloor.percent(5)

    /// Reads `5%`, `2.5%`, `20GiB`, `0`; nil when it is neither a share nor a size.
    package init?(_ text: String) {
        guard text.hasSuffix("%") else {
            guard let size = ByteCount(text) else { return nil }
            self = .bytes(size.bytes)
            return
        }
        let number = text.dropLast().filter { $0 != " " }
        guard number.utf8.allSatisfy({ "0123456789.".utf8.contains($0) }),
            let percent = Double(number), percent < 100
        else { return nil }
        self = .percent(percent)
    }

    /// The floor of a filesystem of this size, in bytes.
    package func bytes(ofFilesystemBytes total: Int) -> Int {
        switch self {
        case .bytes(let bytes): bytes
        case .percent(let percent): Int(Double(max(total, 0)) / 100 * percent)
        }
    }
}

extension FreeSpaceFloor: CustomStringConvertible {
    package var description: String {
        switch self {
        case .bytes(let bytes): ByteCount(bytes).description
        case .percent(let percent):
            percent == percent.rounded() ? "\(Int(percent))%" : "\(percent)%"
        }
    }
}
