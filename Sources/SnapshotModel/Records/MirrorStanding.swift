/// How often the volume that is written to has changed among those that are mirrored to one another: promotions are
/// numbered, and each has a name of its own, since two sites may both have made the next one.
package struct MirrorGeneration: Hashable, Sendable, Codable {
    /// 0 before the first promotion.
    package var number: Int
    /// The UUID of the promotion that began it; nil of 0.
    package var promotion: String?

    /// Far from where numbers end.
    package static let numberMaximum = 1 << 53
    /// That of what was never promoted, nor follows what was.
    package static let first = MirrorGeneration(number: 0, promotion: nil)

    package init(number: Int, promotion: String?) {
        self.number = number
        self.promotion = promotion
    }

    /// Whether a copy of that generation takes what a volume of this one sends.
    package func mayFollow(_ other: MirrorGeneration) -> Bool {
        self == other || number > other.number
    }

    /// What in it no snapmgr has written; nil when there is nothing.
    package var flaw: String? {
        guard (0...Self.numberMaximum).contains(number) else { return "its generation is none" }
        guard let promotion else { return number == 0 ? nil : "its promotion has no name" }
        return number > 0 && TextBounds.isUUID(promotion) ? nil : "its promotion is none"
    }
}

/// What a volume is to those that it is mirrored to or from: `mirror.json` in its store. A volume without it is no
/// copy, and was never promoted.
package struct MirrorStanding: Hashable, Sendable, Codable {
    /// Who writes to the volume.
    package enum Role: String, Hashable, Sendable, Codable, CaseIterable {
        /// Mirrors of another volume do, and nobody else.
        case target
        /// It is being made the primary: mirrors do not any more, and nobody else does yet.
        case promoting
        /// Whoever uses it does.
        case primary
    }

    package var role: Role
    package var generation: MirrorGeneration
    /// When it became that.
    package var since: Timestamp
    /// Of a target, the UUID of the volume whose copy it is, as far as that is known.
    package var source: String?
    /// Of what was promoted, the snapshot that it was promoted at, and of a target the one from which it goes on, by
    /// what that is known by everywhere.
    package var snapshot: String?
    /// Of a target: whether it still reads as what it was when it was demoted, and nothing was received since.
    package var isDemoted: Bool?
    /// Of a target that was demoted, the snapshot that keeps what it was; nil until that is held.
    package var kept: String?
    /// Another volume that was written to as well.
    package var rival: MirrorRival?

    package init(role: Role, generation: MirrorGeneration, since: Timestamp) {
        self.role = role
        self.generation = generation
        self.since = since
    }

    /// What in it no snapmgr has written; nil when there is nothing.
    package var flaw: String? {
        if let flaw = generation.flaw { return flaw }
        guard [source, snapshot, kept].compactMap({ $0 }).allSatisfy(TextBounds.isUUID) else {
            return "it names what cannot be a volume or a snapshot"
        }
        return rival?.flaw
    }
}

/// Another volume that is written to although this one is: a split brain, found when one of them was about to send to
/// the other.
package struct MirrorRival: Hashable, Sendable, Codable {
    /// The UUID of the other volume, and its name where it is; nil where that was not told.
    package var volume: String?
    package var name: String?
    package var generation: MirrorGeneration
    /// The newest snapshot that both have, by what it is known by everywhere; nil when there is none.
    package var common: String?
    package var foundAt: Timestamp

    package init(
        volume: String?, name: String?, generation: MirrorGeneration, common: String?,
        foundAt: Timestamp
    ) {
        self.volume = volume
        self.name = name
        self.generation = generation
        self.common = common
        self.foundAt = foundAt
    }

    /// What in it no snapmgr has written; nil when there is nothing.
    package var flaw: String? {
        if let flaw = generation.flaw { return flaw }
        guard [volume, common].compactMap({ $0 }).allSatisfy(TextBounds.isUUID) else {
            return "its rival is none"
        }
        return name.map(VolumeRecord.isValidName) ?? true ? nil : "its rival has no name"
    }
}
