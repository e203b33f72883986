internal import SnapshotModel

/// Reads a manifest's record as snapmgr writes it, in one pass: a chain has tens of thousands of them, and who
/// opens a volume reads each. Whatever does not look exactly so (an older version, other blanks or another
/// order, an escape, a letter beyond ASCII, a wrong checksum) is left to ``RecordCodec``, which reads the
/// same of all that is read here.
struct CanonicalManifest {
    private let bytes: [UInt8]
    private var position = 0

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    private static let beginning = #"{"checksum":""#
    private static let zeroes = [UInt8](repeating: UInt8(ascii: "0"), count: 8)
    private static let end =
        #","format":"\#(RecordCodec.Format.manifest.rawValue)","version":2}"# + "\n"

    /// Nil when another reader has to say what it is.
    static func decode(_ bytes: [UInt8]) -> SnapshotManifest? {
        // What a later version says, the other reader reads: few have it.
        guard RecordCodec.Format.manifest.version == 3 else { return nil }
        var reader = CanonicalManifest(bytes)
        guard reader.skip(beginning), let checksum = reader.checksum(),
            checksum == Self.checksum(of: bytes, digitsAt: beginning.utf8.count),
            reader.skip(#"","content":"#), let manifest = reader.manifest(), reader.skip(end),
            reader.position == bytes.count
        else { return nil }
        return manifest
    }

    /// Of the whole file, with zeroes in the place of the checksum's digits.
    private static func checksum(of bytes: [UInt8], digitsAt start: Int) -> UInt32 {
        var checksum = CRC32C()
        checksum.update(bytes[..<start])
        checksum.update(zeroes[...])
        checksum.update(bytes[(start + zeroes.count)...])
        return checksum.value
    }

    // MARK: fields

    /// The fields in the order of their names, which is that of the encoder.
    private mutating func manifest() -> SnapshotManifest? {
        guard skip(#"{"consistency":"#), let consistency = word(Consistency.self),
            let id = field(#","id":"#, SnapshotID.self), let idFloor = idFloor(),
            skip(#","isDeleted":"#), let isDeleted = flag(),
            skip(#","kind":"#), let kind = word(SnapshotKind.self),
            let name = optionalText(#","name":"#), let note = optionalText(#","note":"#),
            let ordinal = field(#","ordinal":"#, SnapshotOrdinal.self),
            let revertID = optionalNumber(#","revertID":"#, RevertID.self),
            let schedule = optionalText(#","schedule":"#),
            let setID = optionalNumber(#","setID":"#, SetID.self),
            let setName = optionalText(#","setName":"#),
            let setVolumes = optionalTexts(#","setVolumes":"#),
            let slot = optionalTime(#","slot":"#),
            skip(#","tags":"#), let tags = texts(), skip(#","takenAt":"#), let takenAt = time(),
            skip(#","volumeBytes":"#), let volumeBytes = number(), skip("}")
        else { return nil }
        return SnapshotManifest(
            ordinal: ordinal, id: id, volumeBytes: Int(volumeBytes), takenAt: takenAt,
            description: SnapshotDescription(
                kind: kind, consistency: consistency, name: name, setID: setID, setName: setName,
                setVolumes: setVolumes, schedule: schedule, slot: slot, tags: tags, note: note,
                revertID: revertID, idFloor: idFloor), isDeleted: isDeleted)
    }

    private mutating func idFloor() -> IDFloor? {
        guard skip(#","idFloor":{"revert":"#), let revert = bounded(RevertID.self),
            let set = field(#","set":"#, SetID.self),
            let snapshot = field(#","snapshot":"#, SnapshotID.self),
            skip("}")
        else { return nil }
        return IDFloor(snapshot: snapshot, set: set, revert: revert)
    }

    private mutating func field<Number: BoundedNumber>(
        _ name: String, _ type: Number.Type
    ) -> Number? {
        skip(name) ? bounded(type) : nil
    }

    // A name comes with what is around it. Of an optional field, nil is what cannot be read, and nil
    // within that a field that is not there.

    private mutating func optionalNumber<Number: BoundedNumber>(
        _ name: String, _ type: Number.Type
    ) -> Number?? {
        guard skip(name) else { return .some(nil) }
        return bounded(type).map { .some($0) }
    }

    private mutating func optionalText(_ name: String) -> String?? {
        guard skip(name) else { return .some(nil) }
        return text().map { .some($0) }
    }

    private mutating func optionalTexts(_ name: String) -> [String]?? {
        guard skip(name) else { return .some(nil) }
        return texts().map { .some($0) }
    }

    private mutating func optionalTime(_ name: String) -> Timestamp?? {
        guard skip(name) else { return .some(nil) }
        return time().map { .some($0) }
    }
}

// MARK: - Values

extension CanonicalManifest {
    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// Goes on behind a text, when that comes next.
    private mutating func skip(_ text: String) -> Bool {
        let expected = text.utf8
        guard bytes.count - position >= expected.count else { return false }
        var place = position
        for byte in expected {
            guard bytes[place] == byte else { return false }
            place += 1
        }
        position = place
        return true
    }

    /// Eight hexadecimal digits, in lower case.
    private mutating func checksum() -> UInt32? {
        var value: UInt32 = 0
        for _ in 0..<Self.zeroes.count {
            switch next {
            case .some(let byte) where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte):
                value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
            case .some(let byte) where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte):
                value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
            position += 1
        }
        return value
    }

    private mutating func digit() -> Int64? {
        guard let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else {
            return nil
        }
        position += 1
        return Int64(byte - UInt8(ascii: "0"))
    }

    /// So many digits.
    private mutating func digits(_ count: Int) -> Int64? {
        var value: Int64 = 0
        for _ in 0..<count {
            guard let digit = digit() else { return nil }
            value = value * 10 + digit
        }
        return value
    }

    /// A number that is not negative, with 18 digits at most.
    private mutating func number() -> Int64? {
        guard var value = digit() else { return nil }
        let isZero = value == 0
        var count = 1
        while let digit = digit() {
            guard !isZero, count < 18 else { return nil }
            value = value * 10 + digit
            count += 1
        }
        return value
    }

    private mutating func bounded<Number: BoundedNumber>(_ type: Number.Type) -> Number? {
        number().flatMap { Number.RawValue(exactly: $0) }.flatMap { Number(checking: $0) }
    }

    private mutating func flag() -> Bool? { skip("false") ? false : skip("true") ? true : nil }

    /// A text of printable ASCII without an escape.
    private mutating func text() -> String? {
        guard skip("\"") else { return nil }
        let start = position
        while let byte = next, byte != UInt8(ascii: "\"") {
            guard (0x20..<0x7F).contains(byte), byte != UInt8(ascii: "\\") else { return nil }
            position += 1
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        return skip("\"") ? text : nil
    }

    private mutating func word<Word: RawRepresentable<String>>(_ type: Word.Type) -> Word? {
        text().flatMap { Word(rawValue: $0) }
    }

    private mutating func texts() -> [String]? {
        guard skip("[") else { return nil }
        var texts: [String] = []
        while !skip("]") {
            guard texts.isEmpty || skip(","), let text = text() else { return nil }
            texts.append(text)
        }
        return texts
    }

    /// `"2026-11-22T12:45:00.000000000Z"`, with all nine decimals.
    private mutating func time() -> Timestamp? {
        guard skip("\""), let year = digits(4), skip("-"), let month = digits(2), skip("-"),
            let day = digits(2),
            let date = CivilDate(year: Int(year), month: Int(month), day: Int(day)),
            skip("T"), let hour = digits(2), hour < 24, skip(":"), let minute = digits(2),
            minute < 60, skip(":"), let second = digits(2), second < 60, skip("."),
            let fraction = digits(9), skip("Z\"")
        else { return nil }
        let seconds = Int64(date.daysSinceEpoch) * 86_400 + hour * 3600 + minute * 60 + second
        return Timestamp(seconds: seconds, nanoseconds: fraction)
    }
}
