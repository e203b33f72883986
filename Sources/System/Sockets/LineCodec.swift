internal import FoundationEssentials
package import SnapshotModel

/// Messages as lines: JSON, with fields in the order of their names.
package enum LineCodec {
    /// The message with its line feed.
    ///
    /// - Parameter wording: says what the message advises.
    package static func encode(
        _ message: some Encodable, wording: Wording = .plain
    ) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.userInfo[.wording] = wording
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(message)) + [UInt8(ascii: "\n")]
    }

    /// - Parameter line: without its line feed.
    package static func decode<Message: Decodable>(
        _ type: Message.Type, _ line: [UInt8]
    ) throws -> Message {
        try JSONDecoder().decode(type, from: Data(line))
    }
}
