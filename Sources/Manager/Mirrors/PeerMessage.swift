internal import FoundationEssentials
internal import SnapshotModel

// What two sites say to each other, as JSON, beside a stream. docs/on-disk.md has it all.

/// How the source begins.
struct PeerGreeting: Codable {
    /// The version of all that follows.
    var version: Int
    /// The mirror's name, by which the target holds what it needs.
    var mirror: String
    /// The volume at the target.
    var volume: String
    /// The UUID and the name of the one that is mirrored.
    var source: String
    var sourceName: String
    /// What the source has recorded as what both have; nil when there is nothing yet.
    var base: String?
    /// Whether it only looks: then nothing is changed.
    var isPreview: Bool

    static let newestVersion = 1

    enum CodingKeys: String, CodingKey {
        case version = "snapmgr_mirror"
        case mirror, volume, source
        case sourceName = "source_name"
        case base
        case isPreview = "preview"
    }

    /// What in it no source says; nil when there is nothing.
    var flaw: String? {
        guard VolumeRecord.isValidName(mirror), VolumeRecord.isValidName(volume),
            VolumeRecord.isValidName(sourceName)
        else { return "its names are none" }
        guard TextBounds.isUUID(source), base.map(TextBounds.isUUID) ?? true else {
            return "its volume is none"
        }
        return nil
    }
}

/// What the target has.
struct PeerOffer: Codable {
    struct Snapshot: Codable {
        var uuid: String
        var id: SnapshotID
    }

    /// Whether the volume is there; else it is made for the first stream.
    var exists: Bool
    /// Those that can be read, oldest first.
    var snapshots: [Snapshot]
    /// Why nothing is offered.
    var problem: Problem?
}

/// What the source does next.
struct PeerOrder: Codable {
    enum Action: String, Codable {
        /// A stream follows.
        case receive
        /// Hold this one, and go on holding what was held.
        case hold
        /// The source has recorded it as well: what was held before it need not be.
        case moved
        /// Hold this one for good, until somebody there releases it.
        case keep
    }

    var action: Action
    /// The snapshot that it is about.
    var uuid: String?
    /// Why, for people there.
    var reason: String?
}

/// How that went.
struct PeerAnswer: Codable {
    /// Of a stream: what of it is there now, oldest first.
    var snapshots: [PeerOffer.Snapshot]?
    var problem: Problem?
}
