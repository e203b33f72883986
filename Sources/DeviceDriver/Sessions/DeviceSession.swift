package import BlockIO
package import Control
package import DeviceMapper
internal import MergeKit
package import SnapshotModel

/// A session with a volume under device-mapper: answers what a server of an image answers, by asking
/// and changing the kernel. What it finds half done when it opens, it finishes.
package final class DeviceSession: VolumeSession {
    private let volume: DeviceVolume
    private var change: DeviceChange?
    /// One that has been released, and is to be tidied up after.
    private var released: DeviceChange?

    private static let lookMilliseconds = 100

    /// Opens the volume of a store for this process alone. Nil when another process has it open.
    package static func openUnlessHeld(
        storePath: String, purpose: String, mapper: any DeviceMapping, clock: any Clock
    ) throws(Problem) -> DeviceSession? {
        guard
            let volume = try DeviceVolume.openUnlessHeld(
                storePath: storePath, purpose: purpose, mapper: mapper, clock: clock)
        else { return nil }
        try volume.recover()
        return DeviceSession(volume)
    }

    package init(_ volume: DeviceVolume) { self.volume = volume }

    /// The kernel goes on with a merge when this has ended.
    package var isServed: Bool { true }

    package var warnings: [String] { volume.warnings }

    package func close() {
        // Undone as far as it can be; the next command finds the rest.
        if let change { _ = try? change.release() }
        change = nil
        try? tidy()
    }

    /// After a change in steps: not with its release, since other volumes of a set are still held then.
    private func tidy() throws(Problem) {
        guard let change = released else { return }
        released = nil
        try change.tidy()
    }

    package func perform(
        _ request: ControlRequest, onProgress: (TransferProgress) -> Void
    ) throws(Problem) -> ControlReply {
        try tidy()
        switch request {
        case .status: return .status(try volume.status())
        case .prepareSnapshot, .prepareRevert, .hold, .commit, .rollBack, .release:
            return try changeInSteps(request)
        case .snapshot, .revert, .cancelMerge, .resize: return try changeAtOnce(request)
        case .mergeStatus, .pauseMerge, .resumeMerge, .throttleMerge, .waitForMerge:
            return try superviseMerge(request, onProgress)
        case .previewRevert(let id):
            return .preview(
                try volume.withEngine { engine throws(Problem) in
                    try engine.previewRevert(to: id)
                })
        case .previewDelete(let ids):
            try volume.requireUnviewed(ids)
            return .deleted(
                try volume.withEngine { engine throws(Problem) in try engine.previewDelete(ids) })
        case .delete(let ids): return .deleted(try volume.delete(ids))
        case .collect: return .collected(try volume.collect())
        // Whoever has its device open is found when the volume is about to be changed.
        case .clients: return .clients(nil)
        case .overruleClients, .letGo: return .done
        case .export(let id, let path):
            return .exported(bytes: try volume.export(id, to: path, onProgress: onProgress))
        }
    }

    // MARK: Changes

    private func changeInSteps(_ request: ControlRequest) throws(Problem) -> ControlReply {
        let change = self.change ?? DeviceChange(volume)
        self.change = change
        switch request {
        case .prepareSnapshot(let request):
            try prepared { () throws(Problem) in try change.prepareSnapshot(request) }
        case .prepareRevert(let request):
            try prepared { () throws(Problem) in try change.prepareRevert(request) }
        case .hold(let milliseconds):
            guard (1...ControlLimits.holdMilliseconds).contains(milliseconds) else {
                throw Problem(
                    .usage, "I/O can be held for 1 to \(ControlLimits.holdMilliseconds) ms")
            }
            try prepared { () throws(Problem) in try change.hold(milliseconds: milliseconds) }
        case .commit:
            let committed = try change.commit()
            return .committed(snapshot: committed.snapshot, revert: committed.revert)
        case .rollBack: try change.rollBack()
        case .release:
            self.change = nil
            released = change
            return .released(heldNanoseconds: try change.release())
        default: preconditionFailure("not a step: \(request)")
        }
        return .done
    }

    /// When it fails, everything is undone.
    private func prepared(_ body: () throws(Problem) -> Void) throws(Problem) {
        do throws(Problem) { try body() } catch {
            if let change { _ = try? change.release() }
            change = nil
            throw error
        }
    }

    private func changeAtOnce(_ request: ControlRequest) throws(Problem) -> ControlReply {
        guard change == nil else {
            throw Problem(.usage, "this session has a change in steps under way")
        }
        switch request {
        case .snapshot(let request):
            return .snapshot(
                try changing { change throws(Problem) in
                    try change.prepareSnapshot(request)
                    try change.hold(milliseconds: ControlLimits.holdMilliseconds)
                    return try change.commitAlone()
                })
        case .revert(let request): return .reverted(try revert(request))
        case .cancelMerge(let id): return .reverted(try revert(try volume.cancelRequest(id)))
        case .resize(let bytes):
            try volume.grow(to: bytes)
            return .volume(volume.record)
        default: preconditionFailure("not a change at once: \(request)")
        }
    }

    private func revert(_ request: RevertRequest) throws(Problem) -> RevertOutcome {
        let begunAt = volume.clock.monotonicNanoseconds()
        let reverted = try changing { change throws(Problem) in
            try change.prepareRevert(request)
            try change.hold(milliseconds: ControlLimits.holdMilliseconds)
            let reverted = try change.commit().revert
            _ = try change.release()
            try change.tidy()
            return reverted
        }
        guard var outcome = reverted else {
            throw Problem(.failed, "volume \(volume.record.name) was not reverted")
        }
        outcome.usableAfterNanoseconds = volume.clock.monotonicNanoseconds() - begunAt
        return outcome
    }

    /// Does a change of its own; when it fails, everything is undone.
    private func changing<Result>(
        _ body: (DeviceChange) throws(Problem) -> Result
    ) throws(Problem) -> Result {
        let change = DeviceChange(volume)
        do throws(Problem) { return try body(change) } catch {
            _ = try? change.release()
            throw error
        }
    }

    // MARK: Merges

    private func superviseMerge(
        _ request: ControlRequest, _ onProgress: (TransferProgress) -> Void
    ) throws(Problem) -> ControlReply {
        switch request {
        case .mergeStatus: return .merge(try volume.mergeProgress())
        case .pauseMerge: try volume.pauseMerge()
        case .resumeMerge: try volume.resumeMerge()
        case .throttleMerge(let rate): try volume.throttleMerge(bytesPerSecond: rate)
        case .waitForMerge: try waitForMerge(onProgress)
        default: preconditionFailure("not about the merge: \(request)")
        }
        return request == .waitForMerge ? .merge(try volume.mergeProgress()) : .done
    }

    private func waitForMerge(_ onProgress: (TransferProgress) -> Void) throws(Problem) {
        var meter = RateMeter()
        var doneBytes = 0
        var refilled = Deadline(milliseconds: DeviceVolume.refillMilliseconds)
        while let merge = try volume.mergeProgress() {
            if refilled.hasPassed {
                try volume.refill()
                refilled = Deadline(milliseconds: DeviceVolume.refillMilliseconds)
            }
            if let failure = try volume.mergeFailure() { throw failure }
            if let problem = try volume.restingProblem() { throw problem }
            meter.add(merge.mergedBytes.subtractingClamped(doneBytes))
            doneBytes = merge.mergedBytes
            onProgress(
                TransferProgress(
                    doneBytes: doneBytes, totalBytes: merge.planBytes,
                    rate: meter.bytesPerSecond))
            if try volume.finishMergeIfDone() {
                try volume.tidy()
            } else {
                BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
            }
        }
    }
}
