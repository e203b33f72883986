import Manager
import Setup
import SnapshotModel

/// What `setup` says to people.
struct SetupText {
    let report: SetupReport
    let display: DisplayOptions
    /// From the root; nil for the standard places.
    let configPath: String?
    let statePath: String?

    var text: String {
        [[volume, settings], units, byHand, use, next].flatMap(\.self).joined(separator: "\n")
            + "\n"
    }

    // MARK: What is there

    private var volume: String {
        let origin = report.origin
        let content = origin.content.map { ", \($0)" } ?? ""
        let what = "\(origin.path), \(origin.kind) of \(display.size(origin.byteCount))\(content)"
        return "volume    \(report.volume)  \(word(report.volumeAction)): \(what)"
    }

    private var settings: String {
        "settings  \(report.settings.path)  \(word(report.settings.action))"
            + (report.isDryRun ? fileText(report.settings) : "")
    }

    private var units: [String] {
        report.dropIns.map { file in
            "systemd   \(file.path)  \(word(file.action))" + (report.isDryRun ? fileText(file) : "")
        }
            + report.units.map { unit in
                let word = unit.action == .made ? "enabled and started" : self.word(unit.action)
                return "systemd   \(unit.name)  \(word)"
            }
    }

    private func word(_ action: SetupReport.Action) -> String {
        switch action {
        case .made: "made"
        case .kept: "was there"
        case .differs: "was there, is another one than setup writes, and stays"
        case .planned: report.isDryRun ? "would be made" : "not made"
        case .failed: "FAILED"
        }
    }

    /// What a file that is not there yet, or is another one, would have in it.
    private func fileText(_ file: SetupReport.File) -> String {
        guard [.planned, .differs].contains(file.action), let text = file.text else { return "" }
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { "\n    \($0)" }
            .joined()
    }

    // MARK: Where no units run

    private var byHand: [String] {
        guard let reason = report.withoutUnits else { return [] }
        var lines = [
            "", "Nothing runs by itself: \(reason). Have these two run each minute, from cron:",
        ]
        lines += ["tick --no-prune", "prune"].map { "    \(program) \($0)" }
        if let socket = report.socket {
            lines += [
                "and this one all the time:",
                "    \(program) serve \(report.volume) --socket \(quoted(socket))",
            ]
        }
        return lines
    }

    /// The program with the places that this command was told, by options or the environment.
    private var program: String {
        let options = [("--config", configPath), ("--state", statePath)]
        return "snapmgr"
            + options.map { name, value in value.map { " \(name) \(quoted($0))" } ?? "" }.joined()
    }

    private func quoted(_ text: String) -> String {
        text.allSatisfy { $0.isLetter || $0.isNumber || "._-/+:@".contains($0) } && !text.isEmpty
            ? text : "'" + text.replacing("'", with: #"'\''"#) + "'"
    }

    // MARK: What to change

    private var use: [String] {
        var lines = [""]
        if let obstacle = report.obstacle {
            lines += ["In the way: \(obstacle.message)", ""]
        } else if report.isDryRun, !report.origin.users.isEmpty {
            lines += ["In use now: \(report.origin.users.joined(separator: ", "))", ""]
        }
        if let uri = report.uri {
            lines.append("From now on nothing writes to \(report.origin.path) but snapmgr. Use")
            lines.append("    \(uri)")
        } else if let device = report.device {
            lines.append("From now on nothing uses \(report.origin.path) but snapmgr. Use")
            lines.append("    \(device)")
        }
        for recipe in report.recipes {
            lines += ["", recipe.title + ":"]
            lines += recipe.text.split(separator: "\n").map { "    \($0)" }
        }
        return lines
    }

    private var next: [String] {
        guard !report.isDryRun else { return [] }
        return ["", "A first snapshot: snapmgr snapshot \(report.volume)"]
    }
}
