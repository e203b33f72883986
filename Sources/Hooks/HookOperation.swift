package import SnapshotModel

/// What the hooks are told about the operation that they surround.
package struct HookOperation: Sendable {
    package var kind: Kind
    /// The names of all volumes that take part, in their order.
    package var volumes: [String]
    /// The name of the set, if it is one.
    package var set: String?
    /// The name of the schedule that asked for it.
    package var schedule: String?
    /// Who asked for it, as people read it.
    package var requester: String?
    /// What is known before it begins: the snapshot that a revert goes back to.
    package var facts: HookFacts

    package enum Kind: Sendable {
        case snapshot
        case revert

        var before: HookEvent { self == .snapshot ? .beforeFreeze : .beforeRevert }
        var undo: HookEvent { self == .snapshot ? .afterThaw : .afterRevert }
    }

    package init(
        _ kind: Kind, volumes: [String], set: String? = nil, schedule: String? = nil,
        facts: HookFacts = HookFacts()
    ) {
        self.kind = kind
        self.volumes = volumes
        self.set = set
        self.schedule = schedule
        self.facts = facts
    }
}

/// What becomes known of an operation on its way, by the volume's name.
package struct HookFacts: Sendable {
    package var snapshots: [String: SnapshotID]
    package var reverts: [String: RevertID]

    package init(snapshots: [String: SnapshotID] = [:], reverts: [String: RevertID] = [:]) {
        self.snapshots = snapshots
        self.reverts = reverts
    }
}

/// How an operation went.
package enum HookOutcome: Sendable {
    case succeeded(HookFacts)
    case failed(Problem)
}

/// A hook and what it belongs to.
package struct BoundHook: Sendable {
    package var hook: Hook
    /// nil for a hook of the set, which is about all volumes.
    package var volume: String?

    package init(_ hook: Hook, volume: String? = nil) {
        self.hook = hook
        self.volume = volume
    }
}
