internal import FoundationEssentials
package import SnapshotModel

/// The form of the store's small files: JSON with the kind and version of its content and a
/// checksum, so that a torn, altered or newer file is refused and never guessed at.
///
///     {"checksum":"e3069283","content":{...},"format":"snapmgr-manifest","version":2}
///
/// In version 2, `checksum` is the CRC-32C, as eight hexadecimal digits, of all bytes of the file as
/// they stand, with `00000000` in the place of the digits, which are always bytes 13 to 20. What a
/// program cannot read it can thus still check, and whatever prints JSON otherwise is found out.
/// In version 1, it is that of `content` alone, encoded again with sorted keys and no spaces.
///
/// Each kind has a version of its own. Fields are only added with a new version.
package enum RecordCodec {
    /// The kinds of records; `format` in the file.
    package enum Format: String, Sendable, CaseIterable {
        case volume = "snapmgr-volume"
        case manifest = "snapmgr-manifest"
        case revert = "snapmgr-revert"
        case mergeLimits = "snapmgr-merge-limits"
        case originState = "snapmgr-origin"
        case suspension = "snapmgr-suspension"
        case clone = "snapmgr-clone"
        case receive = "snapmgr-receive"
        case machines = "snapmgr-machines"
        case mirror = "snapmgr-mirror"
        case imageRevert = "snapmgr-image-revert"

        /// The highest version that there is: it is written, unless the record says that an older one can
        /// read it (``VersionedRecord``); all older ones are read.
        package var version: Int {
            switch self {
            case .mergeLimits, .suspension, .receive, .mirror, .imageRevert: 2
            case .manifest, .originState, .clone: 3
            case .volume, .revert, .machines: 4
            }
        }
    }

    private struct Heading: Codable {
        /// What a newer version may have elsewhere.
        var checksum: String?
        var format: String
        var version: Int
    }

    private struct Envelope<Content: Codable>: Codable {
        var checksum: String
        var content: Content
        var format: String
        var version: Int
    }

    private static let beginning = #"{"checksum":""#
    private static let zeroes = "00000000"
    private static var digits: Range<Int> {
        beginning.utf8.count..<beginning.utf8.count + zeroes.utf8.count
    }

    /// - Parameter byteCount: how long the record is to be, by blanks before the line feed, so that one
    ///   can take another one's place in a file.
    package static func encode(
        _ content: some Codable, as format: Format, paddedTo byteCount: Int? = nil
    ) throws(Problem) -> [UInt8] {
        do {
            let envelope = Envelope(
                checksum: zeroes, content: content, format: format.rawValue,
                version: (content as? any VersionedRecord)?.formatVersion ?? format.version)
            var bytes = [UInt8](try makeEncoder().encode(envelope))
            if let byteCount { try pad(&bytes, to: byteCount) }
            bytes.append(UInt8(ascii: "\n"))
            guard bytes.starts(with: (beginning + zeroes).utf8) else {
                throw Problem(.failed, "the checksum is not where it belongs")
            }
            bytes.replaceSubrange(digits, with: checksum(of: bytes).utf8)
            return bytes
        } catch {
            throw Problem(.failed, "cannot encode a \(format.rawValue) record: \(error)")
        }
    }

    private static func pad(_ bytes: inout [UInt8], to byteCount: Int) throws(Problem) {
        guard bytes.count < byteCount else {
            throw Problem(.failed, "a record takes more than \(byteCount) bytes")
        }
        while bytes.count.distance(to: byteCount) > 1 { bytes.append(UInt8(ascii: " ")) }
    }

    /// Reads a record; `path` names it in the error.
    package static func decode<Content: Codable>(
        _ type: Content.Type, from bytes: [UInt8], as format: Format, path: String
    ) throws(Problem) -> Content {
        let data = Data(bytes)
        // Whole records of today's version are parsed once; why another one is refused follows below.
        if let envelope = try? JSONDecoder().decode(Envelope<Content>.self, from: data),
            envelope.format == format.rawValue, envelope.version > 1,
            envelope.version <= format.version
        {
            try check(bytes, envelope.checksum, path)
            return envelope.content
        }
        let heading: Heading
        do {
            heading = try JSONDecoder().decode(Heading.self, from: data)
        } catch {
            throw damaged(path, "it is torn or no JSON")
        }
        guard heading.format == format.rawValue else {
            throw damaged(path, "it is a “\(heading.format)”, not a “\(format.rawValue)”")
        }
        guard heading.version <= format.version else {
            throw Problem(
                .newerVersion,
                "\(path) has version \(heading.version); this snapmgr reads up to "
                    + "\(format.version)",
                hint: "use the newer snapmgr that wrote it")
        }
        if heading.version > 1 { try check(bytes, heading.checksum ?? "", path) }
        do {
            let envelope = try JSONDecoder().decode(Envelope<Content>.self, from: data)
            if heading.version <= 1 { try checkContent(envelope, path) }
            return envelope.content
        } catch let problem as Problem {
            throw problem
        } catch { throw damaged(path, "a field is missing or wrong: \(error)") }
    }

    private static func check(
        _ bytes: [UInt8], _ found: String, _ path: String
    ) throws(Problem) {
        guard bytes.starts(with: (beginning + found).utf8), found.utf8.count == digits.count else {
            throw damaged(path, "it does not begin with its checksum")
        }
        var blanked = bytes
        blanked.replaceSubrange(digits, with: zeroes.utf8)
        try compare(found, checksum(of: blanked), path)
    }

    private static func checkContent<Content>(
        _ envelope: Envelope<Content>, _ path: String
    ) throws {
        let content = [UInt8](try makeEncoder().encode(envelope.content))
        try compare(envelope.checksum, checksum(of: content), path)
    }

    private static func compare(
        _ found: String, _ expected: String, _ path: String
    ) throws(Problem) {
        guard found == expected else {
            throw damaged(path, "its checksum is \(found), not \(expected)")
        }
    }

    private static func damaged(_ path: String, _ cause: String) -> Problem {
        Problem(.corrupt, "\(path) is damaged: \(cause)", hint: "run \(.check())")
    }

    private static func makeEncoder() -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    private static func checksum(of bytes: [UInt8]) -> String {
        CRC32C.checksum(bytes).padded(to: zeroes.utf8.count, radix: 16)
    }
}

/// A record that versions can read which do not know all that its kind can say by now, unless it says that.
package protocol VersionedRecord {
    /// The lowest version of its kind that knows what the record says.
    var formatVersion: Int { get }
}
