/// A clone's number within its volume: 1 is the first ever made. It names the clone's folder in the
/// store.
package struct CloneOrdinal: BoundedNumber, Hashable, Comparable, Sendable, Codable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package init(from decoder: any Decoder) throws { self = try Self.checked(decoder) }

    package static let bounds = 1...(1 << 50)

    /// The ordinal of the clone that would be made after this one.
    package var next: CloneOrdinal { CloneOrdinal(rawValue: rawValue + 1) }
}

extension CloneOrdinal: CustomStringConvertible {
    package var description: String { String(rawValue) }
}

/// Everything that a store knows of a clone, a writable layer over a snapshot: the content of
/// `clone.json`. What was written to it lies in its area.
package struct CloneRecord: Hashable, Sendable, Codable {
    package var ordinal: CloneOrdinal
    /// By which it is served; unique among the clones and snapshots of its volume.
    package var name: String
    /// The snapshot that it began as, and that stays as long as it does.
    package var snapshot: SnapshotOrdinal
    /// The same by its id.
    package var snapshotID: SnapshotID
    /// Its size in bytes.
    package var volumeBytes: Int
    package var createdAt: Timestamp
    /// What it is other than a clone that can be written to; nil when it is nothing else.
    package var role: CloneRole?
    /// The layers between its own area and the snapshot, newest first; nil when there are none.
    package var layers: [CloneOrdinal]?
    /// The clone that it began as, by the name that this had then; nil when it began as the snapshot.
    package var parent: String?
    /// The snapshot's size in bytes, where the clone is larger: it reads as zeroes behind that. Nil when they
    /// are as large.
    package var snapshotBytes: Int?

    package init(
        ordinal: CloneOrdinal, name: String, snapshot: SnapshotOrdinal, snapshotID: SnapshotID,
        volumeBytes: Int, createdAt: Timestamp, role: CloneRole? = nil,
        layers: [CloneOrdinal]? = nil, parent: String? = nil, snapshotBytes: Int? = nil
    ) {
        self.ordinal = ordinal
        self.name = name
        self.snapshot = snapshot
        self.snapshotID = snapshotID
        self.volumeBytes = volumeBytes
        self.createdAt = createdAt
        self.role = role
        self.layers = layers
        self.parent = parent
        self.snapshotBytes = snapshotBytes
    }
}

/// What a clone's folder may hold other than a clone that can be written to.
package enum CloneRole: String, Hashable, Sendable, Codable {
    /// A clone that nobody writes to: a state of another one that is kept.
    case readOnly = "read-only"
    /// No clone any more: what was written to one until others began as it. They read it.
    case layer
}

extension CloneRecord {
    /// How many layers a clone may have.
    package static let layersMaximum = 64

    /// Whether nobody writes to it.
    package var isReadOnly: Bool { role == .readOnly }

    /// The record of the same clone when what was written to it has become a layer.
    ///
    /// - Parameter ordinal: of the folder that it goes on in.
    package func continued(as ordinal: CloneOrdinal) -> CloneRecord {
        var next = self
        next.ordinal = ordinal
        next.layers = [self.ordinal] + (layers ?? [])
        return next
    }

    /// The record of what it leaves behind when it goes on elsewhere.
    package var asLayer: CloneRecord {
        var layer = self
        layer.role = .layer
        return layer
    }
}

/// Asks for a clone of a snapshot.
package struct CloneRequest: Hashable, Sendable, Codable {
    package var snapshot: SnapshotID
    package var name: String

    package init(snapshot: SnapshotID, name: String) {
        self.snapshot = snapshot
        self.name = name
    }
}

extension CloneRequest {
    /// Why the name cannot be a clone's; nil when it can. Clones are served by their names alone, as
    /// volumes are.
    package var flaw: Problem? {
        guard !VolumeRecord.isValidName(name) else { return nil }
        return Problem(
            .usage,
            "`\(name)` cannot be a clone's name: letters, digits, `.`, `_` and `-`, 64 at most, the "
                + "first a letter or a digit, are allowed")
    }
}

/// What a clone is to be other than a clone of a snapshot as it is.
package struct CloneShape: Hashable, Sendable, Codable {
    /// The clone of the same snapshot that it begins as, by its name; nil for the snapshot.
    package var parent: String?
    /// Its size in bytes; nil is that of what it begins as.
    package var byteCount: Int?
    /// Whether nobody shall write to it.
    package var isReadOnly: Bool

    package init(parent: String? = nil, byteCount: Int? = nil, isReadOnly: Bool = false) {
        self.parent = parent
        self.byteCount = byteCount
        self.isReadOnly = isReadOnly
    }

    /// Whether it asks for nothing that earlier versions would not do.
    package var isPlain: Bool { parent == nil && byteCount == nil && !isReadOnly }
}

extension CloneShape {
    /// Why a clone cannot have the size that is asked for; nil when it can.
    ///
    /// - Parameters:
    ///   - bytes: the size of what it begins as.
    ///   - base: what that is, for people.
    package func sizeProblem(ofBase bytes: Int, _ base: String) -> Problem? {
        guard let byteCount, byteCount != bytes else { return nil }
        guard byteCount.isMultiple(of: Geometry.sectorBytes), byteCount > 0,
            byteCount <= Geometry.volumeBytesMaximum
        else {
            return Problem(
                .usage, "a clone cannot have \(byteCount) bytes",
                hint: "choose a multiple of \(Geometry.sectorBytes), at least \(bytes)")
        }
        guard byteCount < bytes else { return nil }
        return Problem(
            .refused,
            "a clone of \(byteCount) bytes would lack the last \(bytes - byteCount) bytes of \(base), which "
                + "has \(bytes)",
            hint: "choose \(bytes) bytes or more")
    }
}

/// Asks a revert to merge a clone's content with its snapshot's.
package struct CloneUse: Hashable, Sendable, Codable {
    package var name: String
    /// Whether the clone is over when the merge has ended; else it goes on then.
    package var ends: Bool

    package init(name: String, ends: Bool) {
        self.name = name
        self.ends = ends
    }
}
