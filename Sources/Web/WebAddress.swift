internal import Glibc
package import SnapshotModel

/// Where the API is served: a Unix socket, and who may reach it.
package struct WebAddress: Hashable, Sendable {
    /// The folder in which the socket has its name.
    package var folder: String
    package var name: String
    /// The group that may connect, too, and what it may do; nil leaves the socket to its owner and root.
    package var group: Group?

    package struct Group: Hashable, Sendable {
        package var number: UInt32
        package var role: WebRole
    }

    package var path: String { folder + "/" + name }

    /// The socket's name in the state folder.
    package static let standardName = "http.sock"
    private static let scheme = "unix"

    /// - Parameters:
    ///   - text: `unix`, or `unix:PATH` with an absolute path.
    ///   - state: the state folder, in which the socket is when there is no path.
    ///   - group: a group's name or number.
    ///   - role: what the group may do, as `read`.
    /// - Throws: `usage`.
    package init(
        _ text: String, state: String, group: String? = nil, role: String? = nil
    ) throws(Problem) {
        let path = try Self.path(text) ?? state + "/" + Self.standardName
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count > 1, let last = parts.last, !last.isEmpty, last != ".", last != "..",
            path.utf8.allSatisfy({ $0 != 0 })
        else { throw Self.unknown(text) }
        name = String(last)
        folder = parts.dropLast().joined(separator: "/")
        if folder.isEmpty { folder = "/" }
        self.group = try Self.group(group, role)
    }

    /// Nil when the standard one is meant.
    private static func path(_ text: String) throws(Problem) -> String? {
        guard text != scheme else { return nil }
        let path = String(text.dropFirst(scheme.count + 1))
        guard text.hasPrefix(scheme + ":"), path.hasPrefix("/") else { throw unknown(text) }
        return path
    }

    private static func unknown(_ text: String) -> Problem {
        Problem(
            .usage, "`\(text)` is no address for --http",
            hint: "write `unix` for the socket in the state folder, or unix:/run/snapmgr/http.sock")
    }

    private static func group(_ text: String?, _ word: String?) throws(Problem) -> Group? {
        guard let text else {
            guard word == nil else {
                throw Problem(
                    .usage, "--http-role says what a group may do, and there is none",
                    hint: "name the group with --http-group GROUP")
            }
            return nil
        }
        guard let role = WebRole(word: word ?? WebRole.read.word) else {
            let words = WebRole.allCases.map(\.word).joined(separator: ", ")
            throw Problem(.usage, "there is no role `\(word ?? "")`", hint: "it is one of \(words)")
        }
        guard let number = UInt32(text) ?? getgrnam(text).map({ $0.pointee.gr_gid }) else {
            throw Problem(
                .usage, "there is no group \(text)", hint: "see `getent group`")
        }
        return Group(number: number, role: role)
    }
}
