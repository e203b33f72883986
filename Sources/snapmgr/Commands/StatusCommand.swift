import ArgumentParser
import Glibc
import Manager
import SnapshotModel

struct StatusCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "status", "Show volumes, stores, space and running merges.",
        examples: ["status", "status --watch"], exits: [.done, .failed, .usage, .interrupted])

    @Flag(help: "Show it again every second, until interrupted.")
    var watch = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard !(watch && global.json) else {
            throw ValidationError("--watch is for terminals, and does not go with --json")
        }
    }

    func run(_ session: CommandSession) throws {
        let manager = try session.manager()
        guard watch else {
            let volumes = try manager.status.status()
            return try session.show(["volumes": JSONValue(volumes)]) { text(volumes, session) }
        }
        while !Interruption.cancellation.isRequested {
            // Cursor home, and everything below it cleared.
            let clear = session.terminal.showsProgress ? "\u{1B}[H\u{1B}[2J" : ""
            Output.write(clear + text(try manager.status.status(), session))
            sleep(1)
        }
        throw Cancellation.problem
    }

    private func text(_ volumes: [VolumeHealth], _ session: CommandSession) -> String {
        var table = Table([
            .init(title: "VOLUME"), .init(title: "STATE"), .init(title: "SERVED"),
            .init(title: "SIZE", alignment: .right), .init(title: "SNAPSHOTS", alignment: .right),
            .init(title: "NEWEST"), .init(title: "STORE", alignment: .right),
            .init(title: "FREE", alignment: .right),
            .init(title: "DAYS TO FULL", alignment: .right),
            .init(title: "MERGE"),
        ])
        let warnings = volumes.flatMap { volume in
            volume.warnings.map { "warning: volume \(volume.volume.record.name): \($0)\n" }
        }
        return table.lines(volumes.map(row), heading: session.terminal.bold) + warnings.joined()
    }

    private func row(_ health: VolumeHealth) -> [String] {
        let volume = health.volume
        return [
            volume.record.name, volume.state.rawValue, health.isServed ? "yes" : "no",
            display.size(volume.record.geometry.volumeBytes), String(volume.snapshotCount),
            display.time(health.newest), display.size(volume.storeBytes),
            display.size(health.freeBytes), health.daysToFull.map { "\($0)" } ?? "-",
            health.merge.map {
                DisplayOptions.progress(done: $0.mergedBytes, total: $0.planBytes, rate: $0.rate)
            } ?? "-",
        ]
    }
}
