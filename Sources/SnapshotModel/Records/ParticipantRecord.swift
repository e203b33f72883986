/// A program that was asked to come to rest while snapshots were taken.
package struct ParticipantRecord: Hashable, Sendable, Codable {
    /// The program, as it calls itself.
    package var who: String
    /// Those of the volumes that it writes to, by name.
    package var volumes: [String]
    /// Why it cannot be relied upon; nil when it came to rest and stayed so.
    package var reason: String?

    package static let countMaximum = 512
    private static let textBytes = 4000

    package init(who: String, volumes: [String], reason: String? = nil) {
        self.who = who
        self.volumes = volumes
        self.reason = reason
    }

    /// What makes it impossible; nil when it may be right.
    var flaw: String? {
        guard !who.isEmpty, who.utf8.count <= Self.textBytes,
            (reason ?? "").utf8.count <= Self.textBytes
        else { return "it has a participant that says too little or too much" }
        return volumes.count <= TextBounds.setVolumeCount
            ? nil : "participant \(who) has more volumes than there can be"
    }
}
