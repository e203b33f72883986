package import System
package import MergeKit
internal import StoreFormat
internal import OriginAccess
package import SnapshotModel

/// A volume that this process has open, alone: the store's lock, the engine, and the upkeep if
/// there is to be one.
package final class VolumeHost: Sendable {
    package let engine: LiveEngine
    /// The store's folder.
    package let storePath: String
    package let upkeep: ImageUpkeep?
    /// Brings first writes that were answered into the origin.
    private let writeBack = Monitored<BackgroundThread?>(nil)
    /// Who has the volume open besides the sessions.
    package let clients = ClientRegister()
    /// Has this process let the volume go, by itself, soon; nil when it cannot.
    package let letGo = Monitored<(@Sendable () -> Void)?>(nil)
    let patience: Patience
    let right: ChangeLock
    private let locks: Monitored<Locks?>

    /// What is given free together: first the origin, then the store.
    private struct Locks: Sendable {
        var origin: OriginGuard
        var store: FileLock
    }

    /// How a volume is opened.
    package struct Options: Sendable {
        /// What the process does, told to those who find the store locked.
        package var purpose: String
        /// Whether merges and collections run in the background; a command that does one thing and
        /// ends does them itself.
        package var hasUpkeep: Bool
        package var engine: EngineOptions
        package var patience = Patience()
        /// Hears of what goes wrong in the background.
        package var report: @Sendable (String) -> Void

        package init(
            purpose: String, hasUpkeep: Bool = false, engine: EngineOptions = EngineOptions(),
            report: @escaping @Sendable (String) -> Void = { _ in }
        ) {
            self.purpose = purpose
            self.hasUpkeep = hasUpkeep
            self.engine = engine
            self.report = report
        }

        /// For a command that does one thing and ends.
        package init(purpose: String, clock: any Clock) {
            self.init(purpose: purpose, engine: EngineOptions(clock: clock))
        }
    }

    private init(
        engine: LiveEngine, store: FileFolder, locks: Locks, options: Options
    ) throws(Problem) {
        self.engine = engine
        storePath = store.path
        self.locks = Monitored(locks)
        patience = options.patience
        right = ChangeLock(waitMilliseconds: patience.change)
        upkeep =
            options.hasUpkeep
            ? ImageUpkeep(
                engine: engine, retryMilliseconds: patience.retry, report: options.report) : nil
        try upkeep?.start()
        guard options.hasUpkeep, engine.hasWriteBack else { return }
        do throws(Problem) { try startWriteBack(options.report) } catch {
            // The volume is closed now, under nobody who goes on.
            upkeep?.stop()
            throw error
        }
    }

    private func startWriteBack(
        _ report: @escaping @Sendable (String) -> Void
    ) throws(Problem) {
        do throws(IOFailure) {
            let thread = try BackgroundThread.startIfPossible(name: "snapmgr-log") { [engine] in
                engine.runWriteBack(.standard) { problem in
                    report("in the background: \(problem.message); it is tried again")
                }
            }
            writeBack.withLock { $0 = thread }
        } catch { throw Problem(error) }
    }

    private func stopWriteBack() {
        engine.stopWriteBack()
        let thread = writeBack.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
    }

    /// Opens a volume and recovers it if need be. `.locked` when another process has it open,
    /// `.notFound` when there is no store, `.missing` when the origin is not there.
    package static func open(storePath: String, options: Options) throws(Problem) -> VolumeHost {
        guard let host = try openUnlessHeld(storePath: storePath, options: options) else {
            throw StoreHolder.lockedProblem(store: FileFolder(path: storePath))
        }
        return host
    }

    /// As ``open(storePath:options:)``; nil when another process has the volume open.
    static func openUnlessHeld(
        storePath: String, options: Options
    ) throws(Problem) -> VolumeHost? {
        let store = FileFolder(path: storePath)
        // Asked first, so that no lock file is left in a folder that is not a store.
        _ = try StoreReader(folder: store)
        guard let lock = try StoreHolder.lock(store, purpose: options.purpose) else { return nil }
        var record = try StoreReader(folder: store).record
        guard record.driver == ImageVolumeDriver.driverName else {
            throw Problem(
                .refused,
                "volume \(record.name) is under device-mapper: its writes are the kernel's",
                hint: "use its device, /dev/mapper/snapmgr-\(record.name)")
        }
        let origin = try OriginGuard.acquire(
            path: record.originPath, volume: record.name, recorded: record.originIdentity)
        try recordIdentity(origin, in: &record, Store(folder: store))
        let engine = try LiveEngine.open(
            store: store, origin: try origin.open(), options: options.engine)
        do throws(Problem) {
            let locks = Locks(origin: origin, store: lock)
            return try VolumeHost(engine: engine, store: store, locks: locks, options: options)
        } catch {
            try? engine.close()
            throw error
        }
    }

    /// A store of an older version does not know its origin by more than its path and, when it was
    /// closed in order, its inode.
    private static func recordIdentity(
        _ origin: OriginGuard, in record: inout VolumeRecord, _ store: Store
    ) throws(Problem) {
        guard record.originIdentity == nil else { return }
        if let state = try store.originState(), state.isClosed, let stamp = state.stamp,
            stamp.inode != origin.status.inode
        {
            throw Problem(
                .refused,
                "the origin \(record.originPath) of volume \(record.name) is another file than the "
                    + "one that was closed: it has inode \(origin.status.inode), and had "
                    + "\(stamp.inode)",
                hint: "put the right one back, or, when it was moved or restored on purpose, run "
                    + "\(.volumeSet(record.name, origin: record.originPath))")
        }
        record.originIdentity = origin.identity
        try store.writeVolume(record)
    }

    /// Ends the background work, flushes, records the clean close and gives the store free. The
    /// store is free also when that fails: then the next open recovers, and who still has the volume
    /// open here is refused.
    package func close() throws(Problem) {
        defer {
            engine.abandon()
            locks.change { $0 = nil }
        }
        upkeep?.stop()
        stopWriteBack()
        try engine.close()
    }
}
