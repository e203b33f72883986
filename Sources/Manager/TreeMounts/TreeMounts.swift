internal import Catalog
internal import DeviceMapper
internal import Glibc
internal import SnapshotModel
internal import System
internal import VolumeAccess

/// Mounts of all snapshots of a volume, each of one program that shows them: begun, ended, and cleaned up after
/// what a crash has left.
struct TreeMounts {
    private let context: ManagerContext
    private let folder: MountFolder

    init(_ context: ManagerContext) {
        self.context = context
        folder = MountFolder(context.state)
    }

    // MARK: Mounting

    func mount(_ request: TreeRequest, environment: [String: String]) throws -> MountReport {
        let path = try MountService.existingFolder(request.folder)
        let volume = try context.volume(request.volume)
        try context.requireContent(volume, "mounted")
        let point = try MountPoint(path)
        try TreeTools.require()
        try Reconciler(context).tidy([request.volume])
        let count = try requireReadable(volume, request.partition)
        guard !request.isDryRun else {
            return try record(request, volume, path, number: 0)
                .report(.planned, snapshotCount: count)
        }
        return try ImageMounts(context).locked {
            try sweep()
            try point.requireFree()
            var record = try record(
                request, volume, path, number: folder.freeNumber(TreeRecord.self))
            do {
                if context.devices(of: volume) == nil {
                    _ = try MountServer(context).require(volume, environment: environment)
                }
                try begin(&record)
            } catch {
                // What failed first is what people must know.
                try? end(record, isForced: true)
                throw error
            }
            try context.log(
                .mounted, "\(record.what) was mounted on \(path)", volume: request.volume)
            return record.report(.mounted, snapshotCount: count)
        }
    }

    private func record(
        _ request: TreeRequest, _ volume: VolumeRow, _ path: String, number: Int
    ) throws -> TreeRecord {
        TreeRecord(
            number: number, volume: request.volume, partition: request.partition, folder: path,
            names: request.names, mountedAt: context.clock.now(),
            storePath: try Paths.absolute(volume.storePath))
    }

    /// What no snapshot can be read of is refused before anything begins.
    ///
    /// - Returns: how many snapshots there are.
    private func requireReadable(_ volume: VolumeRow, _ partition: Int?) throws -> Int {
        let name = volume.record.name
        let rows = try context.catalog.readableSnapshots(of: name)
        let reference = rows.last.map { "\($0.id)" } ?? "\(name)@live"
        do {
            try FileAccess(context: context)
                .withFileSystem(reference, partition: partition, mounts: false) { _, _ in }
        } catch let problem as Problem where problem.code == .corrupt {
            // One that is damaged keeps nobody from the others.
            context.note(problem.message)
        }
        return rows.count
    }

    /// The volume is kept from being removed until the program holds it.
    private func begin(_ record: inout TreeRecord) throws {
        try Reconciler(context).withVolume(record.volume) { _ in
            try folder.write(record)
            let program = try DetachedProgram(
                arguments(record), logPath: folder.treeLogPath(record.number))
            record.program = program.identity
            try folder.write(record)
            try awaitMount(record, program)
        }
    }

    private func arguments(_ record: TreeRecord) throws -> [String] {
        [
            try Paths.absolute("/proc/self/exe"), "mount", "--all", record.volume, record.folder,
            "--serve-tree", "\(record.number)", "--quiet", "--state",
            try Paths.absolute(context.state.path),
        ]
    }

    private static let startMilliseconds = 20_000
    private static let lookMilliseconds = 2

    private func awaitMount(_ record: TreeRecord, _ program: DetachedProgram) throws {
        let deadline = Deadline(milliseconds: Self.startMilliseconds)
        while try !MountTable.isPoint(record.folder) {
            try context.end.check()
            guard !program.hasEnded, !deadline.hasPassed else {
                throw Problem(
                    .failed,
                    "\(record.what) cannot be mounted on \(record.folder): \(program.lastWords)",
                    hint: "see `dmesg`, and who may mount there")
            }
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
    }

    // MARK: Unmounting

    /// Ends what is mounted on a folder; nil when it is none of these mounts.
    ///
    /// - Parameter path: absolute and without links.
    func unmount(
        _ path: String, _ patience: ImageMounts.Patience = .usual
    ) throws -> TreeRecord? {
        guard folder.mayHoldMounts else { return nil }
        return try ImageMounts(context).locked(patience) {
            let records = try folder.records(TreeRecord.self).filter { $0.folder == path }
            guard let record = records.max(by: { $0.mountedAt < $1.mountedAt }) else { return nil }
            try end(record, isForced: !isRunning(record))
            try context.log(
                .unmounted, "\(record.what) was unmounted from \(path)", volume: record.volume)
            return record
        }
    }

    private static let patienceMilliseconds = 5_000

    /// Unmounts it and ends what it was made of.
    ///
    /// - Parameter isForced: for what cannot be used any more: nobody who has files open there is asked.
    /// - Throws: `refused` while somebody uses files on it.
    private func end(_ record: TreeRecord, isForced: Bool) throws {
        if try MountTable.isPoint(record.folder, subtype: Self.subtype) {
            do throws(IOFailure) {
                try TreeTools.unmount(record.folder, isForced: isForced)
            } catch {
                throw MountParts.refusal(error.code, record.folder)
            }
        }
        if let program = record.program, !program.awaitEnd(milliseconds: Self.patienceMilliseconds)
        {
            program.send(SIGKILL)
        }
        try Paths.remove(folder.treeLogPath(record.number))
        try folder.remove(record.number, TreeRecord.self)
        endServer(record)
    }

    /// It is unmounted already, whatever becomes of this.
    private func endServer(_ record: TreeRecord) {
        do {
            try MountServer(context)
                .endUnlessUsed(of: record.volume, storePath: record.storePath)
        } catch {
            context.note(
                "whether a server of volume \(record.volume) was left by its mounts cannot be told: "
                    + Problem(error).message)
        }
    }

    /// What the table of mounts calls these.
    static let subtype = "fuse.snapmgr"

    // MARK: After a crash

    /// Whether the program is there: what is in doubt counts as there.
    func isRunning(_ record: TreeRecord) -> Bool {
        (try? DetachedProgram.isRunning(logPath: folder.treeLogPath(record.number))) ?? true
    }

    private func state(of record: TreeRecord) -> MountReport.State {
        if isRunning(record) { return .mounted }
        let isMounted = (try? MountTable.isPoint(record.folder, subtype: Self.subtype)) ?? true
        return isMounted ? .broken : .unmounted
    }

    /// Ends what is left of mounts whose program has ended, or was ended by an unmount by hand.
    private func sweep() throws {
        for record in try folder.records(TreeRecord.self) where !isRunning(record) {
            do {
                try end(record, isForced: true)
                context.note(
                    "\(record.what) was mounted on \(record.folder), and is not any more: what was left "
                        + "of that has been removed")
            } catch {
                context.note(
                    "\(record.what) was mounted on \(record.folder), and what is left of that stays: "
                        + Problem(error).message)
            }
        }
    }

    /// The same for commands that do something else; nothing while another one mounts or unmounts. What fails
    /// is said.
    func sweepQuietly() {
        // Users unmount by a program that may do so.
        guard geteuid() != 0 || ProcessIdentity.mayMount else { return }
        do {
            guard try folder.records(TreeRecord.self).contains(where: { !isRunning($0) }),
                let lock = try context.acquireLock(at: folder.lockPath)
            else { return }
            defer { withExtendedLifetime(lock) {} }
            try sweep()
        } catch {
            context.note(Problem(error).message)
        }
    }

    // MARK: Listing

    func list() throws -> [MountReport] {
        try folder.records(TreeRecord.self).map { record in
            let count = try? context.catalog.readableSnapshots(of: record.volume).count
            return record.report(state(of: record), snapshotCount: count)
        }
    }
}

/// What a mount of all snapshots is told.
package struct TreeRequest: Hashable, Sendable {
    package var volume: String
    package var folder: String
    /// Its number on a disk that has partitions; nil is the whole.
    package var partition: Int?
    package var names: FolderNames
    package var isDryRun: Bool

    package init(
        volume: String, folder: String, partition: Int? = nil, names: FolderNames = .local,
        isDryRun: Bool = false
    ) {
        self.volume = volume
        self.folder = folder
        self.partition = partition
        self.names = names
        self.isDryRun = isDryRun
    }
}
