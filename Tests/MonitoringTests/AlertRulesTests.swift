import FoundationEssentials
import SnapshotModel
import Testing

@testable import Monitoring

/// The rules and the dashboard that are shipped name what is exported.
@Suite struct AlertRulesTests {
    private static let package = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: Self.package.appending(path: path)), as: UTF8.self)
    }

    private func names(in text: String) -> Set<String> {
        Set(text.matches(of: /snapmgr_[a-z_]+/).map { String($0.output) })
    }

    private var exported: Set<String> {
        let reading = MonitorReading(now: MonitoringSample.now)
        return Set(MonitorMetrics(reading, .plain).families.map(\.name))
    }

    @Test(
        "each metric that they name is one that there is",
        arguments: ["Config/alerts/snapmgr.rules.yml", "Config/grafana/snapmgr.json"])
    func metrics(path: String) throws {
        let names = try names(in: text(path))
        #expect(names.count > 10)
        #expect(names.subtracting(exported) == [])
    }

    @Test("each rule says what is wrong, how bad that is, and what to do")
    func rules() throws {
        let rules = try text("Config/alerts/snapmgr.rules.yml").split(separator: "      - alert: ")
            .dropFirst()
        #expect(rules.count > 10)
        for rule in rules {
            for key in [
                "\n        expr: ", "\n          severity: ", "\n          summary: \"",
                "\n          description: \"",
            ] {
                #expect(rule.ranges(of: key).count == 1, "\(rule.prefix(40)):\(key)")
            }
        }
        let alerts = rules.map { $0.prefix { $0 != "\n" } }
        #expect(Set(alerts).count == alerts.count)
    }

    @Test("the dashboard is JSON, and each of its panels asks for something")
    func dashboard() throws {
        struct Dashboard: Decodable {
            struct Panel: Decodable {
                struct Target: Decodable {
                    var expr: String
                }
                var id: Int
                var title: String
                var targets: [Target]
            }
            var title: String
            var panels: [Panel]
        }
        let dashboard = try JSONDecoder().decode(
            Dashboard.self, from: Data(try text("Config/grafana/snapmgr.json").utf8))
        #expect(dashboard.title == "snapmgr")
        #expect(Set(dashboard.panels.map(\.id)).count == dashboard.panels.count)
        for panel in dashboard.panels {
            #expect(
                !panel.targets.isEmpty && panel.targets.allSatisfy { !names(in: $0.expr).isEmpty })
        }
    }
}
