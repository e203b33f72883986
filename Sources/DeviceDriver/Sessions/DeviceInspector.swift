internal import System
package import DeviceMapper
internal import StoreFormat
package import SnapshotModel
package import VolumeAccess

/// A look at a volume's devices without the store's lock: nothing is changed, nothing that is half
/// done is finished. What it tells may be over by the time it is read.
package struct DeviceInspector: VolumeInspector {
    private let stack: VolumeStack

    package init(_ record: VolumeRecord, storePath: String, mapper: any DeviceMapping) {
        stack = VolumeStack(
            mapper: mapper, record: record, folder: FileFolder(path: storePath))
    }

    init(_ stack: VolumeStack) { self.stack = stack }

    /// The device that users mount, whether it exists or not.
    package static func devicePath(ofVolume name: String) -> String {
        DeviceName(volume: name, .mounted).path
    }

    /// Whether users can have the volume open.
    package var isActive: Bool { get throws(Problem) { try stack.isActive() } }

    /// `.refused` when users cannot have the volume open.
    package func requireActive() throws(Problem) {
        guard try isActive else { throw Self.inactiveProblem(stack.record.name) }
    }

    /// Why a volume that is not active cannot be used, and the next command.
    package static func inactiveProblem(_ name: String) -> Problem {
        Problem(
            .refused, "volume \(name) is not active: its device does not exist",
            hint: "run \(.activate(name))")
    }

    /// Whether the kernel has any device of the volume, also of one that is only half up.
    package var hasDevices: Bool { get throws(Problem) { try !stack.existing().isEmpty } }

    /// Why the volume cannot be changed while it is open, naming who has it open; nil when nobody
    /// has. One who looks in for a moment, as udev does, is waited for.
    package func openProblem() throws(Problem) -> Problem? {
        guard let holders = try stack.holders(of: .mounted) else { return nil }
        let path = stack.name(.mounted).path
        return Problem(
            .refused, "volume \(stack.record.name) is open: \(path) is \(holders.text)",
            hint: holders.mountPoint.map { "run `umount \($0)`, then the command again" }
                ?? holders.clientHint(ExportName(volume: stack.record.name))
                ?? "close it, then run the command again; see `fuser -v \(path)`")
    }

    /// Why I/O of the volume waits that snapmgr does not hold; nil when it does not.
    package func suspensionProblem() throws(Problem) -> Problem? {
        let parts = try stack.suspendedByOthers()
        return parts.isEmpty ? nil : stack.suspensionProblem(parts)
    }

    /// The snapshots that have lost exceptions: those that the kernel has given up, and those whose
    /// device is gone while users can write to the volume.
    package func lostSnapshots() throws(Problem) -> [SnapshotOrdinal] {
        let lost = try invalidSnapshots() + missingSnapshots()
        return lost.sorted()
    }

    /// Commands may be at work: a snapshot that grew before the look at the kernel's devices and
    /// grows after it had its device all the while. Nothing is missing in a store that cannot be read.
    private func missingSnapshots() throws(Problem) -> [SnapshotOrdinal] {
        guard try stack.isActive(), try !hasNewestAlone(),
            let before = try? StoreReading(Store(folder: stack.folder)).state
        else { return [] }
        let growing = [before.active, before.second].compactMap { $0?.ordinal }
        var missing: [SnapshotOrdinal] = []
        for ordinal in growing
        where try !(stack.info(.snapshot(ordinal))?.hasLiveTable ?? false) {
            missing.append(ordinal)
        }
        guard !missing.isEmpty, try stack.isActive(),
            let after = try? StoreReading(Store(folder: stack.folder)).state
        else { return [] }
        let stillGrowing = [after.active, after.second].compactMap { $0?.ordinal }
        return missing.filter(stillGrowing.contains)
    }

    /// Whether the newest snapshot's device is there and no revert could need another one: as it is
    /// nearly always, and known without reading each snapshot's record.
    private func hasNewestAlone() throws(Problem) -> Bool {
        let store = Store(folder: stack.folder)
        guard let newest = try? store.snapshotFolders().last,
            let reverts = try? store.revertFolders(), reverts.isEmpty
        else { return false }
        return try stack.info(.snapshot(newest))?.hasLiveTable ?? false
    }

    /// The snapshots that the kernel has given up: it keeps no exceptions for them any more.
    private func invalidSnapshots() throws(Problem) -> [SnapshotOrdinal] {
        var ordinals: [SnapshotOrdinal] = []
        for case .snapshot(let ordinal) in try stack.existing() {
            switch try stack.status(.snapshot(ordinal)) {
            case .invalid, .overflow: ordinals.append(ordinal)
            default: continue
            }
        }
        return ordinals
    }

    /// How far the merge of a revert is, in the kernel's own figures.
    func progress(of revert: RevertRecord) throws(Problem) -> MergeProgress {
        let chunkBytes = stack.format.chunkBytes
        let planBytes = revert.planBytes(chunkBytes: chunkBytes)
        var rest = planBytes
        var hasFailed = false
        let role = try stack.contentRole()
        // Of a paused merge the table tells what is not merged, and the overlay whether it can be read.
        switch try stack.status(role == .paused ? .overlay(revert.id) : .content) {
        case .mergeFailed, .invalid, .overflow: hasFailed = true
        case .usage where role == .paused:
            let unmerged = PausedTable.unmergedChunkCount(
                of: try stack.table(.content), overlay: try stack.reference(.overlay(revert.id)),
                format: stack.format)
            rest = min(planBytes, unmerged * chunkBytes)
        case .usage(let allocated, _, let metadata):
            rest = min(planBytes, max(0, allocated - metadata) * Geometry.sectorBytes)
        case .unknown, nil: break
        }
        let preserved: Int =
            switch try stack.status(.snapshot(revert.safety)) {
            case .usage(let allocated, _, let metadata):
                max(0, (allocated - metadata) * Geometry.sectorBytes)
            default: 0
            }
        let isActive = try stack.isActive()
        return MergeProgress(
            revertID: revert.id, targetID: revert.targetID,
            safetyID: revert.tookSafetySnapshot ? revert.safetyID : nil,
            mergedBytes: planBytes - rest, planBytes: planBytes, preservedBytes: preserved,
            rate: 0, state: hasFailed ? .failed : role == .paused || !isActive ? .paused : .merging,
            failure: hasFailed ? "the kernel says that its merge failed; see `dmesg`" : nil)
    }
    /// The kernel tells no rate: it is the average since the revert began.
    package func mergeProgress(at now: Timestamp) throws(Problem) -> MergeProgress? {
        guard let running = try StoreReader(folder: stack.folder).runningRevert() else {
            return nil
        }
        var progress = try progress(of: running)
        guard try isInUse else {
            progress.state = .paused
            return progress
        }
        if progress.state == .merging {
            let seconds = now.nanoseconds(since: running.startedAt) / 1_000_000_000
            progress.rate = progress.mergedBytes / Int(max(1, seconds))
        }
        return progress
    }
}

extension DeviceInspector {
    /// Without the right to ask the kernel, the device's node tells.
    package var isInUse: Bool {
        get throws(Problem) {
            if let isActive = try? isActive { return isActive }
            return (try? FileStatus(path: stack.name(.mounted).path)) != nil
        }
    }

    package func state(isMerging: Bool) throws(Problem) -> VolumeCondition {
        guard try isInUse else { return .inactive }
        return isMerging ? .merging : .active
    }

    package var devicePath: String? { stack.name(.mounted).path }

    package func serverWarnings() throws(Problem) -> [Advice] { [] }
}
