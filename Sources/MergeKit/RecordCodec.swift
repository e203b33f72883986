internal import FoundationEssentials
package import SnapshotModel

/// The form of the store's small files: JSON with the kind and version of its content and a
/// checksum, so that a torn, altered or newer file is refused and never guessed at.
///
///     {"checksum":"e3069283","content":{...},"format":"snapmgr-manifest","version":1}
///
/// `checksum` is the CRC-32C, as eight hexadecimal digits, of `content` encoded with sorted keys
/// and no spaces, as this code encodes it. Fields are only added with a new version.
package enum RecordCodec {
    package static let version = 1

    /// The kinds of records; `format` in the file.
    package enum Format: String, Sendable {
        case volume = "snapmgr-volume"
        case manifest = "snapmgr-manifest"
        case revert = "snapmgr-revert"
        case mergeLimits = "snapmgr-merge-limits"
        case originState = "snapmgr-origin"
    }

    private struct Heading: Codable {
        var format: String
        var version: Int
    }

    private struct Envelope<Content: Codable>: Codable {
        var checksum: String
        var content: Content
        var format: String
        var version: Int
    }

    package static func encode(
        _ content: some Codable, as format: Format
    ) throws(Problem) -> [UInt8] {
        do {
            let encoder = makeEncoder()
            let envelope = Envelope(
                checksum: checksum(of: try encoder.encode(content)), content: content,
                format: format.rawValue, version: version)
            return [UInt8](try encoder.encode(envelope)) + [UInt8(ascii: "\n")]
        } catch {
            throw Problem(.failed, "cannot encode a \(format.rawValue) record: \(error)")
        }
    }

    /// Reads a record; `path` names it in the error.
    package static func decode<Content: Codable>(
        _ type: Content.Type, from bytes: [UInt8], as format: Format, path: String
    ) throws(Problem) -> Content {
        let data = Data(bytes)
        let heading: Heading
        do {
            heading = try JSONDecoder().decode(Heading.self, from: data)
        } catch {
            throw damaged(path, "it is torn or no JSON")
        }
        guard heading.format == format.rawValue else {
            throw damaged(path, "it is a “\(heading.format)”, not a “\(format.rawValue)”")
        }
        guard heading.version <= version else {
            throw Problem(
                .newerVersion,
                "\(path) has version \(heading.version); this snapmgr reads up to \(version)",
                hint: "use the newer snapmgr that wrote it")
        }
        do {
            let envelope = try JSONDecoder().decode(Envelope<Content>.self, from: data)
            let expected = checksum(of: try makeEncoder().encode(envelope.content))
            guard envelope.checksum == expected else {
                throw damaged(path, "its checksum is \(envelope.checksum), not \(expected)")
            }
            return envelope.content
        } catch let problem as Problem {
            throw problem
        } catch { throw damaged(path, "a field is missing or wrong: \(error)") }
    }

    private static func damaged(_ path: String, _ cause: String) -> Problem {
        Problem(.corrupt, "\(path) is damaged: \(cause)", hint: "run `snapmgr check`")
    }

    private static func makeEncoder() -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    private static func checksum(of data: Data) -> String {
        let digits = String(CRC32C.checksum(data), radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
