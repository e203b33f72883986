package import System
package import SnapshotModel
internal import Synchronization
package import StoreFormat

/// A volume in use: reads and writes of its clients, snapshots, reverts, merges, deletions.
///
/// Every method blocks and may be called from any thread. Reads and writes pass the gate and run
/// side by side; snapshots and reverts close it for a moment. What a crash left is recovered by
/// ``open(store:origin:options:)``.
package final class LiveEngine: Sendable {
    let store: Store
    let origin: any BlockDevice
    let format: AreaFormat
    let kernel: CopyKernel
    let library: AreaLibrary
    /// What frozen areas hold together; nil where there is none.
    let index: ViewIndex?
    /// Which frozen areas are sealed; nil where none is to be.
    let seals: SealKeeper?
    /// Where first writes wait that are answered; nil without such a log.
    let writeBack: WriteBackLog?
    let options: EngineOptions
    let gate = Gate()
    /// Serializes what changes the chain: snapshots, reverts, deletions, resizing.
    let chainLock = WorkLock(.chain)
    let collecting = WorkLock(.collection)
    /// Serializes changes of the running merge's limits, which are kept in its folder, with the
    /// folder's removal. Taken after ``chainLock``.
    let steering = WorkLock(.steering)
    private let chainState: Monitored<ChainState>
    private let shared: Monitored<Shared>
    let cloneTable: Monitored<CloneTable>
    private let originMark = WorkLock(.originMark)
    private let isOriginMarked = Atomic<Bool>(false)
    private let isPoisoned = Atomic<Bool>(false)
    /// Whether the volume's own content is a part of a stream that could not be taken back.
    private let isLiveShut = Atomic<Bool>(false)
    private let waitingCollectors = Atomic<Int>(0)
    /// Reads and writes of clients so far: what tells a merge whether anybody waits for it.
    private let clientOperations = Atomic<Int>(0)
    private let isClosed = Atomic<Bool>(false)

    /// Small things that change under their own lock.
    struct Shared {
        var record: VolumeRecord
        var warnings: [Advice]
        /// The stream of whose content the volume holds a part.
        var halfReceived: ReceiveNote?
        /// A merge that the chain does not have any more, and whose clone cannot be written to yet.
        var endingMerge: RunningMerge?
        /// Why the volume could not be given back what it was before that; nil when it was.
        var giveBackProblem: Problem?
        /// Whether somebody else has written to the origin since it was closed.
        var originWasChanged = false
        /// Open views by snapshot.
        var readers: [SnapshotOrdinal: Int] = [:]
        /// Garbage that was freed already: the area, and the live snapshot it was judged by.
        var collected: [SnapshotOrdinal: SnapshotOrdinal?] = [:]
        /// What collections have given back to the filesystem so far, in bytes.
        var freedBytes = 0
        /// The areas that were removed or extended since somebody took the list.
        var removedAreas: [SnapshotOrdinal] = []
        /// Areas that the chain has no more, and whose folders may still be there.
        var leftOvers: Set<SnapshotOrdinal> = []
        /// Deleted snapshots of which an older area has some exceptions, too, by now.
        var moved: Set<SnapshotOrdinal> = []
        /// Live snapshots into whose areas nothing is to be moved, or cannot be, and the last deleted one that
        /// followed them when that was found.
        var unfoldable: [SnapshotOrdinal: SnapshotOrdinal] = [:]
    }

    init(
        store: Store, origin: any BlockDevice, options: EngineOptions, kernel: CopyKernel,
        library: AreaLibrary, index: ViewIndex?, seals: SealKeeper?, writeBack: WriteBackLog?,
        record: VolumeRecord,
        chain: ChainState, clones: CloneTable, warnings: [Advice]
    ) {
        self.store = store
        self.origin = origin
        self.options = options
        self.kernel = kernel
        self.library = library
        self.index = index
        self.seals = seals
        self.writeBack = writeBack
        format = AreaFormat(chunkBytes: record.geometry.chunkBytes)
        chainState = Monitored(chain)
        cloneTable = Monitored(clones)
        shared = Monitored(Shared(record: record, warnings: warnings))
    }

    /// Opens a volume for use and recovers, by itself, whatever a crash left; what it found is in
    /// ``warnings``. The caller holds the store's lock.
    package static func open(
        store folder: any Folder, origin: any BlockDevice,
        options: EngineOptions = EngineOptions()
    ) throws(Problem) -> LiveEngine {
        try EngineRecovery(store: Store(folder: folder), origin: origin, options: options).run()
    }

    // MARK: State

    /// The folder of the volume's store.
    package var storeFolder: any Folder { store.folder }
    package var record: VolumeRecord { shared.withLock { $0.record } }
    package var geometry: Geometry { chain.geometry }
    package var warnings: [Advice] { shared.withLock { $0.warnings } }

    /// The bytes that collections have given back to the filesystem since the volume was opened.
    package var freedBytes: Int { shared.withLock { $0.freedBytes } }

    /// The areas that collections have removed since the last call, and those that took over what others
    /// held: what anybody knew of their content counts no more.
    package func takeRemovedAreas() -> [SnapshotOrdinal] {
        withShared { shared in
            defer { shared.removedAreas = [] }
            return shared.removedAreas
        }
    }

    var chain: ChainState { chainState.withLock { $0 } }

    /// Puts a changed chain in place of the present one.
    func updateChain(_ change: (ChainState) -> ChainState) {
        chainState.withLock { $0 = change($0) }
    }

    /// Whether somebody waits for ``collecting`` to free space.
    var isCollectorWaiting: Bool { waitingCollectors.load(ordering: .relaxed) > 0 }
    func noteCollector(isWaiting: Bool) {
        waitingCollectors.add(isWaiting ? 1 : -1, ordering: .relaxed)
    }

    func noteClientOperation() { clientOperations.add(1, ordering: .relaxed) }
    package var clientOperationCount: Int { clientOperations.load(ordering: .relaxed) }

    /// Calls with the present chain, and again with a newer one when it failed because an area was
    /// collected meanwhile: nobody needs the areas that are.
    func withStableChain<Result>(
        _ body: (ChainState) throws(Problem) -> Result
    ) throws(Problem) -> Result {
        while true {
            let chain = chain
            do throws(Problem) { return try body(chain) } catch {
                guard self.chain !== chain else { throw error }
            }
        }
    }

    func withShared<Result>(_ body: (inout Shared) -> Result) -> Result {
        shared.withLock { body(&$0) }
    }

    func warn(_ advice: Advice) { shared.withLock { $0.warnings.append(advice) } }

    /// Every fact of the volume as the engine has it; nothing is read.
    package var volumeState: VolumeState { volumeState(chain) }

    func volumeState(_ chain: ChainState) -> VolumeState {
        let (clones, doubtful) = cloneTable.withLock { ($0.records, $0.doubtful) }
        return VolumeState(
            record, manifests: chain.snapshots.map(\.manifest), losses: chain.losses,
            revert: chain.merge?.running, clones: clones, doubtfulClones: doubtful)
    }

    /// What can be asked of a chain, with the areas that grow as they are now. All of it is read from
    /// the areas themselves, so that nothing is decided by what a damaged one used to say.
    func planner(_ chain: ChainState) -> ChainPlanner {
        ChainPlanner(volumeState(chain)) { manifest throws(Problem) in
            try self.map(of: manifest, in: chain)
        }
    }

    /// The same for a look that changes nothing: by the index of views.
    func quickPlanner(_ chain: ChainState) -> ChainPlanner {
        ChainPlanner(volumeState(chain)) { manifest throws(Problem) in
            try self.map(of: manifest, in: chain)
        } layers: { stretch throws(Problem) in
            try self.layers(stretch, of: chain)
        }
    }

    /// A snapshot that is neither deleted nor broken; nil when there is none with this id.
    package func readableSnapshot(_ id: SnapshotID) -> SnapshotManifest? {
        let chain = chain
        guard let manifest = chain.live(id), !chain.isBroken(manifest.ordinal) else { return nil }
        return manifest
    }

    package func snapshots() -> [SnapshotStatus] {
        let chain = chain
        let state = volumeState(chain)
        return chain.snapshots.map { entry in
            let manifest = entry.manifest
            return SnapshotStatus(
                manifest: manifest, state: state.condition(of: manifest),
                // An area that is collected meanwhile has none.
                exceptionCount: exceptionCount(of: manifest, in: chain),
                readers: withShared { $0.readers[manifest.ordinal] ?? 0 })
        }
    }

    private func exceptionCount(of manifest: SnapshotManifest, in chain: ChainState) -> Int {
        if let growing = chain.growing(manifest.ordinal) { return growing.entryCount }
        return (try? map(of: manifest, in: chain).count) ?? 0
    }

    /// The chunk map of an area, growing or frozen.
    func map(of manifest: SnapshotManifest, in chain: ChainState) throws(Problem) -> ChunkMap {
        if let growing = chain.growing(manifest.ordinal) { return growing.chunkMap() }
        return try library.map(manifest.ordinal, volumeBytes: manifest.volumeBytes)
    }

    package func status() throws(Problem) -> VolumeStatus {
        VolumeStatus(
            record: record, snapshots: snapshots(), merge: mergeProgress(),
            storeBytes: try store.areaBytes(), freeBytes: try store.freeBytes(),
            warnings: warnings)
    }

    // MARK: The origin's mark

    /// Before the first change of the origin: notes, durably, that its time of change will say
    /// nothing until the next orderly close.
    func markOriginOpen() throws(Problem) {
        guard !isOriginMarked.load(ordering: .acquiring) else { return }
        try originMark.during { () throws(Problem) in
            guard !isOriginMarked.load(ordering: .relaxed) else { return }
            try store.writeOriginState(
                OriginState(
                    isClosed: false, stamp: nil, hasWriteBack: writeBack == nil ? nil : true))
            isOriginMarked.store(true, ordering: .releasing)
        }
    }

    /// Refuses all changes from now on: what is in the store is no longer known, and only opening
    /// it again, which recovers, finds out.
    func poison(because problem: Problem) {
        isPoisoned.store(true, ordering: .sequentiallyConsistent)
        warn(
            "volume “\(record.name)” takes no more writes until it is opened again: \(problem.message)"
        )
    }

    /// Makes the origin durable. When that fails, what was written since the last time may be lost
    /// although the page cache goes on to show it, and no later sync would say so: from then on
    /// nothing more is promised.
    func syncOrigin() throws(Problem) {
        try checkNotPoisoned()
        do { try origin.sync() } catch {
            let problem = Problem(error)
            poison(because: problem)
            throw problem
        }
    }

    /// `.inputOutput` when somebody has cut the origin while it is open. Nothing is written to it any
    /// more then, and no snapshot taken: what is gone would read as zeroes.
    func checkOriginIsWhole() throws(Problem) {
        let expected = geometry.volumeBytes
        let size = try doing { () throws(IOFailure) in try origin.byteCount() }
        guard size < expected else { return }
        let problem = Problem(
            .inputOutput,
            "THE ORIGIN OF VOLUME “\(record.name)” WAS CUT while it is open: \(origin.path) has "
                + "\(size) bytes, the volume \(expected)",
            hint: "stop whoever serves the volume and put the right file back; the snapshots hold "
                + "what was preserved")
        if !isPoisoned.load(ordering: .relaxed) { poison(because: problem) }
        throw problem
    }

    /// The problem that a failed read or write of the origin is.
    func originProblem(_ failure: IOFailure) -> Problem {
        do throws(Problem) { try checkOriginIsWhole() } catch { return error }
        return Problem(failure)
    }

    func checkNotPoisoned() throws(Problem) {
        guard isPoisoned.load(ordering: .relaxed) else { return }
        throw Problem(
            .inputOutput, "volume “\(record.name)” takes no writes after an I/O error",
            hint: "check the disks of its origin and store, then stop and start whoever serves it")
    }

    /// Refuses the volume's own content from now on, and nothing of its snapshots: what a stream that was cut has
    /// changed could not be given back.
    func shutLive(because problem: Problem) {
        withShared { $0.giveBackProblem = problem }
        isLiveShut.store(true, ordering: .sequentiallyConsistent)
    }

    /// The next open has it whole, or this one at last.
    func openLive() {
        isLiveShut.store(false, ordering: .sequentiallyConsistent)
        withShared { $0.giveBackProblem = nil }
    }

    /// - Throws: `refused` while the volume's own content is a part of a stream that could not be taken back.
    func checkLiveIsWhole() throws(Problem) {
        guard isLiveShut.load(ordering: .relaxed) else { return }
        throw withShared { $0.giveBackProblem } ?? partProblem
    }

    /// Flushes the origin and notes its size and time of change, so that the next open can tell
    /// whether somebody else wrote to it. Everything is refused afterwards; when it fails, the volume
    /// goes on.
    package func close() throws(Problem) {
        try settleClones()
        try closeOrigin()
        // A clone reads from snapshots, which waits for the gate.
        drainClones()
    }

    private func closeOrigin() throws(Problem) {
        writeBack?.beginHold()
        defer { writeBack?.endHold() }
        try drainWriteBack()
        gate.close()
        defer { gate.open() }
        try settleWriteBack()
        try noteCleanClose()
        refuseAll()
        removeWriteBackLog()
    }

    /// Refuses everything from now on, whatever could not be noted: somebody else may open the volume
    /// next, and would not bear a second writer. What is under way ends first.
    package func abandon() {
        guard !isClosed.load(ordering: .relaxed) else { return }
        gate.close()
        refuseAll()
        gate.open()
        drainClones()
    }

    private func refuseAll() {
        isClosed.store(true, ordering: .sequentiallyConsistent)
        // Ends a step's waiting for the throttle; what is kept in the store stays.
        chain.merge?.control.cancel()
    }

    /// Refuses what comes after ``close()``.
    func checkOpen() throws(Problem) {
        guard isClosed.load(ordering: .relaxed) else { return }
        throw Problem(.interrupted, "volume “\(record.name)” was closed", hint: "open it again")
    }

    private func noteCleanClose() throws(Problem) {
        try syncOrigin()
        let isMarked = isOriginMarked.load(ordering: .relaxed)
        let isClosed = try store.originState()?.isClosed ?? false
        guard isMarked || !isClosed else {
            return
        }
        let stamp = try doing { () throws(IOFailure) in try origin.stamp() }
        // The record may be in place although this fails: the next write must mark it open again.
        isOriginMarked.store(false, ordering: .releasing)
        try store.writeOriginState(OriginState(isClosed: true, stamp: stamp))
    }
}

/// How an engine works; the defaults are right for production.
package struct EngineOptions: Sendable {
    package var clock: any Clock
    package var copyOptions: CopyOptions
    /// How the index of views cuts the chain; nil for no index.
    package var indexShape: IndexShape?
    /// What the index and seals leave free on the store's filesystem, for exceptions.
    package var indexReserveBytes: Int
    /// Whether frozen areas are sealed.
    package var sealsAreas: Bool
    /// What the file of a new area has room for, unless the volume needs less.
    package var areaBeginningBytes: Int
    /// How long the log of first writes is, in bytes; nil for none.
    package var writeBackBytes: Int?
    /// Whether a part of a stream that may go on is left as it is, until somebody needs the volume's own content.
    package var keepsReceived = false

    package init(
        clock: any Clock = SystemClock(), copyOptions: CopyOptions = CopyOptions(),
        indexShape: IndexShape? = .standard, indexReserveBytes: Int = 1 << 30,
        sealsAreas: Bool = true,
        areaBeginningBytes: Int = AreaFormat.beginningBytes, writeBackBytes: Int? = nil
    ) {
        self.clock = clock
        self.copyOptions = copyOptions
        self.indexShape = indexShape
        self.indexReserveBytes = indexReserveBytes
        self.sealsAreas = sealsAreas
        self.areaBeginningBytes = areaBeginningBytes
        self.writeBackBytes = writeBackBytes
    }
}
