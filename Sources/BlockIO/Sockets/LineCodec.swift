internal import FoundationEssentials

/// Messages as lines: JSON, with fields in the order of their names.
package enum LineCodec {
    /// The message with its line feed.
    package static func encode(_ message: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
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
