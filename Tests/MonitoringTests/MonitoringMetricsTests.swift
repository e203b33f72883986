import Scheduler
import ShellWords
import SnapshotModel
import TestKit
import Testing

@testable import Monitoring

/// The text format of Prometheus.
@Suite struct MonitoringMetricsTests {
    private typealias Sample = MonitoringSample

    private var reading: MonitorReading {
        var volume = Sample.volume()
        volume.newest = Timestamp(stored: Sample.now.stored - 250_000_000)
        volume.merge = Sample.merge(.merging, rate: 512)
        volume.mergeBegunAt = Sample.ago(60)
        volume.holds = [
            Sample.hold(heldAt: Sample.ago(10)),
            Sample.hold(heldAt: Sample.ago(90), until: Sample.ago(5)),
        ]
        volume.overdueCount = 4
        volume.lastPruneAt = Sample.ago(3600)
        var reading = MonitorReading(now: Sample.now, volumes: [volume])
        reading.schedules = [Sample.schedule(.every(.hour), served: [Sample.ago(7200)])]
        reading.sets = [
            SetCounts(name: "vm", createdAt: Sample.ago(60), heldNanoseconds: 12_500_000)
        ]
        reading.failures = [
            Sample.event(.hookFailed, volume: "data", ""),
            Sample.event(.snapshotFailed, volume: nil, ""),
        ]
        return reading
    }

    @Test("the exposition has these names, labels and values")
    func exposition() throws {
        let text = MonitorMetrics(reading, .shell).text
        try ExpositionValidator.validate(text)
        let samples = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
        let expected = """
            snapmgr_up 1
            snapmgr_findings{severity="critical"} 0
            snapmgr_findings{severity="unknown"} 0
            snapmgr_findings{severity="warning"} 2
            snapmgr_volume_state{volume="data",state="idle"} 0
            snapmgr_volume_state{volume="data",state="served"} 1
            snapmgr_volume_state{volume="data",state="active"} 0
            snapmgr_volume_state{volume="data",state="inactive"} 0
            snapmgr_volume_state{volume="data",state="merging"} 0
            snapmgr_volume_state{volume="data",state="broken"} 0
            snapmgr_volume_state{volume="data",state="missing"} 0
            snapmgr_volume_served{volume="data"} 1
            snapmgr_volume_size_bytes{volume="data"} 1048576
            snapmgr_snapshots{volume="data",kind="manual",state="frozen"} 2
            snapmgr_snapshots{volume="data",kind="scheduled",state="active"} 1
            snapmgr_newest_snapshot_timestamp_seconds{volume="data"} 1795348799.75
            snapmgr_store_used_bytes{volume="data"} 8192
            snapmgr_store_free_bytes{volume="data"} 1073741824
            snapmgr_store_free_floor_bytes{volume="data"} 1048576
            snapmgr_store_filesystem_size_bytes{volume="data"} 2147483648
            snapmgr_store_time_to_full_seconds{volume="data"} 2592000.0
            snapmgr_merge_planned_bytes{volume="data"} 4096
            snapmgr_merge_done_bytes{volume="data"} 1024
            snapmgr_merge_rate_bytes_per_second{volume="data"} 512
            snapmgr_merge_running{volume="data"} 1
            snapmgr_merge_begin_timestamp_seconds{volume="data"} 1795348740
            snapmgr_holds{volume="data",state="endless"} 1
            snapmgr_holds{volume="data",state="expired"} 1
            snapmgr_holds{volume="data",state="timed"} 0
            snapmgr_oldest_endless_hold_timestamp_seconds{volume="data"} 1795348790
            snapmgr_prune_overdue_snapshots{volume="data"} 4
            snapmgr_last_prune_timestamp_seconds{volume="data"} 1795345200
            snapmgr_scrub_damage{volume="data"} 0
            snapmgr_schedule_last_slot_timestamp_seconds{schedule="auto",volume="data"} 1795341600
            snapmgr_schedule_next_slot_timestamp_seconds{schedule="auto",volume="data"} 1795352400
            snapmgr_schedule_late_seconds{schedule="auto",volume="data"} 3600
            snapmgr_schedule_missed_slots{schedule="auto",volume="data"} 1
            snapmgr_set_newest_timestamp_seconds{set="vm"} 1795348740
            snapmgr_set_held_seconds{set="vm"} 0.0125
            snapmgr_failures_total{event="damage_found",volume="data"} 0
            snapmgr_failures_total{event="damage_found"} 0
            snapmgr_failures_total{event="hook_failed",volume="data"} 2
            snapmgr_failures_total{event="hook_failed"} 0
            snapmgr_failures_total{event="mirror_failed",volume="data"} 0
            snapmgr_failures_total{event="mirror_failed"} 0
            snapmgr_failures_total{event="revert_failed",volume="data"} 0
            snapmgr_failures_total{event="revert_failed"} 0
            snapmgr_failures_total{event="schedule_failed",volume="data"} 0
            snapmgr_failures_total{event="schedule_failed"} 0
            snapmgr_failures_total{event="snapshot_failed",volume="data"} 0
            snapmgr_failures_total{event="snapshot_failed"} 2
            snapmgr_failures_total{event="snapshots_broken",volume="data"} 0
            snapmgr_failures_total{event="snapshots_broken"} 0
            snapmgr_last_failure_timestamp_seconds{event="hook_failed",volume="data"} 1795348680
            snapmgr_last_failure_timestamp_seconds{event="snapshot_failed"} 1795348680
            """
        #expect(samples.map(String.init) == expected.split(separator: "\n").map(String.init))
    }

    @Test("what cannot be looked at is no sample, and snapmgr_up is 0")
    func unknown() throws {
        var reading = self.reading
        reading.volumes[0].freeBytes = nil
        reading.volumes[0].floorBytes = nil
        reading.problems = [Problem(.failed, "no")]
        let text = MonitorMetrics(reading, .shell).text
        try ExpositionValidator.validate(text)
        #expect(text.contains("\nsnapmgr_up 0\n"))
        #expect(!text.contains("snapmgr_store_free"))
        #expect(
            MonitorMetrics.failureText
                == "# HELP snapmgr_up Whether everything could be looked at.\n"
                + "# TYPE snapmgr_up gauge\nsnapmgr_up 0\n")
    }

    @Test("mirrors are told where there are some, with their states and the volume's generation")
    func mirrors() throws {
        var reading = MonitorReading(
            now: Sample.now, volumes: [Sample.volume(), Sample.volume("b")])
        reading.volumes[0].generation = 3
        reading.volumes[0].splits = ["both"]
        reading.volumes[0].mirrors = [
            MirrorReading(
                name: "off", condition: .split, lagSeconds: 7, lagBytes: nil, failureCount: 2,
                lastSuccessAt: Sample.ago(60))
        ]
        reading.orphans = ["off", "lost"].map { OrphanedMirror(name: $0, volume: "gone") }
        let text = MonitorMetrics(reading, .shell).text
        try ExpositionValidator.validate(text)
        let samples = text.split(separator: "\n").filter {
            $0.hasPrefix("snapmgr_mirror") || $0.hasPrefix("snapmgr_volume_generation")
        }
        let states = MirrorCondition.allCases.map {
            "snapmgr_mirror_state{mirror=\"off\",volume=\"data\",state=\"\($0.rawValue)\"} "
                + ($0 == .split ? "1" : "0")
        }
        let lost = MirrorCondition.allCases.map {
            "snapmgr_mirror_state{mirror=\"lost\",volume=\"gone\",state=\"\($0.rawValue)\"} "
                + ($0 == .orphaned ? "1" : "0")
        }
        let expected =
            states + lost + [
                "snapmgr_mirror_split_brain{volume=\"data\"} 1",
                "snapmgr_volume_generation{volume=\"data\"} 3",
                "snapmgr_mirror_lag_seconds{mirror=\"off\",volume=\"data\"} 7",
                "snapmgr_mirror_failures{mirror=\"off\",volume=\"data\"} 2",
                "snapmgr_mirror_last_success_timestamp_seconds{mirror=\"off\",volume=\"data\"} 1795348740",
            ]
        #expect(samples.map(String.init) == expected)
    }

    @Test("label values and help texts are escaped")
    func escaping() throws {
        let label = MetricFamily.Label(name: "volume", value: "a\"b\\c\nd é")
        let family = MetricFamily(
            name: "x", help: "a\"b\\c\nd", kind: .counter,
            samples: [.init(labels: [label], value: .integer(-1))])
        #expect(
            family.text
                == "# HELP x a\"b\\\\c\\nd\n# TYPE x counter\n"
                + "x{volume=\"a\\\"b\\\\c\\nd é\"} -1\n")
        #expect(MetricFamily(name: "x", help: "", kind: .gauge, samples: []).text.isEmpty)
    }

    @Test("values are exact")
    func values() {
        let values: [(MetricFamily.Value, String)] = [
            (.integer(.max), "9223372036854775807"), (.number(.nan), "NaN"),
            (.number(.infinity), "+Inf"), (.number(-.infinity), "-Inf"), (.number(0.5), "0.5"),
            (.moment(Timestamp(stored: 1)), "0.000000001"),
            (.moment(Timestamp(stored: -1_500_000_000)), "-1.5"),
            (.moment(Timestamp(stored: 2_000_000_000)), "2"),
        ]
        for (value, text) in values { #expect(value.description == text) }
    }

    @Test(
        "the validator finds what is wrong",
        arguments: [
            "x 1", "# TYPE x gauge\nx 1\n", "# HELP x h\n# TYPE x gauge\nx 1",
            "# HELP x h\n# TYPE x gauge\nx one\n", "# HELP x h\n# TYPE x counter\nx 1\n",
            "# HELP x h\n# TYPE x gauge\nx{a=\"1\"} 1\nx{a=\"1\"} 2\n",
            "# HELP x h\n# TYPE x gauge\ny 1\n", "# HELP x h\n# TYPE x gauge\nx{a=\"b\"c\"} 1\n",
            "# HELP x h\n# TYPE x gauge\nx 1\n# HELP x h\n# TYPE x gauge\nx{a=\"1\"} 1\n",
            "# HELP x h\n# TYPE x gauge\n",
        ])
    func validator(text: String) {
        #expect(throws: ExpositionValidator.Failure.self) {
            try ExpositionValidator.validate(text)
        }
    }
}
