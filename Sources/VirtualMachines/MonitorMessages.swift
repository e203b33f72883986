/// The messages of QEMU's monitor protocol (QMP), as far as they are used here. What a newer QEMU says beside is
/// left alone.
enum MonitorMessage {
    /// Which kind of message a line is.
    struct Heading: Decodable {
        var greeting: Greeting?
        var id: Int?
        var event: String?
        var error: Failure?
        var timestamp: Time?
        /// Whether it is an answer that says that all went well.
        var hasReturned: Bool

        private enum CodingKeys: String, CodingKey {
            case greeting = "QMP"
            case id, event, error, timestamp
            case hasReturned = "return"
        }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            greeting = try values.decodeIfPresent(Greeting.self, forKey: .greeting)
            // Some send an error before they have read an id: another kind of id is nobody's.
            id = try? values.decodeIfPresent(Int.self, forKey: .id)
            event = try values.decodeIfPresent(String.self, forKey: .event)
            error = try values.decodeIfPresent(Failure.self, forKey: .error)
            timestamp = try? values.decodeIfPresent(Time.self, forKey: .timestamp)
            hasReturned = values.contains(.hasReturned)
        }
    }

    struct Greeting: Decodable {
        struct Version: Decodable {
            struct Numbers: Decodable {
                var major: Int
                var minor: Int
            }

            var qemu: Numbers
        }

        var version: Version
    }

    struct Failure: Decodable {
        var desc: String
    }

    struct Time: Decodable {
        var seconds: Int64
        var microseconds: Int64
    }

    /// The answer to a command.
    struct Reply<Value: Decodable>: Decodable {
        var value: Value

        private enum CodingKeys: String, CodingKey { case value = "return" }
    }

    /// An answer of which nothing is used.
    struct Nothing: Decodable {
        init(from decoder: any Decoder) {}
    }

    struct Command<Arguments: Encodable>: Encodable {
        var execute: String
        var arguments: Arguments?
        var id: Int?
    }

    struct NoArguments: Encodable {}

    struct Status: Decodable {
        var running: Bool
        var status: String
    }

    struct Capabilities: Encodable {
        struct Item: Encodable {
            var capability: String
            var state: Bool
        }

        var capabilities: [Item]
    }

    struct Parameters: Encodable {
        var maxBandwidth: Int64
        var downtimeLimit: Int64

        private enum CodingKeys: String, CodingKey {
            case maxBandwidth = "max-bandwidth"
            case downtimeLimit = "downtime-limit"
        }
    }

    /// How often it tells the network who it is, when memory has come in.
    struct Announcements: Encodable {
        var rounds: Int

        private enum CodingKeys: String, CodingKey { case rounds = "announce-rounds" }
    }

    struct PassedName: Encodable {
        var fdname: String
    }

    struct HumanCommand: Encodable {
        var commandLine: String

        private enum CodingKeys: String, CodingKey { case commandLine = "command-line" }
    }

    struct Link: Encodable {
        var name: String
        var up: Bool
    }

    struct Target: Encodable {
        var uri: String
    }

    struct Migration: Decodable {
        var status: String?
        var reason: String?

        private enum CodingKeys: String, CodingKey {
            case status
            case reason = "error-desc"
        }
    }
}
