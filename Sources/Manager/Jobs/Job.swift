package import SnapshotModel

/// A use case that takes long, while it goes on.
package struct Job: Hashable, Sendable {
    /// Unique in this process; a later job has a greater one.
    package struct ID: RawRepresentable, Hashable, Sendable, Comparable, CustomStringConvertible {
        package var rawValue: Int64

        package init(rawValue: Int64) { self.rawValue = rawValue }

        package var description: String { String(rawValue) }

        package static func < (left: ID, right: ID) -> Bool { left.rawValue < right.rawValue }
    }

    package enum Kind: String, Sendable, CaseIterable {
        case snapshot
        case revert
        case mergeResume = "merge_resume"
        case mergeCancel = "merge_cancel"
        case export
        case send
        case receive
        case mirror
        case get
        case restore
        case check
        case rebuild
        case prune
        case delete
        case tick

        /// As people read it.
        var words: String { rawValue.split(separator: "_").joined(separator: " ") }
    }

    /// What an operation knows of the job that it is.
    struct Label: Hashable, Sendable {
        var id: ID
        var kind: Kind
    }

    package var id: ID
    package var kind: Kind
    /// The names of the volumes; empty when it is not known before which they are.
    package var volumes: [String]
    package var requester: Requester
    package var since: Timestamp
    /// What was last heard; nil until it tells.
    package var progress: OperationProgress?
    /// Whether it can still be asked to end. It ends between two of its steps.
    package var isCancellable: Bool
}

extension Job: JSONConvertible {
    package var json: JSONValue {
        [
            "id": JSONValue(id.rawValue), "kind": JSONValue(kind), "volumes": JSONValue(volumes),
            "requested_by": requester.json, "since": JSONValue(since),
            "progress": progress?.json ?? .null, "cancellable": JSONValue(isCancellable),
        ]
    }
}
