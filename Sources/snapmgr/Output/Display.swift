import ArgumentParser
import Manager
import SnapshotModel

/// How sizes and times are shown.
struct DisplayOptions: ParsableArguments {
    @Flag(help: "Show times in UTC.")
    var utc = false

    @Flag(help: "Show sizes as exact numbers of bytes.")
    var bytes = false

    func size(_ value: Int?) -> String {
        guard let value else { return "-" }
        return bytes ? String(value) : ByteCount(value).description
    }

    func time(_ value: Timestamp?) -> String {
        guard let value else { return "-" }
        return TimeText.describe(value, in: utc ? .utc : .machine) + (utc ? "Z" : "")
    }
}

extension DisplayOptions {
    /// `1:02:03` or `0:42`.
    static func duration(seconds: Int) -> String {
        let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60)
        return (hours > 0 ? "\(hours):\(minutes.padded(to: 2))" : "\(minutes)")
            + ":\(rest.padded(to: 2))"
    }

    /// `42 %`, `97 MiB/s`, `0:12 left`.
    static func progress(done: Int, total: Int, rate: Int) -> String {
        let percent = total > 0 ? min(100, done / max(1, total / 100)) : 100
        guard rate > 0 else { return "\(percent) %" }
        let seconds = (max(0, total - done) + rate - 1) / rate
        return "\(percent) %  \(ByteCount(rate))/s  \(duration(seconds: seconds)) left"
    }
}
