package import SnapshotModel

/// The name of an image in a cluster, as people write it and as a volume's record keeps it. The form is QEMU's:
///
///     rbd:POOL[/NAMESPACE]/IMAGE[:id=CLIENT][:conf=FILE]
///
/// In a value, `:` and `\` stand behind a `\`.
package struct ImageName: Hashable, Sendable {
    package var pool: String
    /// Empty for the pool's default.
    package var space: String
    package var image: String
    /// The client by whose keys the cluster is used, without `client.`; nil for librados' own choice.
    package var client: String?
    /// The path of the cluster's configuration; nil for librados' own choice.
    package var configuration: String?

    package static let scheme = "rbd:"

    /// - Returns: nil for what is no name of an image at all.
    /// - Throws: `usage` for one that is wrong.
    package static func parse(_ text: String) throws(Problem) -> ImageName? {
        guard text.hasPrefix(scheme) else { return nil }
        let parts = divided(text.dropFirst(scheme.count))
        let path = parts[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(path.count), path.allSatisfy(isPossible) else {
            throw wrong(text, "it names no image of a pool")
        }
        var name = ImageName(
            pool: path[0], space: path.count == 3 ? path[1] : "", image: path[path.count - 1])
        for option in parts.dropFirst() { try name.set(option, in: text) }
        return name
    }

    private init(pool: String, space: String, image: String) {
        (self.pool, self.space, self.image) = (pool, space, image)
    }

    private mutating func set(_ option: String, in text: String) throws(Problem) {
        let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2, !parts[1].utf8.contains(where: { $0 < 0x20 }) else {
            throw Self.wrong(text, "“\(option)” is not of the form NAME=VALUE")
        }
        switch parts[0] {
        case "id" where client == nil: client = parts[1]
        case "conf" where configuration == nil: configuration = parts[1]
        default: throw Self.wrong(text, "id=CLIENT and conf=FILE may follow it, each once")
        }
    }

    /// Splits at colons that no backslash stands before; at least one part.
    private static func divided(_ text: Substring) -> [String] {
        var parts = [""]
        var isEscaped = false
        for character in text {
            if !isEscaped, character == "\\" {
                isEscaped = true
                continue
            }
            if !isEscaped, character == ":" {
                parts.append("")
            } else {
                parts[parts.count - 1].append(character)
            }
            isEscaped = false
        }
        return parts
    }

    /// What librbd could take for something else, or nobody could type, is refused.
    private static func isPossible(_ name: String) -> Bool {
        (1...96).contains(name.utf8.count) && !name.contains("@")
            && !name.utf8.contains { $0 <= 0x20 || $0 == 0x7f }
    }

    private static func wrong(_ text: String, _ cause: String) -> Problem {
        Problem(
            .usage, "`\(text)` is not an image in a cluster: \(cause)",
            hint: "write it as rbd:POOL/IMAGE or rbd:POOL/NAMESPACE/IMAGE")
    }
}

extension ImageName: CustomStringConvertible {
    /// As it is parsed.
    package var description: String { Self.scheme + path + options }

    /// As QEMU takes one of the image's snapshots.
    func description(ofSnapshot snapshot: String) -> String {
        Self.scheme + path + "@" + snapshot + options
    }

    private var options: String {
        [("id", client), ("conf", configuration)].compactMap { key, value in
            value.map { ":\(key)=\(Self.escaped($0))" }
        }.joined()
    }

    /// As Ceph's tools take it.
    package var path: String {
        (space.isEmpty ? [pool, image] : [pool, space, image]).joined(separator: "/")
    }

    /// What tells Ceph's tools which cluster is meant, and as whom.
    package var toolOptions: String {
        [("--id", client), ("--conf", configuration)].compactMap { option, value in
            value.map { " \(option) \($0)" }
        }.joined()
    }

    private static func escaped(_ value: String) -> String {
        value.reduce(into: "") { text, character in
            if character == ":" || character == "\\" { text.append("\\") }
            text.append(character)
        }
    }
}
