internal import System
internal import Catalog
internal import Scheduler
package import SnapshotModel
internal import VolumeAccess

/// How one volume is doing.
package struct VolumeHealth: Hashable, Sendable {
    package var volume: VolumeSummary
    /// Whether somebody has it open, or its device is there.
    package var isInUse: Bool
    /// Bytes still free where the store lies; nil when it cannot be asked.
    package var freeBytes: Int?
    /// Days until the store is full at the pace of the last week; nil when there is no pace.
    package var daysToFull: Double?
    package var newest: Timestamp?
    package var merge: MergeProgress?
    package var warnings: [String]
    /// The snapshot that the volume is reverted to when it is closed.
    package var queuedRevert: SnapshotID?
    /// Where NBD clients find it; nil when nobody serves it on a Unix socket, or that cannot be seen.
    package var uri: String?
    /// The scrubs of its data; nil when there was none.
    package var scrub: ScrubSummary?
    /// Since when a stream is written into it, or was when it was cut; nil when the volume's content is whole.
    package var receivingSince: Timestamp?
    /// Up to which byte of the volume it has come, when it goes on from there after a cut.
    package var receivedBytes: Int?
    /// The mirrors of it.
    package var mirrors: [MirrorSummary] = []
    /// Of the warnings, those of other volumes that are written to as well.
    package var splits: [String] = []
    /// What it is to mirrors: a target, or promoted; nil when it is neither, or cannot be asked.
    package var standing: MirrorStanding?
}

extension VolumeHealth: JSONConvertible {
    package var json: JSONValue {
        [
            "name": JSONValue(volume.record.name), "state": JSONValue(volume.state),
            "served": JSONValue(isInUse), "origin": JSONValue(volume.record.originPath),
            "device": JSONValue(volume.devicePath),
            "store": JSONValue(volume.storePath),
            "size": JSONValue(volume.record.geometry.volumeBytes),
            "snapshots": JSONValue(volume.snapshotCount), "clones": JSONValue(volume.cloneCount),
            "newest_at": JSONValue(newest),
            "store_bytes": JSONValue(volume.storeBytes), "free_bytes": JSONValue(freeBytes),
            "days_to_full": JSONValue(daysToFull),
            "merge": merge.map {
                MergeSummary(volume: volume.record.name, progress: $0).json
            } ?? .null,
            "queued_revert": JSONValue(queuedRevert), "receiving_since": JSONValue(receivingSince),
            "received_bytes": JSONValue(receivedBytes),
            "uri": JSONValue(uri), "mirrors": JSONValue(mirrors),
            "mirror_standing": standing?.json ?? .null, "scrub": scrub?.json ?? .null,
            "warnings": JSONValue(warnings),
        ]
    }
}

/// Tells how all volumes are doing.
package struct StatusService {
    let context: ManagerContext

    /// How far back the pace of growth is measured, in seconds.
    private static let paceWindowSeconds: Int64 = 7 * 86_400

    /// - Parameter names: the volumes; all for none.
    package func status(_ names: [String] = []) throws -> [VolumeHealth] {
        let names = try context.members(of: names)
        try Reconciler(context).tidy(names)
        var sockets = ServerSocketLook()
        return try context.volumes(names).map { volume in
            do {
                var health = try health(of: volume, remembers: true)
                if health.isInUse { health.uri = sockets.uri(of: volume) }
                return health
            } catch {
                let problem = Problem(error)
                guard problem.code != .interrupted else { throw problem }
                return try healthInDoubt(of: volume, because: problem)
            }
        }
    }

    /// What the catalog knows of a volume that cannot be looked at, such as one whose server does not
    /// answer: the others are told all the same.
    private func healthInDoubt(
        of volume: VolumeRow, because problem: Problem
    ) throws -> VolumeHealth {
        let name = volume.record.name
        let prefix = "volume \(name): "
        let isNamed = problem.message.hasPrefix(prefix)
        return VolumeHealth(
            volume: try VolumeService(context: context).summaryInDoubt(of: volume, remembers: true),
            isInUse: (try? MergeService(context: context).isInUse(volume)) ?? false,
            freeBytes: try? StoreUsage.freeBytes(volume.storePath),
            newest: try context.catalog.latestSnapshot(volume: name)?.takenAt,
            warnings: [String(problem.message.dropFirst(isNamed ? prefix.count : 0))])
    }

    /// What should be known and concerns no volume.
    package func warnings() throws -> [String] {
        let clock = try ClockJudge(context, try? context.settings.get()).look()
        let mirrors = try MirrorService(context: context).unreadable().map(\.message)
        return (context.clockProblem.map { [$0.message] } ?? [])
            + (clock.isInDoubt ? [context.wording.text(clock.doubt)] : []) + mirrors
    }

    /// As it is, with whatever a crash has left.
    ///
    /// - Parameter remembers: whether the catalog may remember what was counted.
    func health(of volume: VolumeRow, remembers: Bool) throws -> VolumeHealth {
        let name = volume.record.name
        let summary = try VolumeService(context: context)
            .summary(of: volume, remembers: remembers)
        let freeBytes = try? StoreUsage.freeBytes(volume.storePath)
        let isInUse =
            try summary.state != .missing && MergeService(context: context).isInUse(volume)
        let receiving = summary.state == .missing ? nil : try context.inspector(volume).receiving()
        return VolumeHealth(
            volume: summary, isInUse: isInUse, freeBytes: freeBytes,
            daysToFull: try daysToFull(name, freeBytes: freeBytes),
            newest: try context.catalog.latestSnapshot(volume: name)?.takenAt,
            merge: summary.state == .missing
                ? nil : try MergeService(context: context).progress(of: volume),
            warnings: (isInUse ? try warnings(volume) : [])
                + (receiving.map { [Self.warning($0, isInUse: isInUse)] } ?? [])
                + mirrorWarnings(volume),
            queuedRevert: context.devices(of: volume) == nil
                ? nil : try QueuedReverts(context).target(of: name),
            scrub: ScrubService(context: context).state(of: volume),
            receivingSince: receiving?.begunAt, receivedBytes: receiving?.mark,
            mirrors: try MirrorService(context: context).summaries(of: name),
            splits: VolumeStandings(context).splits(volume),
            standing: try? VolumeStandings(context).recorded(volume))
    }

    /// What people have to decide: of a store that is not there, nothing is known.
    private func mirrorWarnings(_ volume: VolumeRow) -> [String] {
        let standings = VolumeStandings(context)
        return standings.splits(volume) + [standings.warning(volume)].compactMap(\.self)
    }

    private static func warning(_ note: ReceiveNote, isInUse: Bool) -> String {
        if isInUse {
            return
                "a stream is written into it since \(note.begunAt): its own content is a part of that"
        }
        if let mark = note.mark {
            let part =
                "it holds snapshot \(note.snapshot) of a stream that was cut up to byte \(mark)"
            return note.base == nil
                ? "\(part), and is not served: its mirror goes on from there"
                : "\(part): its mirror goes on from there, and whoever needs the volume's own content before has it "
                    + "given back first"
        }
        return note.base == nil
            ? "it holds a part of a stream that was cut, and is not served: receive the stream again"
            : "a stream was cut that had begun to change it: whoever opens it next gives it back what it was"
    }

    private func warnings(_ volume: VolumeRow) throws -> [String] {
        try context.inspector(volume).serverWarnings().map(context.wording.text)
            + kernelWarnings(volume)
    }

    /// What the kernel says that no command has seen yet.
    private func kernelWarnings(_ volume: VolumeRow) -> [String] {
        guard let inspector = try? context.inspector(volume) else { return [] }
        let suspension = (try? inspector.suspensionWarning()).flatMap(\.self)
        let lost = (try? inspector.lostSnapshots()) ?? []
        return [suspension.map(context.wording.text)].compactMap(\.self)
            + lost.map { ordinal in
                let row = try? context.catalog.snapshot(
                    volume: volume.record.name, ordinal: ordinal)
                let name = row?.id.description ?? "with the ordinal \(ordinal)"
                return
                    "the kernel gave up snapshot \(name), and the older ones with it: their store was "
                    + "full, or failed, or its device was removed"
            }
    }

    private func daysToFull(_ name: String, freeBytes: Int?) throws -> Double? {
        guard let freeBytes else { return nil }
        let since = context.clock.now().advanced(bySeconds: -Self.paceWindowSeconds)
        // A quarter of an hour between snapshots makes 672 in a week.
        let rows = try context.catalog.growth(volume: name, since: since, limit: 1000)
        return GrowthPace(rows).daysToFill(freeBytes: freeBytes)
    }
}

/// How fast a store grows, by what its snapshots kept. Pure.
package struct GrowthPace: Hashable, Sendable {
    /// Bytes per day; nil when there are too few snapshots to tell.
    package let bytesPerDay: Double?

    /// A shorter time, in seconds, tells nothing about days.
    private static let spanMinimumSeconds: Int64 = 3600

    /// - Parameter snapshots: when each was taken and how much had changed before it, newest first.
    package init(_ snapshots: [(takenAt: Timestamp, changedBytes: Int)]) {
        guard let newest = snapshots.first?.takenAt, let oldest = snapshots.last?.takenAt,
            oldest.advanced(bySeconds: Self.spanMinimumSeconds) <= newest
        else {
            bytesPerDay = nil
            return
        }
        let bytes = snapshots.dropLast().map(\.changedBytes).clampedSum
        let days = Double(newest.nanoseconds(since: oldest)) / 86_400e9
        bytesPerDay = bytes > 0 ? Double(bytes) / days : nil
    }

    package func daysToFill(freeBytes: Int) -> Double? {
        bytesPerDay.map { (Double(freeBytes) / $0 * 10).rounded() / 10 }
    }
}
