internal import System
internal import Catalog
internal import DeviceMapper
internal import Glibc
internal import Hooks
internal import StoreFormat
internal import SnapshotModel
internal import VolumeAccess

/// What a use case works with: what the manager's requests share, and the operation that is its own. It
/// holds no state beyond the open catalog.
final class ManagerContext: Sendable {
    private let options: ManagerOptions
    let catalog: CatalogStore
    private let operation: Operation

    convenience init(catalog: CatalogStore, options: ManagerOptions) {
        self.init(options, catalog, options.operation)
    }

    private init(_ options: ManagerOptions, _ catalog: CatalogStore, _ operation: Operation) {
        self.options = options
        self.catalog = catalog
        self.operation = operation
    }

    func performing(_ operation: Operation) -> ManagerContext {
        ManagerContext(options, catalog, operation)
    }

    var state: StateFolder { options.state }
    var timeZone: LocalZone { options.timeZone }
    var drivers: DriverRegistry { options.drivers }
    var watchdog: WatchdogCommand { options.watchdog }

    var clock: any Clock { operation.clock }
    var end: OperationEnd { operation.end }
    var requester: Requester { operation.requester }
    var settings: SettingsSource { operation.settings }

    var wording: Wording { options.wording }
    var environment: [String: String] { options.environment }

    var jobs: JobBoard { options.jobs }

    func note(_ text: String) { operation.onNote(text) }
    func tell(_ progress: OperationProgress) { operation.onProgress(progress) }
    func advise(_ advice: Advice) { note(wording.text(advice)) }
}

// MARK: - Jobs

extension ManagerContext {
    /// Has a use case that may take long go on as a job; within another one's it is a part of that.
    ///
    /// - Parameter volumes: their names, as far as they are known.
    func asJob<Result>(
        _ kind: Job.Kind, of volumes: [String] = [], _ body: (ManagerContext) throws -> Result
    ) throws -> Result {
        guard operation.job == nil else { return try body(self) }
        return try jobs.run(kind, volumes, operation) { try body(performing($0)) }
    }
}

// MARK: - Volumes

extension ManagerContext {
    /// - Throws: `notFound`.
    func volume(_ name: String) throws -> VolumeRow {
        guard let row = try catalog.volume(named: name) else {
            throw try cloneProblem(name, "a volume") ?? noVolume(name)
        }
        return row
    }

    /// - Parameter replaced: a clone that may have the name.
    /// - Throws: `exists` when a volume has the name, a set of the settings, or a clone, which is served by it.
    func requireFreeVolumeName(_ name: String, replacing replaced: CloneRow? = nil) throws {
        if let clone = try catalog.clones(named: name).first(where: { $0 != replaced }) {
            throw Problem(
                .exists,
                "volume \(clone.volume) has a clone \(name), which is served by that name",
                hint: "choose another name; see \(.cloneList)")
        }
        try requireNoGroup(named: name)
        guard try catalog.volume(named: name) != nil else { return }
        throw Problem(
            .exists, "there is a volume \(name) already",
            hint: "run \(.volumeShow(name)), or choose another name")
    }

    /// Why a clone cannot be used in the place of something else; nil when there is none of this name.
    func cloneProblem(_ name: String, _ what: String) throws -> Problem? {
        let clones = try catalog.clones(named: name)
        return Self.cloneProblem(name, what, clones)
    }

    /// The same of the clones that have the name.
    static func cloneProblem(_ name: String, _ what: String, _ clones: [CloneRow]) -> Problem? {
        guard let clone = clones.first else { return nil }
        return Problem(
            .refused,
            "`\(name)` is a clone of snapshot \(clone.record.snapshotID) of volume \(clone.volume), and "
                + "not \(what): this cannot be done with it",
            hint: "read and write it over NBD, under its name: \(.serve(clone.volume))")
    }

    /// The named volumes in the order of their names, each once; all volumes for an empty list.
    func volumes(_ names: [String]) throws -> [VolumeRow] {
        guard !names.isEmpty else { return try catalog.volumes() }
        return try Set(names).sorted().map { try volume($0) }
    }

    /// A volume's store, read without a lock.
    ///
    /// - Throws: `missing` when the store is not there, `refused` when it is another volume's or
    ///   another state's, or names another origin than the catalog.
    func reader(_ volume: VolumeRow) throws -> StoreReader {
        let reader = try anyReader(volume)
        try StoreOwnership(context: self).require(reader.record, storePath: volume.storePath)
        // What is written goes where this state was told to write, and nowhere else.
        guard reader.record.originPath == volume.record.originPath else {
            let name = volume.record.name
            throw Problem(
                .refused,
                "the store \(volume.storePath) of volume \(name) names the origin "
                    + "\(reader.record.originPath), the catalog \(volume.record.originPath)",
                hint: "say which it is: \(.volumeSet(name, origin: volume.record.originPath))")
        }
        return reader
    }

    /// As ``reader(_:)``, of whatever state and origin.
    func anyReader(_ volume: VolumeRow) throws -> StoreReader {
        let folder = FileFolder(path: volume.storePath)
        guard try doing({ () throws(IOFailure) in try folder.exists("volume.json") }) else {
            throw Problem(
                .missing,
                "the store \(volume.storePath) of volume \(volume.record.name) is missing",
                hint: missingStoreHint(volume))
        }
        let reader = try StoreReader(folder: folder)
        guard reader.record.uuid == volume.record.uuid else {
            throw Problem(
                .refused,
                "the store \(volume.storePath) belongs to volume \(reader.record.name) "
                    + "(\(reader.record.uuid)), not to \(volume.record.name)",
                hint: "put the right store there, or run \(.catalogRebuild)")
        }
        return reader
    }

    /// Devices of the kernel's are in the way of all that could be done without a store.
    private func missingStoreHint(_ volume: VolumeRow) -> Advice {
        let name = volume.record.name
        let hasDevices = (try? inspector(volume).hasDevices) ?? false
        return hasDevices
            ? "mount or restore it; to do without, take the devices down first: "
                + "\(.deactivate(name, withoutStore: true))"
            : "mount or restore it, or run \(.volumeRemove(name))"
    }

    func isStoreMissing(_ volume: VolumeRow) throws -> Bool {
        try !FileFolder(path: volume.storePath).exists("volume.json")
    }

    /// A session with a volume, for as long as `body` runs.
    func withSession<Result>(
        _ volume: VolumeRow, _ body: (any VolumeSession) throws -> Result
    ) throws -> Result {
        // The store is looked at first, because it tells a missing or wrong one in clear words.
        try prepareStore(volume)
        let session = try openSession(volume)
        defer { session.close() }
        return try body(session)
    }

    /// Looks at a store that is to be changed, and takes one that belongs to no state.
    @discardableResult
    func prepareStore(_ volume: VolumeRow) throws -> VolumeRecord {
        let record = try reader(volume).record
        try StoreOwnership(context: self).adopt(volume, record)
        return record
    }

    func openSession(_ volume: VolumeRow) throws -> any VolumeSession {
        writeBackMarks(volume)
        do {
            return attended(try driver(of: volume).open(volume.place), of: volume)
        } catch {
            throw notOpened(volume, error)
        }
    }

    /// Passes on what opening a volume has found.
    func attended(_ session: any VolumeSession, of volume: VolumeRow) -> AttendedSession {
        tell(session.warnings, of: volume)
        return AttendedSession(session, of: volume.record.name, for: operation) { [self] in
            tell($0, of: volume)
        }
    }

    /// What is to be told, and noted, of a volume that could not be opened.
    func notOpened(_ volume: VolumeRow, _ problem: Problem) -> Problem {
        // A store that fails takes no mark, and the kernel forgets with the next restart.
        try? BrokenMarks(context: self).takeOver([volume], looksAtAll: true)
        return problem.about("volume \(volume.record.name)")
    }

    /// What cannot be written back now is refused by the catalog's word all the same.
    func writeBackMarks(_ volume: VolumeRow) {
        do { try BrokenMarks(context: self).writeBack(volume) } catch {
            let problem = Problem(error).about("volume \(volume.record.name)")
            note("the store cannot be told that snapshots are broken: \(problem.message)")
        }
    }

    /// - Throws: `broken` when the snapshot has lost exceptions. The store may not say so, because it
    ///   failed when it was to be marked.
    func requireWhole(_ row: SnapshotRow) throws {
        guard let row = try catalog.snapshot(row.id), row.state == .broken else { return }
        throw Problem(
            .broken, "snapshot \(row.id) of volume \(row.volume) is broken: exceptions were lost",
            hint: "choose a newer snapshot; see \(.list(row.volume))")
    }

    /// Passes on what opening a volume has found. A server keeps it for `status`; here, nobody else
    /// would say it.
    private func tell(_ warnings: [Advice], of volume: VolumeRow) {
        guard !warnings.isEmpty else { return }
        for warning in warnings { advise("volume \(volume.record.name): \(warning)") }
        // Best effort: the next command sees the marks in the store again.
        try? BrokenMarks(context: self).takeOver([volume], looksAtAll: true)
    }
}

// MARK: - Drivers

extension ManagerContext {
    /// - Throws: `newer_version` when the volume's driver is not known.
    func driver(of volume: VolumeRow) throws(Problem) -> any VolumeDriver {
        try drivers.driver(of: volume.record)
    }

    /// What can be done with the volume's devices; nil when it has none of the kernel's.
    func devices(of volume: VolumeRow) -> (any DeviceAbility)? {
        (try? driver(of: volume))?.devices
    }

    /// A look at a volume that changes nothing.
    func inspector(_ volume: VolumeRow) throws(Problem) -> any VolumeInspector {
        try driver(of: volume).inspector(at: volume.place)
    }

    /// Whether the device that users mount is there.
    func isActive(_ volume: VolumeRow) -> Bool {
        devices(of: volume) != nil && (try? inspector(volume).isInUse) ?? false
    }

    /// Whether snapshots can lose exceptions: by policy, or whatever the policy is.
    func canBreak(_ volume: VolumeRow) -> Bool {
        volume.record.storeFullPolicy == .breakSnapshots
            || (try? driver(of: volume))?.traits.lossCause != nil
    }

    /// Runs `body` with a volume's devices, which this process has to itself.
    ///
    /// - Throws: `refused` when it has none; `sentence` says what cannot be done then.
    func withDevices<Result>(
        _ volume: VolumeRow, else sentence: String = "it has no devices of the kernel's",
        _ body: (any OpenDevices) throws -> Result
    ) throws -> Result {
        let ability = try requireDevices(volume, sentence)
        try prepareStore(volume)
        writeBackMarks(volume)
        let devices: any OpenDevices
        do {
            devices = try ability.open(volume.place)
        } catch {
            throw error.about("volume \(volume.record.name)")
        }
        defer {
            tell(devices.warnings, of: volume)
            withExtendedLifetime(devices) {}
        }
        return try body(devices)
    }

    /// Refuses volumes that are to be held together while one of them holds what another one needs: its
    /// store, or its image, on a filesystem of a volume under device-mapper. It would wait for itself.
    ///
    /// - Parameter volumes: one of them alone must not lie on itself, either.
    func requireIndependent(_ volumes: [VolumeRow]) throws {
        var tops: [DeviceNumber: String] = [:]
        for volume in volumes {
            if let number = try devices(of: volume)?.number(of: volume.place) {
                tops[DeviceNumber(encoded: number)] = volume.record.name
            }
        }
        guard !tops.isEmpty else { return }
        for volume in volumes {
            let isByPath = try driver(of: volume).traits.opensOriginByPath
            let origin = isByPath ? volume.record.originPath : nil
            for (kind, path) in [("store", volume.storePath), ("origin", origin)] {
                guard let path else { continue }
                let below = try DeviceLineage(ofFilesystemAt: path).devices
                guard let other = below.lazy.compactMap({ tops[$0] }).first else { continue }
                throw Problem(
                    .refused,
                    "the \(kind) \(path) of volume \(volume.record.name) lies on volume \(other), which "
                        + "is to be held at the same moment: it would wait for itself",
                    hint: volumes.count == 1
                        ? "move it to another device"
                        : "take the snapshots one by one, or move it to another device")
            }
        }
    }

    /// - Throws: `refused` when the volume has no devices of the kernel's; `sentence` says what cannot
    ///   be done then.
    @discardableResult
    func requireDevices(
        _ volume: VolumeRow, _ sentence: String
    ) throws -> any DeviceAbility {
        let driver = try driver(of: volume)
        if let devices = driver.devices { return devices }
        throw Problem(
            .refused, "volume \(volume.record.name) is \(driver.traits.noun): \(sentence)",
            hint: "serve it over NBD: \(.serve(volume.record.name))")
    }
}

extension VolumeRow {
    var place: VolumePlace { VolumePlace(record, storePath: storePath) }
}

// MARK: - Locks

extension ManagerContext {
    /// How long a command waits for another one that is at work on the same volume.
    static let lockPatienceMilliseconds = 5000
    /// The same for a snapshot that is due: whoever is at work, it shall not be lost.
    static let slotPatienceMilliseconds = 60_000
    private static let lockRetryMilliseconds = 20

    /// Runs `body` while no other command that changes these volumes can run.
    ///
    /// The locks are what tells a row that is being created from one that a crash left.
    /// - Throws: `locked` when another command keeps one of them for longer than a few seconds.
    func withLocks<Result>(
        _ volumes: [VolumeRow], patienceMilliseconds: Int = lockPatienceMilliseconds,
        _ body: () throws -> Result
    ) throws -> Result {
        try requireClock()
        // In the order of names, so that two commands cannot wait for each other.
        let names = Set(volumes.map(\.record.name)).sorted()
        let locks = try names.map { try waitForLock($0, patienceMilliseconds) }
        defer { withExtendedLifetime(locks) {} }
        return try body()
    }

    /// Runs `body` while no other command can make a volume of this name.
    func withLock<Result>(ofName name: String, _ body: () throws -> Result) throws -> Result {
        let lock = try waitForLock(name, Self.lockPatienceMilliseconds)
        defer { withExtendedLifetime(lock) {} }
        return try body()
    }

    /// Runs `body` when nobody is at work on these volumes; else does nothing.
    func withLocksIfFree(_ volumes: [VolumeRow], _ body: () throws -> Void) throws {
        var locks: [FileLock] = []
        for name in Set(volumes.map(\.record.name)).sorted() {
            guard let lock = try acquireLock(name) else { return }
            locks.append(lock)
        }
        defer { withExtendedLifetime(locks) {} }
        try body()
    }

    /// Takes a lock of the state folder, and says in it who has it; nil when somebody else has.
    func acquireLock(at path: String) throws -> FileLock? {
        try Paths.makeFolders(state.locksPath)
        let lock = try FileLock.acquire(path: path)
        lock?.describeHolder(StoreHolder(purpose: operation.purpose).fileContent)
        return lock
    }

    /// Who has a lock of the state folder, between commas; empty when it does not say. It is what was
    /// written last: who took the lock just now may not have come to that.
    func holder(ofLock path: String) -> String {
        StoreHolder(ofFile: path).map { ", \($0)," } ?? ""
    }

    private func acquireLock(_ volume: String) throws -> FileLock? {
        try acquireLock(at: state.lockPath(volume: volume))
    }

    private func waitForLock(_ volume: String, _ patienceMilliseconds: Int) throws -> FileLock {
        var waited = 0
        while true {
            if let lock = try acquireLock(volume) { return lock }
            guard waited < patienceMilliseconds else {
                throw Problem.isLocked(volume, holder(ofLock: state.lockPath(volume: volume)))
            }
            try end.check()
            usleep(UInt32(Self.lockRetryMilliseconds * 1000))
            waited += Self.lockRetryMilliseconds
        }
    }
}

// MARK: - Events

extension ManagerContext {
    func log(
        _ kind: EventKind, _ message: String, volume: String? = nil, snapshot: SnapshotID? = nil
    ) throws {
        try log(.info, kind, message, volume: volume, snapshot: snapshot)
    }

    func log(
        _ level: Event.Level, _ kind: EventKind, _ message: String, volume: String? = nil,
        snapshot: SnapshotID? = nil
    ) throws {
        try catalog.record(
            Event(
                level, kind: kind.rawValue, message: message, volume: volume, snapshot: snapshot,
                details: EventDetails(requestedBy: requester).text))
    }
}
