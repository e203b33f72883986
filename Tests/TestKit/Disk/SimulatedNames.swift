/// What a name in a simulated folder leads to: the number of a file or of a folder.
enum SimulatedNode: Hashable {
    case file(Int)
    case folder(Int)
}

/// The state of one folder of a simulated disk: the names as they are, the names that a power cut
/// leaves, and the changes between the two, which become durable in order.
struct SimulatedNames {
    private(set) var latest: [String: SimulatedNode] = [:]
    private var durable: [String: SimulatedNode] = [:]
    private var unsynced: [[Change]] = []

    /// A name that is given, or (node nil) taken away.
    private struct Change {
        var name: String
        var node: SimulatedNode?
    }

    /// Whether a sync was lost: later ones do not make up for it.
    private var hasLost = false

    /// Whether a power cut would change the names.
    var isDirty: Bool { hasLost || !unsynced.isEmpty }

    /// What a name leads to now, or may lead to after a power cut.
    var reachable: [SimulatedNode] {
        !isDirty
            ? Array(latest.values)
            : Array(latest.values) + Array(durable.values)
                + unsynced.flatMap { $0.compactMap(\.node) }
    }

    mutating func set(_ name: String, to node: SimulatedNode?) {
        apply([Change(name: name, node: node)])
    }

    /// Renames in one step: no power cut shows the node under both names, or under none.
    mutating func rename(_ name: String, to newName: String) {
        apply([Change(name: newName, node: latest[name]), Change(name: name, node: nil)])
    }

    private mutating func apply(_ changes: [Change]) {
        for change in changes { latest[change.name] = change.node }
        unsynced.append(changes)
    }

    mutating func sync() {
        for change in unsynced.joined() { durable[change.name] = change.node }
        unsynced = []
    }

    /// A sync that failed: nothing became durable, and nothing is left to be made so.
    mutating func loseUnsynced() {
        hasLost = hasLost || !unsynced.isEmpty
        unsynced = []
    }

    /// Becomes what a power cut leaves: the first changes are durable, so many that `keeps` said
    /// yes for each, the others are not.
    mutating func cutPower(keeps: () -> Bool) {
        for changes in unsynced {
            guard keeps() else { break }
            for change in changes { durable[change.name] = change.node }
        }
        unsynced = []
        hasLost = false
        latest = durable
    }

}
