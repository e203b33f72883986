package import SnapshotModel
package import StoreFormat

/// A revert of an image that is not done yet: the content of its journal, an object in the image's pool. It is
/// written before anything is copied, and removed when all is; what is to be copied is what differs between the
/// target and the image, in ascending order.
package struct ImageRevert: Hashable, Sendable, Codable {
    /// The volume's UUID.
    package var volume: String
    /// The image's own id, which it keeps when it is renamed.
    package var image: String
    /// As it stands in the volume's store.
    package var record: RevertRecord
    /// The image's size when it was begun, in bytes.
    package var imageBytes: Int
    /// What is to be copied, in bytes.
    package var planBytes: Int
    /// Below this offset all is as in the target.
    package var position: Int
    /// What of the plan lies below ``position``, in bytes.
    package var copiedBytes: Int
    /// Whether anything may have been copied.
    package var hasBegun: Bool
    /// The connection that had the image's lock when this was written, as the cluster numbers it.
    package var client: UInt64
    /// The same as the lock names it: as long as the lock is its own, nobody else has written to the image.
    package var address: String
    /// The machine of that connection, since its start.
    package var boot: String

    package init(
        volume: String, image: String, record: RevertRecord, imageBytes: Int, planBytes: Int,
        client: UInt64, address: String, boot: String
    ) {
        (self.volume, self.image, self.record) = (volume, image, record)
        (self.imageBytes, self.planBytes) = (imageBytes, planBytes)
        (self.client, self.address, self.boot) = (client, address, boot)
        (position, copiedBytes, hasBegun) = (0, 0, false)
    }

    /// The longest journal, in bytes.
    package static let byteMaximum = 1 << 20

    /// The name of a volume's journal in the image's pool and namespace.
    package static func objectName(_ volume: String) -> String { "snapmgr.revert.\(volume)" }
}

// MARK: - Its form

extension ImageRevert {
    package func encoded() throws(Problem) -> [UInt8] {
        try RecordCodec.encode(self, as: .imageRevert)
    }

    /// - Throws: `corrupt`, `newer_version`; `path` names it then.
    package init(decoding bytes: [UInt8], path: String) throws(Problem) {
        self = try RecordCodec.decode(Self.self, from: bytes, as: .imageRevert, path: path)
        guard let flaw else { return }
        throw Problem(
            .corrupt, "\(path) is damaged: \(flaw)", hint: "revert again to the same snapshot")
    }

    /// What in it no snapmgr has written; nil when there is nothing.
    package var flaw: String? {
        let sizes = 0...Geometry.volumeBytesMaximum
        guard sizes.contains(imageBytes), (0...imageBytes).contains(position) else {
            return "its sizes are impossible"
        }
        guard sizes.contains(planBytes), (0...planBytes).contains(copiedBytes) else {
            return "it has copied more than it plans"
        }
        guard TextBounds.isUUID(volume) else { return "its volume is none" }
        return record.target <= record.safety ? nil : "its snapshots are out of order"
    }
}

// MARK: - What remains

extension ImageRevert {
    /// Notes that all of the plan is copied that lies below an offset.
    package mutating func advance(to offset: Int, copied bytes: Int) {
        position = max(position, min(offset, imageBytes))
        copiedBytes = min(planBytes, copiedBytes.addingClamped(max(0, bytes)))
    }

    /// Notes that somebody else may have written to the image: all is to be copied again.
    package mutating func beginAnew(planBytes: Int) {
        (position, copiedBytes, self.planBytes) = (0, 0, planBytes)
    }

    /// The ranges that are still to be made as in the target, of those that differ; each at most so long.
    ///
    /// - Parameter differing: ascending.
    package func remaining(of differing: [Range<Int>], pieceBytes: Int) -> [Range<Int>] {
        let rest = position..<max(position, imageBytes)
        return differing.flatMap { range -> [Range<Int>] in
            let left = range.clamped(to: rest)
            return left.isEmpty ? [] : Array(left.pieces(of: pieceBytes))
        }
    }
}

/// A range as it is to become: stretches of data, which are copied, and holes, which are zeroed.
package struct CopyPiece: Hashable, Sendable {
    package var range: Range<Int>
    package var isHole: Bool

    /// Divides a range by where the target has data.
    ///
    /// - Parameter data: ascending, none of them empty.
    package static func pieces(of range: Range<Int>, data: [Range<Int>]) -> [CopyPiece] {
        var pieces: [CopyPiece] = []
        var position = range.lowerBound
        for part in data.map({ $0.clamped(to: range) }) where !part.isEmpty {
            guard part.upperBound > position else { continue }
            let start = max(part.lowerBound, position)
            if start > position {
                pieces.append(CopyPiece(range: position..<start, isHole: true))
            }
            pieces.append(CopyPiece(range: start..<part.upperBound, isHole: false))
            position = part.upperBound
        }
        if position < range.upperBound {
            pieces.append(CopyPiece(range: position..<range.upperBound, isHole: true))
        }
        return pieces
    }

    package init(range: Range<Int>, isHole: Bool) { (self.range, self.isHole) = (range, isHole) }
}
