internal import System
internal import Catalog
internal import DeviceMapper
internal import Glibc
internal import SnapshotModel
internal import VolumeAccess

/// What `mount` is told.
package struct MountRequest: Hashable, Sendable {
    /// Of a snapshot, or a clone's name.
    package var reference: String
    package var folder: String
    /// Its number on a disk that has partitions; nil is the whole.
    package var partition: Int?
    /// Whether somebody wants to write to it, which a snapshot is not for.
    package var isForWriting: Bool

    package init(
        reference: String, folder: String, partition: Int? = nil, isForWriting: Bool = false
    ) {
        self.reference = reference
        self.folder = folder
        self.partition = partition
        self.isForWriting = isForWriting
    }
}

/// Mounts snapshots and clones, unmounts them, and tells what is mounted.
package struct MountService {
    let context: ManagerContext

    // MARK: Mounting

    /// Mounts a snapshot, read-only, or a clone. What fails leaves nothing behind.
    ///
    /// - Parameter environment: where `PATH` and `SNAPMGR_NBDKIT_PLUGIN` are.
    /// - Throws: `refused` for an inactive volume, for what is not a filesystem, and where something is mounted
    ///   or lies in the folder already; `missing` when a program or a part of the kernel is.
    package func mount(
        _ request: MountRequest, environment: [String: String]
    ) throws -> MountReport {
        ImageMounts(context).sweepQuietly()
        let folder = try Self.existingFolder(request.folder)
        let target = try target(request.reference)
        if request.isForWriting, target.isReadOnly { throw readOnlyProblem(target) }
        return try mount(
            target, on: folder, partition: request.partition, environment: environment)
    }

    /// Mounts what was found already.
    ///
    /// - Parameter folder: absolute, without links.
    func mount(
        _ target: MountTarget, on folder: String, partition: Int?, environment: [String: String]
    ) throws -> MountReport {
        let point = try MountPoint(folder)
        try Reconciler(context).tidy([target.volume])
        let volume = try context.volume(target.volume)
        try context.requireContent(volume, "mounted")
        let images = ImageMounts(context)
        guard context.devices(of: volume) == nil else {
            return try images.locked {
                try DeviceMounts(context: context).mount(
                    target, volume, partition: partition, on: point)
            }
        }
        let record = try images.mount(
            target, on: point, partition: partition, environment: environment)
        return MountReport(
            record, devicePath: (try? record.loop(in: MountFolder(context.state)))?.path)
    }

    private func readOnlyProblem(_ target: MountTarget) -> Problem {
        guard let clone = target.clone else {
            return Problem(
                .refused, "snapshot \(target.snapshot) can be mounted read-only only",
                hint: "make a clone, and mount that: \(.cloneCreate(target.snapshot))")
        }
        return Problem(
            .refused, "clone \(clone) can be mounted read-only only: it keeps a state",
            hint: "make a clone of it, and mount that: \(.cloneOfClone(clone))")
    }

    /// A number is a snapshot's id, whatever clones are called.
    private func target(_ reference: String) throws -> MountTarget {
        if Int(reference) == nil,
            let row = try CloneService(context: context).find(reference)
        {
            return MountTarget(
                volume: row.volume, snapshot: row.record.snapshotID, clone: row.record.name,
                isReadOnly: row.record.isReadOnly)
        }
        let row = try ReferenceResolver(context).snapshot(reference)
        try context.requireWhole(row)
        return MountTarget(volume: row.volume, snapshot: row.id)
    }

    static func existingFolder(_ path: String, for purpose: String = "mount on") throws -> String {
        let path = try Paths.absolute(path)
        guard try Paths.exists(path) else {
            throw Problem(
                .notFound, "the folder \(path) does not exist", hint: "run `mkdir \(path)`")
        }
        guard try FileStatus(path: path).kind == .folder else {
            throw Problem(.failed, "\(path) is not a folder", hint: "name a folder to \(purpose)")
        }
        return path
    }

    /// Mounts a folder for each snapshot of a volume, kept up to date, in one mount of one program. What fails
    /// leaves nothing behind.
    ///
    /// - Parameter environment: where `PATH` and `SNAPMGR_NBDKIT_PLUGIN` are.
    /// - Throws: `refused` for what is no ext4, and where something is mounted or lies in the folder already;
    ///   `missing` when a program or a part of the kernel is.
    package func mountAll(
        _ request: TreeRequest, environment: [String: String]
    ) throws -> MountReport {
        ImageMounts(context).sweepQuietly()
        return try TreeMounts(context).mount(request, environment: environment)
    }

    /// Is the program of such a mount, until it is unmounted.
    ///
    /// - Parameter number: of its record.
    package func serveTree(_ number: Int, environment: [String: String]) throws {
        try TreeProgram(context: context).run(number, environment: environment)
    }

    // MARK: Unmounting

    /// Unmounts a snapshot, a clone or all snapshots, and ends all that it was mounted with; or a volume under device-mapper
    /// itself, and does the revert that waited for this.
    ///
    /// - Throws: `refused` while it is in use, `notFound` when no snapshot is mounted there.
    package func unmount(_ folder: String) throws -> MountReport {
        try unmount(folder, .usual)
    }

    /// - Parameter patience: with another command that mounts or unmounts.
    func unmount(_ folder: String, _ patience: ImageMounts.Patience) throws -> MountReport {
        // Of one whose server has gone nothing can be read.
        let path = try Paths.absolute(folder)
        if let record = try ImageMounts(context).unmount(path, patience) {
            return MountReport(record, state: .unmounted)
        }
        if let record = try TreeMounts(context).unmount(path, patience) {
            return record.report(.unmounted)
        }
        return try DeviceMounts(context: context).unmount(try Self.existingFolder(path))
    }

    // MARK: Listing

    /// What is mounted of the volumes of this state, by volume and folder.
    package func list(_ volumes: [String] = []) throws -> [MountReport] {
        let names = Set(try context.volumes(context.members(of: volumes)).map(\.record.name))
        let parts = MountParts(context)
        let images = try MountFolder(context.state).records().map { record in
            // Who may not look at devices is told the rest.
            let loop = try? record.loop(in: MountFolder(context.state))
            return MountReport(
                record, devicePath: loop?.path,
                state: parts.state(of: record))
        }
        let trees = try TreeMounts(context).list()
        return try (images + trees + DeviceMounts(context: context).list())
            .filter { names.contains($0.volume) }
            .sorted { ($0.volume, $0.folder) < ($1.volume, $1.folder) }
    }
}
