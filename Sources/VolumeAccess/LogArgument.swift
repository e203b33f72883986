package import SnapshotModel

/// How long a volume's log of first writes is to be, as it is given to the nbdkit plugin:
/// `NAME:BYTES`.
package struct LogArgument: Hashable, Sendable {
    /// The volume's.
    package let name: String
    /// Within ``WriteBack/lengths``.
    package let bytes: Int

    /// `.usage` when the name is none a volume may have, or no log may be so long.
    package init(_ text: String) throws(Problem) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, VolumeRecord.isValidName(parts[0]), let log = WriteBack(parts[1]),
            let bytes = log.logBytes
        else {
            throw Problem(
                .usage, "a log of first writes is NAME:SIZE, from 1 MiB to 2 GiB, not \(text)")
        }
        name = parts[0]
        self.bytes = bytes
    }

    /// Whether a line of a listing is a parameter of the plugin, and no remark.
    package static func isParameter(_ line: String) -> Bool {
        line.hasPrefix("volume=") || line.hasPrefix("write-back=")
    }

    /// The logs that a listing names, each in a line `write-back=NAME:BYTES`, by the volumes' names;
    /// other lines are about something else. `.usage` when one cannot be read.
    package static func listed(_ lines: [String]) throws(Problem) -> [String: Int] {
        let prefix = "write-back="
        var logs: [String: Int] = [:]
        for line in lines where line.hasPrefix(prefix) {
            let log = try LogArgument(String(line.dropFirst(prefix.count)))
            logs[log.name] = log.bytes
        }
        return logs
    }
}
