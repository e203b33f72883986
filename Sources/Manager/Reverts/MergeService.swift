internal import System
internal import Catalog
internal import StoreFormat
package import SnapshotModel
internal import VolumeAccess

/// Where a volume's merge stands.
package struct MergeSummary: Hashable, Sendable {
    package var volume: String
    package var progress: MergeProgress
}

extension MergeSummary: JSONConvertible {
    package var json: JSONValue {
        [
            "volume": JSONValue(volume), "revert_id": JSONValue(progress.revertID),
            "snapshot_id": JSONValue(progress.targetID),
            "safety_snapshot_id": JSONValue(progress.safetyID),
            "merged_bytes": JSONValue(progress.mergedBytes),
            "plan_bytes": JSONValue(progress.planBytes),
            "preserved_bytes": JSONValue(progress.preservedBytes),
            "rate": JSONValue(progress.rate), "eta_s": JSONValue(progress.etaSeconds),
            "state": JSONValue(progress.state), "failure": JSONValue(progress.failure),
        ]
    }
}

/// Watches and steers the merges of reverts.
package struct MergeService {
    let context: ManagerContext

    /// The merges that run, or wait for the next open, in the named volumes (all for none).
    package func status(_ names: [String]) throws -> [MergeSummary] {
        let names = try context.members(of: names)
        try Reconciler(context).tidy(names)
        return try context.volumes(names).compactMap { volume in
            do {
                return try progress(of: volume).map {
                    MergeSummary(volume: volume.record.name, progress: $0)
                }
            } catch {
                let problem = Problem(error).about("volume \(volume.record.name)")
                // One volume's trouble is no reason not to tell of the others.
                guard names.isEmpty, problem.code != .interrupted else { throw problem }
                context.note(problem.message)
                return nil
            }
        }
    }

    package func pause(_ names: [String]) throws -> [MergeSummary] {
        try steer(names, .pauseMerge)
    }

    /// - Parameter bytesPerSecond: nil lifts the limit.
    package func throttle(_ names: [String], bytesPerSecond: Int?) throws -> [MergeSummary] {
        let summaries = try steer(names, .throttleMerge(bytesPerSecond: bytesPerSecond))
        let volumes = Set(summaries.map(\.volume))
        let throttled = try context.volumes([]).filter { volumes.contains($0.record.name) }
        let notes = throttled.compactMap { (try? context.driver(of: $0))?.traits.throttleNote }
        if bytesPerSecond != nil, let note = notes.first { context.note(note) }
        return summaries
    }

    /// Lets merges go on. Where nobody serves the volume, merges here until the end.
    package func resume(_ names: [String]) throws -> [MergeSummary] {
        let merging = try merging(names).map(\.record.name)
        try context.asJob(.mergeResume, of: merging) { context in
            for name in merging { try MergeService(context: context).resume(name) }
        }
        return try status(names)
    }

    private func resume(_ name: String) throws {
        try Reconciler(context).withVolume(name) { volume in
            try context.withSession(volume) { session in
                _ = try session.perform(.resumeMerge)
                guard !session.mergesByItself else { return }
                let known = session.warnings
                _ = try session.perform(.waitForMerge)
                for warning in session.warnings where !known.contains(warning) {
                    context.advise(warning)
                }
            }
        }
    }

    /// The store remembers it until the merge ends: whoever opens the volume next keeps to it.
    private func steer(_ names: [String], _ request: VolumeRequest) throws -> [MergeSummary] {
        for volume in try merging(names) {
            try Reconciler(context).withVolume(volume.record.name) { volume in
                try context.withSession(volume) { _ = try $0.perform(request) }
            }
        }
        let summaries = try status(names)
        if let ended = names.first(where: { name in !summaries.contains { $0.volume == name } }) {
            throw Problem(
                .notFound, "the merge in volume \(ended) has ended meanwhile",
                hint: "run \(.mergeStatus())")
        }
        return summaries
    }

    /// The named volumes, or all, in which a merge is to be done.
    private func merging(_ names: [String]) throws -> [VolumeRow] {
        try Reconciler(context).tidy(names)
        let volumes = try context.volumes(names)
        let merging = try volumes.filter { try context.reader($0).runningRevert() != nil }
        guard names.isEmpty || merging.count == volumes.count else {
            let idle = volumes.first { !merging.contains($0) }
            throw Problem(
                .notFound, "no merge runs in volume \(idle?.record.name ?? "")",
                hint: "run \(.mergeStatus())")
        }
        return merging
    }

    /// Whether somebody has an image open, or the device of the volume is there.
    func isInUse(_ volume: VolumeRow) throws -> Bool { try context.inspector(volume).isInUse }

    /// From the server when there is one, or from the kernel; else from the store.
    func progress(of volume: VolumeRow) throws -> MergeProgress? {
        _ = try context.reader(volume)
        return try context.inspector(volume).mergeProgress(at: context.clock.now())
    }
}
