package import SnapshotModel

/// A volume that this process has open, as a driver gives it to one session. Whoever asks is told of
/// progress, and what he asked for ends when he goes away.
///
/// Whatever is asked for can end with `io` when a disk of the volume's fails, `corrupt` when its store cannot be
/// what it says, `missing` when a part of it is not there, `no_space` when the store is full, `locked` when another
/// command changes the volume for longer than the session waits, and `interrupted` when the client goes away or
/// the volume is closed. A snapshot or clone that is not there is `not_found`; one whose area was given up is
/// `broken`. What is to be expected besides stands with each call.
package protocol OpenVolume: VolumeSession {
    func status(for client: any RequestClient) throws(Problem) -> VolumeStatus
    /// Who has the volume open for writing through this process; nil when nobody has.
    func clients(for client: any RequestClient) throws(Problem) -> ClientPresence?
    /// The snapshots that somebody reads, and that are not deleted therefore, in any order.
    func openSnapshots(for client: any RequestClient) throws(Problem) -> [SnapshotID]
    /// From now on this session changes the volume's content under its clients, too; nobody is refused for their
    /// sake any more.
    func overruleClients(for client: any RequestClient) throws(Problem)
    /// Has this process let the volume go, soon.
    ///
    /// - Throws: `usage` when the process has the volume open for one command.
    func letGo(for client: any RequestClient) throws(Problem)

    /// Takes one snapshot: prepare, hold, commit and release at once.
    ///
    /// - Throws: `exists` when the id is taken, `refused` when the volume can have none now.
    func takeSnapshot(
        _ request: SnapshotRequest, for client: any RequestClient
    ) throws(Problem) -> SnapshotOutcome
    /// - Throws: `refused` when clients have the volume open, or its chain is broken.
    func revert(
        _ request: RevertRequest, for client: any RequestClient
    ) throws(Problem) -> RevertOutcome

    // The same in steps, so that several volumes change at one instant. Each is `usage` out of its turn.
    /// Makes ready what takes long, while writes go on.
    ///
    /// - Throws: as ``takeSnapshot(_:for:)``.
    func prepareSnapshot(
        _ request: SnapshotRequest, for client: any RequestClient) throws(Problem)
    /// - Throws: as ``revert(_:for:)``.
    func prepareRevert(_ request: RevertRequest, for client: any RequestClient) throws(Problem)
    /// Flushes the origin and keeps all I/O waiting, for as long as `milliseconds` at most.
    ///
    /// - Throws: `usage` when that is longer than ``VolumeLimits/holdMilliseconds``.
    func holdIO(milliseconds: Int, for client: any RequestClient) throws(Problem)
    /// Makes what is prepared durable, within the hold.
    ///
    /// - Throws: `interrupted` when the hold has ended by itself: nothing was changed then.
    func commit(
        for client: any RequestClient
    ) throws(Problem) -> (snapshot: SnapshotOutcome?, revert: RevertOutcome?)
    /// Takes back what this session committed within the present hold.
    func rollBack(for client: any RequestClient) throws(Problem)
    /// Lets I/O go on, and returns how long it was held, in nanoseconds; 0 when it was not.
    func releaseIO(for client: any RequestClient) throws(Problem) -> Int64

    /// What a revert would do.
    ///
    /// - Throws: as ``revert(_:for:)``, as far as it can be told before.
    func previewRevert(
        to id: SnapshotID, for client: any RequestClient
    ) throws(Problem) -> RevertPreview
    /// How far the merge is; nil when none runs.
    func mergeProgress(for client: any RequestClient) throws(Problem) -> MergeProgress?
    /// Stops the copying until ``resumeMerge(for:)``, also after the volume was opened again; nothing when no merge
    /// runs.
    func pauseMerge(for client: any RequestClient) throws(Problem)
    func resumeMerge(for client: any RequestClient) throws(Problem)
    /// Limits the merge to so many bytes per second; nil lifts the limit.
    ///
    /// - Throws: `usage` for a rate that is not more than 0.
    func throttleMerge(bytesPerSecond: Int?, for client: any RequestClient) throws(Problem)
    /// Back to the safety snapshot, dropping what was written since.
    ///
    /// - Throws: `refused` when that merge does not run, has no safety snapshot, or a later snapshot exists.
    func cancelMerge(
        _ id: RevertID, for client: any RequestClient
    ) throws(Problem) -> RevertOutcome
    /// Returns when no merge runs.
    ///
    /// - Throws: `refused` when it is paused, `failed` when it does not get on.
    func waitForMerge(for client: any RequestClient) throws(Problem)

    /// What deleting snapshots would free.
    func previewDelete(
        _ ids: [SnapshotID], for client: any RequestClient
    ) throws(Problem) -> DeleteReport
    /// Marks as deleted; the bytes are freed in the background, or by ``collect(for:)``.
    ///
    /// - Throws: `refused` when one of them is read, has a clone, or is part of a merge: none is deleted then.
    func delete(
        _ ids: [SnapshotID], for client: any RequestClient
    ) throws(Problem) -> DeleteReport
    /// Frees what no live snapshot needs.
    func collect(for client: any RequestClient) throws(Problem) -> CollectReport
    /// Writes anew what people wrote on a snapshot; durable when it returns.
    func label(
        _ id: SnapshotID, _ labels: SnapshotLabels, for client: any RequestClient) throws(Problem)
    /// Writes a snapshot's content to a new file, and returns its size in bytes.
    ///
    /// - Throws: `exists` when there is such a file.
    func export(
        _ id: SnapshotID, path: String, for client: any RequestClient
    ) throws(Problem) -> Int
    /// Reads bytes of a snapshot, which stays open for the session, or of the volume as it is (nil).
    func read(
        _ id: SnapshotID?, at offset: Int, count: Int, for client: any RequestClient
    ) throws(Problem) -> VolumeContent
    /// Consecutive stretches of a snapshot, from the offset on, that are data or holes; one at least.
    func extents(
        _ id: SnapshotID, at offset: Int, count: Int, for client: any RequestClient
    ) throws(Problem) -> [Extent]
    /// - Returns: the volume's record as it is now.
    /// - Throws: `usage` for what is no volume's size, `refused` in mid-merge, or when it becomes smaller under
    ///   clients.
    func resize(to bytes: Int, for client: any RequestClient) throws(Problem) -> VolumeRecord
    /// What a revert would do that takes what was written to a clone, too.
    func previewRevert(
        to id: SnapshotID, with clone: CloneUse, for client: any RequestClient
    ) throws(Problem) -> RevertPreview
    /// Reverts to a snapshot with what was written to one of its clones, which nobody writes to until the merge
    /// has ended.
    ///
    /// - Throws: as ``revert(_:for:)``; `refused` when the clone is open for writing, or another snapshot's.
    func revert(
        _ request: RevertRequest, with clone: CloneUse, for client: any RequestClient
    ) throws(Problem) -> RevertOutcome
    /// Makes a clone of a snapshot, or of another clone; durable when it returns.
    ///
    /// - Throws: `refused` when it cannot have the shape.
    func createClone(
        _ request: CloneRequest, _ shape: CloneShape, for client: any RequestClient
    ) throws(Problem) -> CloneRecord
    /// Whether a clone can be made.
    ///
    /// - Throws: as ``createClone(_:_:for:)``, as far as it can be told before.
    func previewCreateClone(
        _ request: CloneRequest, _ shape: CloneShape, for client: any RequestClient
    ) throws(Problem)
    /// What deleting a clone would free, in bytes. - Throws: `refused` when clients have it open.
    func previewDeleteClone(
        _ name: String, for client: any RequestClient
    ) throws(Problem) -> Int
    /// Removes a clone, and returns the bytes that are freed.
    func deleteClone(_ name: String, for client: any RequestClient) throws(Problem) -> Int
    /// Writes a clone's content to a new file, and returns its size in bytes.
    ///
    /// - Parameter holds: whether nobody writes to the clone until the session deletes it or ends.
    /// - Throws: `refused` while a client has it open for writing.
    func exportClone(
        _ name: String, path: String, holds: Bool, for client: any RequestClient
    ) throws(Problem) -> Int
    /// Reads bytes of a clone as it is now, which stays open for the session.
    ///
    /// - Throws: `notFound`; `broken` and `corrupt` as of an open of it.
    func readClone(
        _ name: String, at offset: Int, count: Int, for client: any RequestClient
    ) throws(Problem) -> VolumeContent
}

extension OpenVolume {
    /// Refused, where a driver has no clones.
    package func previewRevert(
        to id: SnapshotID, with clone: CloneUse, for client: any RequestClient
    ) throws(Problem) -> RevertPreview { throw Problem.noClones }

    /// Refused, where a driver has no clones.
    package func revert(
        _ request: RevertRequest, with clone: CloneUse, for client: any RequestClient
    ) throws(Problem) -> RevertOutcome { throw Problem.noClones }

    /// Refused, where a driver has no clones.
    package func createClone(
        _ request: CloneRequest, _ shape: CloneShape, for client: any RequestClient
    ) throws(Problem) -> CloneRecord { throw Problem.noClones }

    /// Refused, where a driver has no clones.
    package func previewCreateClone(
        _ request: CloneRequest, _ shape: CloneShape, for client: any RequestClient
    ) throws(Problem) { throw Problem.noClones }

    /// Refused, where a driver has no clones.
    package func previewDeleteClone(
        _ name: String, for client: any RequestClient
    ) throws(Problem) -> Int { throw Problem.noClones }

    /// Refused, where a driver has no clones.
    package func exportClone(
        _ name: String, path: String, holds: Bool, for client: any RequestClient
    ) throws(Problem) -> Int { throw Problem.noClones }

    /// Refused, where a driver has no clones.
    package func deleteClone(
        _ name: String, for client: any RequestClient
    ) throws(Problem) -> Int { throw Problem.noClones }

    /// Refused, where a driver has no clones.
    package func readClone(
        _ name: String, at offset: Int, count: Int, for client: any RequestClient
    ) throws(Problem) -> VolumeContent { throw Problem.noClones }
}

extension Problem {
    fileprivate static var noClones: Problem {
        Problem(
            .refused, "this kind of volume has no clones",
            hint: "export the snapshot to an image of its own: \(.list()) tells its id")
    }
}

extension OpenVolume {
    /// All of it may be data, where a driver cannot tell.
    package func extents(
        _ id: SnapshotID, at offset: Int, count: Int, for client: any RequestClient
    ) throws(Problem) -> [Extent] {
        [Extent(range: try VolumeLimits.extentRange(offset, count), isHole: false)]
    }
}

/// What holds for all drivers.
package enum VolumeLimits {
    /// Of so many bytes extents are told at once at most.
    package static let extentBytes = 1 << 60
    /// So many extents are told at once at most.
    package static let extentCount = 4096

    /// The range that somebody asks about.
    ///
    /// - Throws: `usage` when no volume can have it.
    package static func extentRange(_ offset: Int, _ count: Int) throws(Problem) -> Range<Int> {
        guard (0...extentBytes).contains(offset), (1...extentBytes).contains(count) else {
            throw Problem(.usage, "\(count) bytes from \(offset) on are in no volume")
        }
        return offset..<offset + count
    }

    /// How long I/O may be held at most: guests give up on a disk after 30 seconds.
    package static let holdMilliseconds = 20_000
}

/// A session that a server gives to another process.
package protocol HostedSession: OpenVolume, Sendable {
    /// Whether the session has something prepared or held.
    var isUnderWay: Bool { get }
}

// The one place where requests become calls.
extension OpenVolume {
    /// Turns a request into the call that it is.
    package func perform(
        _ request: VolumeRequest, for client: any RequestClient
    ) throws(Problem) -> VolumeReply {
        switch request {
        case .status: return .status(try status(for: client))
        case .warnings: return .warnings(warnings)
        case .openSnapshots: return .openSnapshots(try openSnapshots(for: client))
        case .clients: return .clients(try clients(for: client))
        case .overruleClients: try overruleClients(for: client)
        case .letGo: try letGo(for: client)
        case .snapshot(let request):
            return .snapshot(try takeSnapshot(request, for: client))
        case .revert(let request): return .reverted(try revert(request, for: client))
        case .previewRevertWith(let id, let clone):
            return .preview(try previewRevert(to: id, with: clone, for: client))
        case .revertWith(let request, let clone):
            return .reverted(try revert(request, with: clone, for: client))
        case .prepareSnapshot(let request): try prepareSnapshot(request, for: client)
        case .prepareRevert(let request): try prepareRevert(request, for: client)
        case .holdIO(let milliseconds): try holdIO(milliseconds: milliseconds, for: client)
        case .commit:
            let committed = try commit(for: client)
            return .committed(snapshot: committed.snapshot, revert: committed.revert)
        case .rollBack: try rollBack(for: client)
        case .releaseIO: return .released(heldNanoseconds: try releaseIO(for: client))
        case .previewRevert(let id): return .preview(try previewRevert(to: id, for: client))
        case .mergeStatus: return .merge(try mergeProgress(for: client))
        case .pauseMerge: try pauseMerge(for: client)
        case .resumeMerge: try resumeMerge(for: client)
        case .throttleMerge(let rate): try throttleMerge(bytesPerSecond: rate, for: client)
        case .cancelMerge(let id): return .reverted(try cancelMerge(id, for: client))
        case .waitForMerge:
            try waitForMerge(for: client)
            return .merge(try mergeProgress(for: client))
        case .previewDelete(let ids): return .deleted(try previewDelete(ids, for: client))
        case .delete(let ids): return .deleted(try delete(ids, for: client))
        case .collect: return .collected(try collect(for: client))
        case .label(let id, let labels): try label(id, labels, for: client)
        case .export(let id, let path):
            return .exported(bytes: try export(id, path: path, for: client))
        case .createClone(let request):
            return .clone(try createClone(request, CloneShape(), for: client))
        case .createCloneAs(let request, let shape):
            return .clone(try createClone(request, shape, for: client))
        case .previewCreateClone(let request, let shape):
            try previewCreateClone(request, shape, for: client)
        case .previewDeleteClone(let name):
            return .cloneDeleted(bytes: try previewDeleteClone(name, for: client))
        case .deleteClone(let name):
            return .cloneDeleted(bytes: try deleteClone(name, for: client))
        case .exportClone(let name, let path, let holds):
            return .exported(
                bytes: try exportClone(name, path: path, holds: holds, for: client))
        case .readClone(let name, let offset, let count):
            return .content(try readClone(name, at: offset, count: count, for: client))
        case .read(let id, let offset, let count):
            return .content(try read(id, at: offset, count: count, for: client))
        case .extents(let id, let offset, let count):
            return .extents(try extents(id, at: offset, count: count, for: client))
        case .resize(let bytes): return .volume(try resize(to: bytes, for: client))
        }
        return .done
    }
}
