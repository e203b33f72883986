internal import Glibc

/// Who asks for an operation, and through which face of the program.
///
/// Whose process it is, the kernel says. On whose behalf root asks, sudo says; of others' processes that
/// is not believed, although nobody would gain by it.
package struct Requester: Hashable, Sendable {
    package enum Face: String, Sendable, CaseIterable {
        case commandLine = "command_line"
        case serviceUnit = "service_unit"
        /// A client on the message bus, whose user the bus knows.
        case bus
        /// A client of the HTTP API, whose user the kernel knows.
        case web
        /// A program that calls the use cases itself.
        case program
    }

    package var userID: UInt32
    /// Nil when the machine has no name for that user.
    package var userName: String?
    /// The name of whoever became root by sudo; nil for all others.
    package var sudoUser: String?
    package var face: Face
    /// The name of the token that a client of the network has, for whom this user's process does it; nil for all
    /// others.
    package var token: String?

    package init(
        userID: UInt32 = geteuid(), userName: String? = nil, sudoUser: String? = nil,
        face: Face = .program
    ) {
        self.userID = userID
        self.userName = userName
        self.sudoUser = sudoUser
        self.face = face
    }

    /// The one whose process this is, which a person or a service unit has started.
    package static func ofThisProcess(environment: [String: String]) -> Requester {
        let user = geteuid()
        // systemd.exec(5): only the process that a unit names has its own id there.
        let isUnit = environment["SYSTEMD_EXEC_PID"] == String(getpid())
        return Requester(
            userID: user, userName: userName(of: user),
            sudoUser: user == 0 ? environment["SUDO_USER"].flatMap(plainName) : nil,
            face: isUnit ? .serviceUnit : .commandLine)
    }

    /// A client on the message bus.
    package static func onBus(user: UInt32) -> Requester {
        Requester(userID: user, userName: userName(of: user), face: .bus)
    }

    /// Somebody at the other end of the API's socket.
    package static func onWeb(user: UInt32) -> Requester {
        Requester(userID: user, userName: userName(of: user), face: .web)
    }

    /// A client of the API who has shown a token: what he asks for, this process does.
    package static func onWeb(token: String) -> Requester {
        var requester = onWeb(user: geteuid())
        requester.token = plainName(token)
        return requester
    }

    /// The name of the account; `uid-1000` when there is none. That of a token is none that an account can have.
    package var name: String { token.map { "token:\($0)" } ?? userName ?? "uid-\(userID)" }

    /// Root's name is looked up nowhere: a tick comes each minute, and the network may be down. Several threads may look
    /// at once.
    private static func userName(of user: UInt32) -> String? {
        guard user != 0 else { return "root" }
        var (entry, found) = (passwd(), UnsafeMutablePointer<passwd>?.none)
        var buffer = [CChar](repeating: 0, count: 16_384)
        let result = getpwuid_r(user, &entry, &buffer, buffer.count, &found)
        guard result == 0, found != nil, let name = entry.pw_name else { return nil }
        return plainName(String(cString: name))
    }

    private static let nameBytesMaximum = 64

    /// A name that needs no care wherever it is written; nil for anything else.
    private static func plainName(_ name: String) -> String? {
        let isPlain = name.utf8.allSatisfy { $0 > UInt8(ascii: " ") && $0 < 0x7f }
        return isPlain && (1...nameBytesMaximum).contains(name.utf8.count) ? name : nil
    }
}

extension Requester: CustomStringConvertible {
    /// As people read it: `anna`, `anna (as root)`.
    package var description: String { sudoUser.map { "\($0) (as \(name))" } ?? name }
}

extension Requester: JSONConvertible {
    package var json: JSONValue {
        let fields: [JSONValue.Field] = [
            .init(name: "user", value: JSONValue(userName)),
            .init(name: "uid", value: JSONValue(Int64(userID))),
            .init(name: "sudo_user", value: JSONValue(sudoUser)),
            .init(name: "face", value: JSONValue(face)),
        ]
        guard let token else { return .object(fields) }
        return .object(fields + [.init(name: "token", value: JSONValue(token))])
    }
}

extension Requester: Decodable {
    private enum CodingKeys: String, CodingKey {
        case userID = "uid"
        case userName = "user"
        case sudoUser = "sudo_user"
        case face
        case token
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        userID = try values.decode(UInt32.self, forKey: .userID)
        userName = try values.decodeIfPresent(String.self, forKey: .userName)
        sudoUser = try values.decodeIfPresent(String.self, forKey: .sudoUser)
        token = try values.decodeIfPresent(String.self, forKey: .token)
        // A newer version may know more faces.
        face = Face(rawValue: try values.decode(String.self, forKey: .face)) ?? .program
    }
}
