import ArgumentParser
import Manager
import Monitoring
import SnapshotModel

struct MirrorListCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "list", "List mirrors, and how far each is.", examples: ["mirror list"],
        exits: [.done, .failed, .usage])

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let service = try context.reader().mirrors
        let mirrors = try service.list()
        let unreadable = try service.unreadable()
        try context.show(["mirrors": JSONValue(mirrors)]) {
            var table = Table([
                .init(title: "NAME", isCut: true), .init(title: "VOLUME", isCut: true),
                .init(title: "TARGET", isCut: true),
                .init(title: "STATE", emphasis: StateWords.emphasis),
                .init(title: "BASE", alignment: .right, rank: 2),
                .init(title: "MISSING", alignment: .right),
                .init(title: "BYTES", alignment: .right, rank: 3),
                .init(title: "LAG", alignment: .right),
                .init(title: "LAST SUCCESS", rank: 1),
            ])
            return table.lines(mirrors.map(row), on: context.terminal)
        }
        if let problem = unreadable.first { throw problem }
    }

    private func row(_ mirror: MirrorSummary) -> [String] {
        [
            mirror.record.name, mirror.record.volume, mirror.record.target,
            mirror.state.rawValue + (mirror.isRunning ? " (running)" : ""),
            mirror.record.base.map { "\($0.id)" } ?? "-", "\(mirror.missingCount)",
            display.size(mirror.missingBytes), MirrorWords.duration(mirror.lagSeconds),
            display.time(mirror.record.lastSuccessAt),
        ]
    }
}

/// How mirrors read.
enum MirrorWords {
    static func duration(_ seconds: Int64) -> String {
        switch seconds {
        case 0: "-"
        case ..<120: "\(seconds) s"
        case ..<7200: "\(seconds / 60) min"
        case ..<172_800: "\(seconds / 3600) h"
        default: "\(seconds / 86_400) d"
        }
    }
}
