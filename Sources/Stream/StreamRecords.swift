internal import SnapshotModel

// The records that say what a stream holds, as fields.

extension StreamVolume {
    private enum Field: UInt16 {
        case uuid = 1
        case name = 2
        case chunkBytes = 3
    }

    var encoded: [UInt8] {
        var fields = StreamFieldWriter()
        fields.add(Field.uuid.rawValue, uuid)
        fields.add(Field.name.rawValue, name)
        fields.add(Field.chunkBytes.rawValue, UInt64(clamping: chunkBytes))
        return fields.bytes
    }

    init(fields bytes: [UInt8]) throws(Problem) {
        var reader = StreamFieldReader(bytes)
        var found: (uuid: String?, name: String?, chunkBytes: UInt64?) = (nil, nil, nil)
        try reader.forEach { (tag, value) throws(Problem) in
            switch Field(rawValue: tag) {
            case .uuid: found.uuid = try value.uuid()
            case .name: found.name = try value.text(bytesMaximum: 64)
            case .chunkBytes: found.chunkBytes = try value.number()
            case nil: return false
            }
            return true
        }
        guard let uuid = found.uuid, let name = found.name, VolumeRecord.isValidName(name),
            let chunkBytes = found.chunkBytes.flatMap({ Int(exactly: $0) }),
            Geometry.chunkBytesAllowed.contains(chunkBytes), chunkBytes.nonzeroBitCount == 1
        else { throw .damagedStream("what it says of its volume cannot be") }
        self.init(uuid: uuid, name: name, chunkBytes: chunkBytes)
    }
}

extension StreamSnapshot {
    private enum Field: UInt16 {
        case uuid = 1
        case ordinal = 2
        case id = 3
        case takenAt = 4
        case volumeBytes = 5
        case kind = 6
        case consistency = 7
        case name = 8
        case note = 9
        case tag = 10
        case baseUUID = 11
        case baseOrdinal = 12
        case baseTakenAt = 13
        case resumedAt = 14
    }

    var encoded: [UInt8] {
        var fields = StreamFieldWriter()
        fields.add(Field.uuid.rawValue, uuid)
        fields.add(Field.ordinal.rawValue, UInt64(clamping: ordinal.rawValue))
        fields.add(Field.id.rawValue, UInt64(clamping: id.rawValue))
        fields.add(Field.takenAt.rawValue, takenAt)
        fields.add(Field.volumeBytes.rawValue, UInt64(clamping: volumeBytes))
        fields.add(Field.kind.rawValue, kind.rawValue)
        fields.add(Field.consistency.rawValue, consistency.rawValue)
        fields.add(Field.name.rawValue, labels.name)
        fields.add(Field.note.rawValue, labels.note)
        for tag in labels.tags { fields.add(Field.tag.rawValue, tag) }
        if let base {
            fields.add(Field.baseUUID.rawValue, base.uuid)
            fields.add(Field.baseOrdinal.rawValue, UInt64(clamping: base.ordinal.rawValue))
            fields.add(Field.baseTakenAt.rawValue, base.takenAt)
        }
        if let resumedAt {
            fields.add(Field.resumedAt.rawValue, UInt64(clamping: resumedAt))
        }
        return fields.bytes
    }

    init(fields bytes: [UInt8]) throws(Problem) {
        var found = Found()
        var reader = StreamFieldReader(bytes)
        try reader.forEach { (tag, value) throws(Problem) in
            guard let field = Field(rawValue: tag) else { return false }
            try found.take(field, value)
            return true
        }
        guard let snapshot = try found.snapshot() else {
            throw .damagedStream("it lacks a field of a snapshot, or has one twice")
        }
        self = snapshot
    }

    /// The fields as they come.
    private struct Found {
        var seen: Set<UInt16> = []
        var isDoubled = false
        var uuid: String?
        var ordinal: SnapshotOrdinal?
        var id: SnapshotID?
        var takenAt: Timestamp?
        var volumeBytes: UInt64?
        var kind: SnapshotKind?
        var consistency: Consistency?
        var labels = SnapshotLabels()
        var tagBytes = 0
        var base: (uuid: String?, ordinal: SnapshotOrdinal?, takenAt: Timestamp?) = (nil, nil, nil)

        var resumedAt: UInt64?

        /// Of all tags together: a manifest has a limit, and what stands there for a byte may take six.
        private static let tagBytesMaximum = 128 << 10

        mutating func take(_ field: Field, _ value: StreamFieldValue) throws(Problem) {
            if field != .tag, !seen.insert(field.rawValue).inserted { isDoubled = true }
            switch field {
            case .uuid: uuid = try value.uuid()
            case .ordinal: ordinal = try value.bounded(SnapshotOrdinal.self)
            case .id: id = try value.bounded(SnapshotID.self)
            case .takenAt: takenAt = try value.time()
            case .volumeBytes: volumeBytes = try value.number()
            case .kind: kind = try value.word(SnapshotKind.self)
            case .consistency: consistency = try value.word(Consistency.self)
            case .name: labels.name = try value.text(bytesMaximum: 4 * TextBounds.nameLength)
            case .note: labels.note = try value.text(bytesMaximum: TextBounds.noteBytes)
            case .tag:
                labels.tags.append(try value.text(bytesMaximum: TextBounds.noteBytes))
                tagBytes += value.bytes.count
                guard labels.tags.count <= TextBounds.tagCount, tagBytes <= Self.tagBytesMaximum
                else { throw .damagedStream("a snapshot has too many tags") }
            case .baseUUID: base.uuid = try value.uuid()
            case .baseOrdinal: base.ordinal = try value.bounded(SnapshotOrdinal.self)
            case .baseTakenAt: base.takenAt = try value.time()
            case .resumedAt: resumedAt = try value.number()
            }
        }

        /// Nil when they are not what a snapshot has.
        func snapshot() throws(Problem) -> StreamSnapshot? {
            guard !isDoubled, let uuid, let ordinal, let id, let takenAt, let kind,
                let consistency, let volumeBytes = volumeBytes.flatMap({ Int(exactly: $0) })
            else { return nil }
            guard (1...Geometry.volumeBytesMaximum).contains(volumeBytes),
                volumeBytes.isMultiple(of: Geometry.sectorBytes)
            else { throw .damagedStream("a volume cannot have \(volumeBytes) bytes") }
            if let name = labels.name, !TextBounds.isSnapshotName(name) {
                throw .damagedStream("no snapshot can have the name that it says")
            }
            var snapshot = StreamSnapshot(
                uuid: uuid, ordinal: ordinal, id: id, takenAt: takenAt, volumeBytes: volumeBytes,
                kind: kind, consistency: consistency, labels: labels, base: nil)
            snapshot.resumedAt = try resumedAt.map { number throws(Problem) in
                guard let offset = Int(exactly: number), (1...volumeBytes).contains(offset),
                    offset.isMultiple(of: Geometry.sectorBytes)
                else { throw .damagedStream("a snapshot goes on where none can") }
                return offset
            }
            switch (base.uuid, base.ordinal, base.takenAt) {
            case (nil, nil, nil): return snapshot
            case (let uuid?, let ordinal?, let takenAt?):
                snapshot.base = StreamBase(uuid: uuid, ordinal: ordinal, takenAt: takenAt)
                return snapshot
            default: return nil
            }
        }
    }
}
