/// The settings of one volume, as a file of `conf.d` with comments. Pure.
package struct VolumeSettingsText {
    private let volume: String
    private let every: String
    private let keep: KeepPlan

    /// - Parameters:
    ///   - volume: its name, a valid one.
    ///   - every: the time between two snapshots, as it is written in a file: `15m`.
    package init(volume: String, every: String, keep: KeepPlan) {
        self.volume = volume
        self.every = every
        self.keep = keep
    }

    /// Names of tables have no more letters than volumes'.
    private static let longest = 64

    private func name(_ ending: String) -> String {
        volume.prefix(Self.longest - ending.count) + ending
    }

    /// A name with a dot needs quotes in a table's title.
    private static func key(_ name: String) -> String {
        name.contains(".") ? "\"\(name)\"" : name
    }

    package var text: String {
        let (schedule, policy) = (name("-every"), name("-keep"))
        return """
            # When snapshots of volume \(volume) are taken, and which are kept. Change it as you like: it is
            # not written a second time. All keys are in snapmgr.toml(5); `config check` finds mistakes, and
            # `policy simulate` shows what will be kept.

            [volumes.\(Self.key(volume))]
            schedules = ["\(schedule)"]
            policy = "\(policy)"
            # While less is free where the store lies, no snapshot is taken:
            #free-space-floor = "10%"

            [schedules.\(Self.key(schedule))]
            every = "\(every)"
            # When nothing was written since the last one, take none:
            #if-unchanged = "skip"

            # \(Self.wrapped("Kept are " + keep.summary + "."))
            [policies.\(Self.key(policy))]
            \(keep.rules.joined(separator: "\n"))

            """
    }

    private static let width = 100

    /// Cut into lines that begin as comments do.
    private static func wrapped(_ text: String) -> String {
        var lines = [""]
        for word in text.split(separator: " ") {
            let line = lines[lines.count - 1]
            if line.isEmpty {
                lines[lines.count - 1] = String(word)
            } else if line.count + word.count < width {
                lines[lines.count - 1] = line + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines.joined(separator: "\n# ")
    }
}
