package import SnapshotModel

/// A volume to serve, as it is given to the nbdkit plugin: `NAME:STOREPATH`.
package struct VolumeArgument: Hashable, Sendable {
    /// The volume's.
    package let name: String
    /// The absolute path of the store; it may contain colons.
    package let storePath: String

    package init(name: String, storePath: String) {
        self.name = name
        self.storePath = storePath
    }

    /// Reads the form that ``description`` has. `.usage` when the name is none a volume may have,
    /// or the path is not absolute.
    package init(_ text: String) throws(Problem) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, VolumeRecord.isValidName(String(parts[0])),
            parts[1].hasPrefix("/")
        else {
            throw Problem(
                .usage, "a volume to serve is NAME:STOREPATH with an absolute path, not \(text)")
        }
        self.init(name: String(parts[0]), storePath: String(parts[1]))
    }
}

extension VolumeArgument: CustomStringConvertible {
    /// As a server is told: `NAME:STORE`.
    package var description: String { "\(name):\(storePath)" }
}
