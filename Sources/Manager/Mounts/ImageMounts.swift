internal import Catalog
internal import DeviceMapper
internal import FoundationEssentials
internal import Glibc
internal import SnapshotModel
internal import System
internal import VolumeAccess

/// Mounts of images' snapshots and clones, each of a server, a program that makes a file of an export, and a
/// loop device over that: begun, ended, and cleaned up after what a crash has left.
struct ImageMounts {
    private let context: ManagerContext
    private let folder: MountFolder
    private let parts: MountParts

    init(_ context: ManagerContext) {
        self.context = context
        folder = MountFolder(context.state)
        parts = MountParts(context)
    }

    // MARK: Mounting

    func mount(
        _ target: MountTarget, on point: MountPoint, partition: Int?, environment: [String: String]
    ) throws -> MountRecord {
        let tools = try MountTools(environment: environment)
        return try locked {
            try sweep()
            try point.requireFree()
            let volume = try context.volume(target.volume)
            // It makes the folder, in which a server says something first.
            let number = try folder.freeNumber()
            return try served(volume, environment: environment) { place in
                try requirePresent(target)
                return try mount(
                    record(number, target, point.path, partition, place, volume), on: point, tools)
            }
        }
    }

    private static let attemptsMaximum = 3

    /// Runs `body` with a server of the volume: with another one, where the one that was found ends, for it was told
    /// to before, and by a command that has not lived to see it.
    private func served<Result>(
        _ volume: VolumeRow, environment: [String: String],
        _ body: (MountServer.Place) throws -> Result
    ) throws -> Result {
        let name = volume.record.name
        let server = MountServer(context)
        var attempt = 1
        while true {
            let place = try server.require(volume, environment: environment)
            do {
                // What is mounted is not deleted meanwhile.
                return try Reconciler(context).withVolume(name) { _ in try body(place) }
            } catch {
                let isOver = try !RunningServer.takesClients(place.socket)
                // What failed first is what people must know.
                try? server.endUnlessUsed(place, of: name)
                guard isOver, attempt < Self.attemptsMaximum else { throw error }
                try context.end.check()
                attempt += 1
            }
        }
    }

    private func record(
        _ number: Int, _ target: MountTarget, _ path: String, _ partition: Int?,
        _ place: MountServer.Place, _ volume: VolumeRow
    ) throws -> MountRecord {
        try MountRecord(
            number: number, volume: target.volume, snapshot: target.snapshot, clone: target.clone,
            partition: partition, folder: path, isReadOnly: target.isReadOnly,
            mountedAt: context.clock.now(), storePath: Paths.absolute(volume.storePath),
            server: place.process, socket: place.socket, ownsServer: place.isOwn,
            hasLoop: geteuid() == 0,
            label: "snapmgr-mount-" + UUID().uuidString.lowercased())
    }

    private func mount(
        _ begun: MountRecord, on point: MountPoint, _ tools: MountTools
    ) throws -> MountRecord {
        var record = begun
        do {
            try parts.make(&record, on: point, tools)
            try context.log(
                .mounted, "\(record.what) was mounted on \(record.folder)", volume: record.volume,
                snapshot: record.snapshot)
        } catch {
            try? parts.end(record, isForced: true)
            throw error
        }
        return record
    }

    private func requirePresent(_ target: MountTarget) throws {
        if let clone = target.clone {
            let isThere = try context.catalog.clones(named: clone)
                .contains { $0.volume == target.volume }
            guard isThere else {
                throw Problem(
                    .notFound, "there is no clone \(clone) any more",
                    hint: "see them all: \(.cloneList)")
            }
        }
        guard let row = try context.catalog.snapshot(target.snapshot), row.phase == .present else {
            throw Problem.noSnapshot("\(target.snapshot)")
        }
        try context.requireWhole(row)
    }

    // MARK: Unmounting

    /// Ends what is mounted on a folder; nil when it is none of these mounts.
    ///
    /// - Parameters:
    ///   - path: absolute and without links.
    ///   - patience: with another command that mounts or unmounts.
    func unmount(_ path: String, _ patience: Patience = .usual) throws -> MountRecord? {
        guard folder.mayHoldMounts else { return nil }
        return try locked(patience) {
            // The one that was mounted last lies above others on the same folder.
            let records = try folder.records().filter { $0.folder == path }
            guard let record = records.max(by: { $0.mountedAt < $1.mountedAt }) else { return nil }
            try end(record, isForced: !parts.isWhole(record))
            return record
        }
    }

    private func end(_ record: MountRecord, isForced: Bool) throws {
        try parts.end(record, isForced: isForced)
        try context.log(
            .unmounted, "\(record.what) was unmounted from \(record.folder)",
            volume: record.volume, snapshot: record.snapshot)
    }

    // MARK: After a crash

    /// Ends what is left of mounts that cannot be used any more, or were unmounted by hand. One of which somebody
    /// holds something, so that it cannot be ended yet, is said, and keeps nobody from the others.
    func sweep() throws {
        for record in try folder.records() where !parts.isWhole(record) {
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
        try MountServer(context).endStrays()
    }

    /// The same for commands that do something else; nothing while another one mounts or unmounts. What fails
    /// is said.
    func sweepQuietly() {
        TreeMounts(context).sweepQuietly()
        // A unit's tick may have no right to unmount: `status` tells what waits for who has.
        // Other users than root unmount by a program that may do so.
        guard folder.mayHoldMounts, geteuid() != 0 || ProcessIdentity.mayMount else { return }
        MountedFiles(context).endStraysQuietly()
        do {
            guard
                try folder.records().contains(where: { !parts.isWhole($0) })
                    || !MountServer(context).strays().isEmpty
                    || !DeviceMounts(context: context).strays().isEmpty,
                let lock = try context.acquireLock(at: folder.lockPath)
            else { return }
            defer { withExtendedLifetime(lock) {} }
            try sweep()
            try DeviceMounts(context: context).endStrays()
        } catch {
            context.note(Problem(error).message)
        }
    }

    // MARK: The lock

    /// How another command is waited for that mounts or unmounts.
    enum Patience {
        case usual
        /// Though this command was told to end: it tidies up.
        case whileEnding
        /// Not at all.
        case none
    }

    private static let patienceMilliseconds = 60_000
    private static let lookMilliseconds = 10

    /// Runs `body` while no other command of this state mounts or unmounts.
    func locked<Result>(
        _ patience: Patience = .usual, _ body: () throws -> Result
    ) throws -> Result {
        let deadline = Deadline(milliseconds: Self.patienceMilliseconds)
        while true {
            if let lock = try context.acquireLock(at: folder.lockPath) {
                defer { withExtendedLifetime(lock) {} }
                return try body()
            }
            guard patience != .none, !deadline.hasPassed else {
                throw Problem(
                    .locked,
                    "another mount or umount\(context.holder(ofLock: folder.lockPath)) is at work",
                    hint: "wait for it to end, then run the command again")
            }
            if patience == .usual { try context.end.check() }
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
    }
}
