import System
import Catalog
import Glibc
import Scheduler
import SnapshotModel

/// What schedules and retention cost: a tick that finds nothing due, and a prune plan of ten volumes
/// with a year of snapshots every 15 minutes each.
enum ScheduleBenchmark {
    private static let volumeCount = 10
    private static let snapshotCount = 35_040

    static func run(_ workspace: Workspace) throws {
        var table = Table("what", "median ms")
        let plan = try Measurement(prepare: { _ in subjects() }) { subjects in
            for _ in 0..<volumeCount {
                let plan = PrunePlan(
                    of: subjects, scopes: [RetentionScope(name: "standard", policy: policy)],
                    now: end
                ) { _ in 0 }
                guard plan.removed.count < snapshotCount else { throw Problem(.failed, "all go") }
            }
        }
        table.add(
            "plan of \(volumeCount) volumes with \(snapshotCount) snapshots each",
            decimal(plan.median * 1000, 0))
        let program = try workspace.tool("snapmgr")
        let arguments = try idleTick(workspace)
        let idle = try Measurement(prepare: { _ in }) {
            try workspace.run([program] + arguments, quietly: true)
        }
        table.add(
            "`snapmgr tick` with nothing due, \(volumeCount) volumes",
            decimal(idle.median * 1000, 1))
        table.show()
        var usage = rusage()
        getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
        print("\nhighest resident size of this process: \(usage.ru_maxrss / 1024) MiB")
    }

    private static let start = Timestamp(stored: 1_700_000_100_000_000_000)
    private static let end = start.advanced(bySeconds: Int64(snapshotCount) * 900)

    private static let policy = RetentionPolicy(rules: [
        .last(.atMost(8)), .buckets(.hourly, .atMost(48)), .buckets(.daily, .atMost(30)),
        .buckets(.weekly, .atMost(8)), .buckets(.monthly, .atMost(12)),
    ])

    private static func subjects() -> [RetentionSubject] {
        (1...snapshotCount).map { number in
            RetentionSubject(
                id: SnapshotID(rawValue: Int64(number)),
                ordinal: SnapshotOrdinal(rawValue: number),
                takenAt: start.advanced(bySeconds: Int64(number) * 900))
        }
    }

    /// Volumes whose schedules have served the last slot.
    private static func idleTick(_ workspace: Workspace) throws -> [String] {
        let state = workspace.newPath("state")
        mkdir(state, 0o700)
        let names = (0..<volumeCount).map { "volume\($0)" }
        var settings = "time-zone = \"UTC\"\n[schedules.daily]\nevery = \"1d\"\n"
        settings += names.map { "[volumes.\($0)]\nschedules = [\"daily\"]\n" }.joined()
        let path = state + "/snapmgr.toml"
        try FileFolder(path: state).writeFile("snapmgr.toml", Array(settings.utf8))
        let catalog = try CatalogStore(
            path: state + "/catalog.sqlite", now: { SystemClock().now() })
        try catalog.beginSchedules(
            names.map { ScheduleKey(target: .volume($0), schedule: "daily") })
        return ["--state", state, "--config", path, "tick"]
    }
}
