package import SnapshotModel
internal import VolumeAccess

/// A reading as metrics for Prometheus: base units, moments instead of ages, always in the same
/// order. Names and labels only grow.
package struct MonitorMetrics {
    private let reading: MonitorReading
    private let wording: Wording

    package init(_ reading: MonitorReading, _ wording: Wording) {
        self.reading = reading
        self.wording = wording
    }

    package var text: String { families.map(\.text).joined() }

    /// What there is to say when nothing could be looked at.
    package static let failureText = up(false).text

    /// The kinds of events that are counted as failures.
    package static let failureKinds: [EventKind] = [
        .damageFound, .hookFailed, .mirrorFailed, .revertFailed, .scheduleFailed, .snapshotFailed,
        .snapshotsBroken,
    ]

    /// Also those that have no samples.
    var families: [MetricFamily] {
        [Self.up(reading.problems.isEmpty), findings] + volumes + stores + merges + keeping
            + schedules + sets + failures + mirrors + webhooks
    }

    private static func up(_ isUp: Bool) -> MetricFamily {
        MetricFamily(
            name: "snapmgr_up", help: "Whether everything could be looked at.", kind: .gauge,
            samples: [MetricFamily.Sample(labels: [], value: .integer(isUp ? 1 : 0))])
    }

    private var findings: MetricFamily {
        let findings = MonitorJudge(reading).findings
        return gauge(
            "snapmgr_findings",
            wording.text("What \(.statusForMonitoring) would say, by severity."),
            [MonitorSeverity.critical, .unknown, .warning].map { severity in
                Self.sample(
                    [("severity", severity.word.lowercased())],
                    .integer(findings.count { $0.severity == severity }))
            })
    }
}

// MARK: - Volumes

extension MonitorMetrics {
    private var volumes: [MetricFamily] {
        [
            gauge(
                "snapmgr_volume_state", "1 for the state that the volume is in.",
                reading.volumes.flatMap { volume in
                    VolumeCondition.allCases.map { state in
                        Self.sample(
                            [("volume", volume.name), ("state", state.rawValue)],
                            .integer(volume.condition == state ? 1 : 0))
                    }
                }),
            each(
                "snapmgr_volume_served",
                "Whether somebody has the volume open, or its device is there."
            ) {
                .integer($0.isInUse ? 1 : 0)
            },
            each("snapmgr_volume_size_bytes", "The size of the volume.") {
                .integer($0.volumeBytes)
            },
            gauge(
                "snapmgr_snapshots", "How many snapshots there are, by kind and state.",
                reading.volumes.flatMap(\.counts).map { count in
                    Self.sample(
                        [
                            ("volume", count.volume), ("kind", count.kind.rawValue),
                            ("state", count.state.rawValue),
                        ], .integer(count.count))
                }),
            each(
                "snapmgr_newest_snapshot_timestamp_seconds", "When the newest snapshot was taken."
            ) { $0.newest.map { .moment($0) } },
        ]
    }

    private var stores: [MetricFamily] {
        [
            each("snapmgr_store_used_bytes", "What the store occupies.") {
                $0.storeBytes.map { .integer($0) }
            },
            each("snapmgr_store_free_bytes", "What is free where the store lies.") {
                $0.freeBytes.map { .integer($0) }
            },
            each("snapmgr_store_free_floor_bytes", "What is to stay free there.") {
                $0.floorBytes.map { .integer($0) }
            },
            each("snapmgr_store_filesystem_size_bytes", "The size of that filesystem.") {
                $0.filesystemBytes.map { .integer($0) }
            },
            each(
                "snapmgr_store_time_to_full_seconds",
                "Until the store is full at the pace of the last week."
            ) { $0.daysToFull.map { .number($0 * 86_400) } },
        ]
    }

    private var merges: [MetricFamily] {
        [
            each("snapmgr_merge_planned_bytes", "What the merge of a revert has to copy.") {
                $0.merge.map { .integer($0.planBytes) }
            },
            each("snapmgr_merge_done_bytes", "What it has copied.") {
                $0.merge.map { .integer($0.mergedBytes) }
            },
            each("snapmgr_merge_rate_bytes_per_second", "How fast it is.") {
                $0.merge.map { .integer($0.rate) }
            },
            each("snapmgr_merge_running", "Whether somebody runs it.") { volume in
                volume.merge.map {
                    .integer($0.state == .merging && volume.isInUse ? 1 : 0)
                }
            },
            each("snapmgr_merge_begin_timestamp_seconds", "When its revert began.") { volume in
                volume.merge == nil ? nil : volume.mergeBegunAt.map { .moment($0) }
            },
        ]
    }

    private var keeping: [MetricFamily] {
        [
            gauge(
                "snapmgr_holds", "How many holds there are: with an end, without, or past it.",
                reading.volumes.flatMap { volume in
                    let holds = Dictionary(grouping: volume.holds, by: Self.holdState)
                    return ["endless", "expired", "timed"].map { state in
                        Self.sample(
                            [("volume", volume.name), ("state", state)],
                            .integer(holds[state]?.count ?? 0))
                    }
                }),
            each(
                "snapmgr_oldest_endless_hold_timestamp_seconds",
                "When the oldest hold without an end was made."
            ) { volume in
                volume.holds.filter { $0.until == nil }.map(\.heldAt).min().map { .moment($0) }
            },
            each(
                "snapmgr_prune_overdue_snapshots",
                "Snapshots that should have been pruned two days ago."
            ) { .integer($0.overdueCount) },
            each("snapmgr_last_prune_timestamp_seconds", "When a prune last deleted something.") {
                $0.lastPruneAt.map { .moment($0) }
            },
            each(
                "snapmgr_last_scrub_timestamp_seconds",
                "When the snapshots' data was last read as a whole."
            ) { $0.scrubbedAt.map { .moment($0) } },
            each("snapmgr_scrub_damage", "Places that scrubs found damaged.") {
                .integer($0.scrubDamage)
            },
        ]
    }

    private static func holdState(_ hold: HoldRow) -> String {
        if hold.isExpired { return "expired" }
        return hold.until == nil ? "endless" : "timed"
    }
}

// MARK: - Schedules, sets, failures

extension MonitorMetrics {
    private var schedules: [MetricFamily] {
        let now = reading.now
        return [
            eachSchedule(
                "snapmgr_schedule_last_slot_timestamp_seconds", "The last slot that was served."
            ) { $0.lastSlot.map { .moment($0) } },
            eachSchedule("snapmgr_schedule_next_slot_timestamp_seconds", "The slot to come.") {
                $0.nextSlot.map { .moment($0) }
            },
            eachSchedule(
                "snapmgr_schedule_late_seconds",
                "For how long the oldest slot that waits has been due; 0 when none does."
            ) { .integer(Int($0.lateSeconds(now: now))) },
            eachSchedule(
                "snapmgr_schedule_missed_slots",
                "Slots that were not served and are older than the latest one."
            ) { .integer($0.missedCount) },
        ]
    }

    private var sets: [MetricFamily] {
        [
            gauge(
                "snapmgr_set_newest_timestamp_seconds", "When the set was last snapshotted.",
                reading.sets.map { Self.sample([("set", $0.name)], .moment($0.createdAt)) }),
            gauge(
                "snapmgr_set_held_seconds", "For how long writes to its volumes waited then.",
                reading.sets.compactMap { set in
                    set.heldNanoseconds.map {
                        Self.sample([("set", set.name)], .number(Double($0) / 1e9))
                    }
                }),
        ]
    }

    /// Failures that are about no volume, or several, have no such label. What never happened counts
    /// as 0, so that the first one is seen as an increase.
    private var failures: [MetricFamily] {
        let names: [String?] = reading.volumes.map(\.name) + (reading.isWhole ? [nil] : [])
        let known = Dictionary(
            reading.failures.map { (FailureKey(kind: $0.kind, volume: $0.volume), $0) }
        ) { first, _ in first }
        var (counts, moments) = ([MetricFamily.Sample](), [MetricFamily.Sample]())
        for kind in Self.failureKinds {
            for name in names {
                let labels =
                    [("event", kind.rawValue)] + (name.map { [("volume", $0)] } ?? [])
                let failure = known[FailureKey(kind: kind.rawValue, volume: name)]
                counts.append(Self.sample(labels, .integer(failure?.count ?? 0)))
                if let failure { moments.append(Self.sample(labels, .moment(failure.lastTime))) }
            }
        }
        return [
            MetricFamily(
                name: "snapmgr_failures_total", help: "Failures in the event log, by its words.",
                kind: .counter, samples: counts),
            gauge(
                "snapmgr_last_failure_timestamp_seconds", "When the last of them was.", moments),
        ]
    }

    private struct FailureKey: Hashable {
        var kind: String
        var volume: String?
    }
}

// MARK: - Mirrors

extension MonitorMetrics {
    /// None where nothing is mirrored.
    private var mirrors: [MetricFamily] {
        [
            mirrorStates,
            each("snapmgr_mirror_split_brain", "Whether another volume is written to as well.") {
                $0.generation == nil ? nil : .integer($0.splits.isEmpty ? 0 : 1)
            },
            each(
                "snapmgr_volume_generation",
                "How often the volume that is written to has changed between sites."
            ) { $0.generation.map { .integer($0) } },
            eachMirror(
                "snapmgr_mirror_lag_seconds",
                "How long the oldest snapshot has been there that the target lacks."
            ) { .integer($0.lagSeconds) },
            eachMirror("snapmgr_mirror_lag_bytes", "What was written that the target lacks.") {
                $0.lagBytes.map { .integer($0) }
            },
            eachMirror("snapmgr_mirror_failures", "Failures since the last success.") {
                .integer($0.failureCount)
            },
            eachMirror(
                "snapmgr_mirror_last_success_timestamp_seconds", "When a run last succeeded."
            ) { $0.lastSuccessAt.map { .moment($0) } },
        ]
    }

    private var mirrorStates: MetricFamily {
        gauge(
            "snapmgr_mirror_state", "1 for the state that the mirror is in.",
            reading.volumes.flatMap { volume in
                volume.mirrors.flatMap { states(of: $0.name, volume.name, $0.condition) }
            } + lostMirrors.flatMap { states(of: $0.name, $0.volume, .orphaned) })
    }

    /// Those that no volume has among its own.
    private var lostMirrors: [OrphanedMirror] {
        let known = Set(reading.volumes.flatMap { $0.mirrors.map(\.name) })
        return reading.orphans.filter { !known.contains($0.name) }
    }

    private func states(
        of mirror: String, _ volume: String, _ condition: MirrorCondition
    ) -> [MetricFamily.Sample] {
        MirrorCondition.allCases.map { state in
            Self.sample(
                [("mirror", mirror), ("volume", volume), ("state", state.rawValue)],
                .integer(condition == state ? 1 : 0))
        }
    }

    private func eachMirror(
        _ name: String, _ help: String, _ value: (MirrorReading) -> MetricFamily.Value?
    ) -> MetricFamily {
        gauge(
            name, help,
            reading.volumes.flatMap { volume in
                volume.mirrors.compactMap { mirror in
                    value(mirror).map {
                        Self.sample([("mirror", mirror.name), ("volume", volume.name)], $0)
                    }
                }
            })
    }
}

// MARK: - Webhooks

extension MonitorMetrics {
    /// None where there are none.
    private var webhooks: [MetricFamily] {
        [
            eachWebhook("snapmgr_webhook_failures", "Failures since the last delivery.") {
                $0.failureCount
            },
            eachWebhook("snapmgr_webhook_given_up_events", "Events that were given up.") {
                $0.givenUpCount
            },
            eachWebhook(
                "snapmgr_webhook_waiting_events", "Events that wait, as far as they are counted."
            ) { $0.waitingCount },
        ]
    }

    private func eachWebhook(
        _ name: String, _ help: String, _ value: (WebhookReading) -> Int?
    ) -> MetricFamily {
        gauge(
            name, help,
            reading.webhooks.compactMap { webhook in
                value(webhook).map { Self.sample([("webhook", webhook.name)], .integer($0)) }
            })
    }
}

// MARK: - Making

extension MonitorMetrics {
    private func gauge(
        _ name: String, _ help: String, _ samples: [MetricFamily.Sample]
    ) -> MetricFamily {
        MetricFamily(name: name, help: help, kind: .gauge, samples: samples)
    }

    private func each(
        _ name: String, _ help: String, _ value: (VolumeReading) -> MetricFamily.Value?
    ) -> MetricFamily {
        gauge(
            name, help,
            reading.volumes.compactMap { volume in
                value(volume).map { Self.sample([("volume", volume.name)], $0) }
            })
    }

    private func eachSchedule(
        _ name: String, _ help: String, _ value: (ScheduleReading) -> MetricFamily.Value?
    ) -> MetricFamily {
        gauge(
            name, help,
            reading.schedules.compactMap { schedule in
                let target =
                    switch schedule.target {
                    case .volume(let name): ("volume", name)
                    case .set(let name): ("set", name)
                    }
                return value(schedule).map {
                    Self.sample([("schedule", schedule.name), target], $0)
                }
            })
    }

    private static func sample(
        _ labels: [(String, String)], _ value: MetricFamily.Value
    ) -> MetricFamily.Sample {
        MetricFamily.Sample(
            labels: labels.map { MetricFamily.Label(name: $0.0, value: $0.1) }, value: value)
    }
}
