package import SnapshotModel

/// How far an operation is with what takes long.
package struct OperationProgress: Hashable, Sendable {
    package enum Activity: String, Sendable {
        case merging
        case exporting
        case sending
        case deleting
        case checking
    }

    /// What is counted.
    package enum Amount: Hashable, Sendable {
        case bytes(TransferProgress)
        /// Snapshots, when they are deleted; volumes, when they are checked.
        case count(done: Int, total: Int)
    }

    package var activity: Activity
    /// The name of the volume that it is about.
    package var volume: String
    package var amount: Amount
}

extension OperationProgress: JSONConvertible {
    package var json: JSONValue {
        let (done, total) =
            switch amount {
            case .bytes(let bytes): (bytes.doneBytes, bytes.totalBytes)
            case .count(let done, let total): (done, total)
            }
        let unit =
            switch (amount, activity) {
            case (.bytes, _): "bytes"
            case (.count, .checking): "volumes"
            case (.count, _): "snapshots"
            }
        return [
            "activity": JSONValue(activity), "volume": JSONValue(volume), "done": JSONValue(done),
            "total": JSONValue(total), "unit": JSONValue(unit),
        ]
    }
}
