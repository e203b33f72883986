internal import System
package import SnapshotModel
package import VolumeAccess

/// The form of requests and answers on the control socket: JSON, one message to a line.
package enum ControlWire {
    /// The version of the protocol. It rises when an older server would misunderstand a request.
    package static let version = 1

    /// A request as a line, with its line feed.
    ///
    /// - Parameter wantsBeats: whether the server shall give signs of life until it answers.
    package static func encode(
        _ request: VolumeRequest, wantsBeats: Bool = false
    ) throws(Problem) -> [UInt8] {
        try line(
            RequestEnvelope(
                version: version, request: request, wantsBeats: wantsBeats ? true : nil))
    }

    /// What a server sends first: an answer to nothing that also says, to clients that know of it,
    /// that signs of life can be had.
    package static func greeting() throws(Problem) -> [UInt8] {
        try line(Greeting(message: .reply(.done), hasBeats: true))
    }

    /// An answer as a line, with its line feed.
    ///
    /// - Parameter wording: that of the program that answers.
    package static func encode(
        _ message: ControlMessage, wording: Wording = .plain
    ) throws(Problem) -> [UInt8] {
        try line(message, wording)
    }

    /// Reads a request from a line without its line feed. `.newerVersion` when the client speaks a
    /// newer protocol, whatever else the line holds; `.usage` when it is not a request.
    package static func decodeRequest(_ line: [UInt8]) throws(Problem) -> VolumeRequest {
        try decodeAsked(line).request
    }

    /// The same, and whether the client wants signs of life.
    package static func decodeAsked(
        _ line: [UInt8]
    ) throws(Problem) -> (request: VolumeRequest, wantsBeats: Bool) {
        let envelope = try decode(VersionEnvelope.self, from: line, orThrow: .usage)
        guard envelope.version <= version else {
            throw Problem(
                .newerVersion,
                "the client speaks version \(envelope.version) of the control protocol, "
                    + "the server only up to \(version)",
                hint: "restart the server with the newer snapmgr: \(.serve())")
        }
        let asked = try decode(RequestEnvelope.self, from: line, orThrow: .usage)
        return (asked.request, asked.wantsBeats ?? false)
    }

    /// Reads a greeting, also that of an older server.
    package static func decodeGreeting(
        _ line: [UInt8]
    ) throws(Problem) -> (message: ControlMessage, hasBeats: Bool) {
        let greeting = try decode(Greeting.self, from: line, orThrow: .failed)
        return (greeting.message, greeting.hasBeats)
    }

    /// Reads an answer from a line without its line feed.
    package static func decodeMessage(_ line: [UInt8]) throws(Problem) -> ControlMessage {
        try decode(ControlMessage.self, from: line, orThrow: .failed)
    }

    private static func line(
        _ value: some Encodable, _ wording: Wording = .plain
    ) throws(Problem) -> [UInt8] {
        do {
            return try LineCodec.encode(value, wording: wording)
        } catch {
            throw Problem(.failed, "a control message cannot be written: \(error)")
        }
    }

    private static func decode<Value: Decodable>(
        _ type: Value.Type, from line: [UInt8], orThrow code: Problem.Code
    ) throws(Problem) -> Value {
        do {
            return try LineCodec.decode(type, line)
        } catch {
            throw Problem(code, "a control message cannot be understood: \(Self.reason(error))")
        }
    }

    /// The place and kind of a mistake; never the whole message, which may be large.
    private static func reason(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "it is not JSON" }
        let context =
            switch error {
            case .keyNotFound(_, let context), .typeMismatch(_, let context),
                .valueNotFound(_, let context), .dataCorrupted(let context):
                context
            @unknown default: DecodingError.Context(codingPath: [], debugDescription: "unknown")
            }
        let place = context.codingPath.map(\.stringValue).joined(separator: ".")
        return (place.isEmpty ? "" : "\(place): ") + context.debugDescription
    }
}

private struct RequestEnvelope: Codable {
    var version: Int
    var request: VolumeRequest
    /// Older servers pass over it.
    var wantsBeats: Bool?
}

/// A message with a key beside it, over which older clients pass.
private struct Greeting: Codable {
    var message: ControlMessage
    var hasBeats: Bool

    private enum CodingKeys: CodingKey {
        case beats
    }

    init(message: ControlMessage, hasBeats: Bool) {
        self.message = message
        self.hasBeats = hasBeats
    }

    init(from decoder: any Decoder) throws {
        message = try ControlMessage(from: decoder)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        hasBeats = try container.decodeIfPresent(Bool.self, forKey: .beats) ?? false
    }

    func encode(to encoder: any Encoder) throws {
        try message.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(hasBeats, forKey: .beats)
    }
}

/// What every version of the protocol has in common.
private struct VersionEnvelope: Decodable {
    var version: Int
}

/// One line from the server: any number of `progress` and `working`, then `reply` or `problem`.
package enum ControlMessage: Hashable, Sendable, Codable {
    case progress(TransferProgress)
    case reply(VolumeReply)
    case problem(Problem)
    /// A sign of life, for clients that have asked for it.
    case working
}
