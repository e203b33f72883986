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
    /// What the volume is that is sent; nil of one that was never promoted nor knows of promotions.
    var standing: PeerStanding?
    /// Whether it takes signs that the target is at work; nil of an older one, which takes them for answers.
    var hearsSigns: Bool?
    /// Whether it goes on with a snapshot that was cut, from what the target has of it; nil of an older one.
    var resumes: Bool?

    static let newestVersion = 1

    enum CodingKeys: String, CodingKey {
        case version = "snapmgr_mirror"
        case mirror, volume, source
        case sourceName = "source_name"
        case base
        case isPreview = "preview"
        case standing
        case hearsSigns = "hears_signs"
        case resumes
    }

    /// That of the volume that is sent.
    var generation: MirrorGeneration { standing?.generation ?? .first }

    /// What in it no source says; nil when there is nothing.
    var flaw: String? {
        guard VolumeRecord.isValidName(mirror), VolumeRecord.isValidName(volume),
            VolumeRecord.isValidName(sourceName)
        else { return "its names are none" }
        guard TextBounds.isUUID(source), base.map(TextBounds.isUUID) ?? true else {
            return "its volume is none"
        }
        return standing?.flaw
    }
}

/// What a volume is, as one side tells the other.
struct PeerStanding: Hashable, Sendable, Codable {
    var role: MirrorStanding.Role
    var generation: MirrorGeneration
    var since: Timestamp
    /// The snapshot at which it was promoted; of a target, from which it goes on.
    var snapshot: String?
    /// Whether it reads as what it was when it was demoted.
    var isDemoted: Bool?
    /// Of a target that was promoted: whether it has anything that was not mirrored to it.
    var hasAdvanced: Bool?

    enum CodingKeys: String, CodingKey {
        case role, generation, since, snapshot
        case isDemoted = "demoted"
        case hasAdvanced = "advanced"
    }

    init(_ standing: MirrorStanding, hasAdvanced: Bool? = nil) {
        role = standing.role
        generation = standing.generation
        since = standing.since
        snapshot = standing.snapshot
        isDemoted = standing.isDemoted
        self.hasAdvanced = hasAdvanced
    }

    /// What in it no snapmgr says; nil when there is nothing.
    var flaw: String? {
        if let flaw = generation.flaw { return flaw }
        return snapshot.map(TextBounds.isUUID) ?? true ? nil : "its snapshot is none"
    }
}

/// What the target has.
struct PeerOffer: Codable {
    struct Snapshot: Codable {
        var uuid: String
        var id: SnapshotID
        /// Its size, of the newest one; nil of others, and of an older snapmgr's.
        var byteCount: Int?
    }

    /// Whether the volume is there; else it is made for the first stream.
    var exists: Bool
    /// Those that can be read, oldest first.
    var snapshots: [Snapshot]
    /// What the volume is; nil when nobody has said.
    var standing: PeerStanding?
    /// Whether it answers `digests`; nil of an older one, which does not.
    var isComparable: Bool?
    /// Whether it gives signs that it is at work, and says when it is ready for a stream; nil of an older one.
    var givesSigns: Bool?
    /// The size of the volume's chunks, in which it answers `places`, and mends; nil of an older one, which does neither.
    var chunkBytes: Int?
    /// What the target has of a snapshot that was cut; nil when there is nothing, or the source does not go on with it.
    var part: PeerPart?
    /// Why nothing is offered.
    var problem: Problem?
}

/// A part of a snapshot, from which a transfer goes on.
struct PeerPart: Hashable, Sendable, Codable {
    /// The snapshot, and the one that it builds on; nil of a first one, which comes as a whole.
    var uuid: String
    var base: String?
    /// All of it up to so many bytes of the volume.
    var byteCount: Int
}

/// What the source does next.
struct PeerOrder: Codable {
    enum Action: String, Codable {
        /// A stream follows, which begins from the snapshot that is named.
        case receive
        /// Hold this one, and go on holding what was held.
        case hold
        /// The source has recorded it as well: what was held before it need not be.
        case moved
        /// Hold this one for good, until somebody there releases it.
        case keep
        /// Both volumes are written to: for people there. The snapshot is the newest that both have.
        case split
        /// Tell digests of a part of the snapshot: one for each unit.
        case digests
        /// Tell what the seals there say of a part of the snapshot.
        case places
        /// Give the content of a part of a copy.
        case content
        /// A frame with the content of a chunk follows, which is to be what its seal there says.
        case mend
    }

    var action: Action
    /// The snapshot that it is about.
    var uuid: String?
    /// Why, for people there.
    var reason: String?
    /// The part, in bytes, and how long its units are.
    var offset: Int?
    var length: Int?
    var unit: Int?
}

/// A part of a snapshot, and what the seals say of it.
struct PeerPlace: Codable {
    var offset: Int
    var length: Int
    /// Whether it is not what was sealed; else it is.
    var isDamaged: Bool

    /// Whether it lies in the part that was asked about, whatever it says.
    func lies(in range: Range<Int>) -> Bool {
        offset >= range.lowerBound && length > 0 && offset < range.upperBound
            && length <= range.upperBound - offset
    }
}

/// How that went.
struct PeerAnswer: Codable {
    /// Of a stream: what of it is there now, oldest first.
    var snapshots: [PeerOffer.Snapshot]?
    /// Of a part of a snapshot: as many as it has units.
    var digests: [String]?
    /// Of a part of a snapshot: what is sealed of it.
    var places: [PeerPlace]?
    /// How long the frame with the content is that follows; nil when there is none, as it is not what was sealed.
    var contentBytes: Int?
    /// Whether what came was what is sealed here, and is here now.
    var isMended: Bool?
    /// Whether it is none yet, and says only that the target is at work.
    var isWorking: Bool?
    /// Whether it is none yet, and says only that the stream may come.
    var isReady: Bool?
    var problem: Problem?
}
