internal import Catalog
internal import DeviceMapper
internal import FileSystems
internal import SnapshotModel
internal import System

/// Has the kernel read filesystems of snapshots and clones that nothing else here can read: each is mounted in a
/// folder of the state for as long as it is looked at. That a command which was killed leaves it mounted is
/// noticed by the next one, for nobody has locked the folder then.
struct MountedFiles {
    private let context: ManagerContext
    private let folder: MountFolder

    init(_ context: ManagerContext) {
        self.context = context
        folder = MountFolder(context.state)
    }

    /// Runs `body` with a filesystem, mounted read-only.
    ///
    /// - Parameter numbers: shared by filesystems whose inodes are to be compared.
    func withFileSystem<Result>(
        _ point: FilePoint, _ partition: Int?, numbers: NodeNumbers = NodeNumbers(),
        _ body: (MountedFileSystem) throws -> Result
    ) throws -> Result {
        guard let target = point.target else {
            throw Problem(
                .refused, "\(point.name) is not mounted for this",
                hint: "look at a snapshot of it: \(.snapshot(point.volume.record.name))")
        }
        if let clone = target.clone {
            // What is written to it meanwhile would be mixed with what was read before.
            try MountHolds(context).requireUnmounted(clone: clone, of: target.volume)
        }
        endStraysQuietly()
        let (place, lock) = try freePlace()
        defer { withExtendedLifetime(lock) {} }
        try folder.makeReadingFolder(place)
        let result = Swift.Result { () throws -> Result in
            let report = try MountService(context: context).mount(
                target, on: FileFolder.realPath(place.path), partition: partition,
                environment: context.environment)
            // With it go the descriptors that it has open there.
            let source = MountSource(context, report)
            return try body(
                MountedFileSystem(
                    path: report.folder, kind: report.filesystem ?? "", numbers: numbers
                ) { source.isReadable })
        }
        end(place, .whileEnding)
        return try result.get()
    }

    private func freePlace() throws -> (MountFolder.ReadingPlace, FileLock) {
        for place in folder.readingPlaces {
            guard let lock = try context.acquireLock(at: place.lockPath) else { continue }
            // Of one that is still mounted somebody has files open.
            if (try? isMounted(place)) == false { return (place, lock) }
        }
        throw Problem(
            .locked, "too many commands look at files in mounts of their own",
            hint: "wait for one of them to end, then run the command again")
    }

    private func isMounted(_ place: MountFolder.ReadingPlace) throws -> Bool {
        guard try FileFolder.exists(path: place.path) else { return false }
        return try MountTable.isPoint(FileFolder.realPath(place.path))
    }

    /// What stays is met by the next command.
    private func end(_ place: MountFolder.ReadingPlace, _ patience: ImageMounts.Patience) {
        do {
            let path = try FileFolder.realPath(place.path)
            if try MountTable.isPoint(path) {
                _ = try MountService(context: context).unmount(path, patience)
            }
            try folder.removeReadingFolder(place)
        } catch {
            context.note(
                "what was mounted to be read stays mounted on \(place.path): "
                    + Problem(error).message)
        }
    }

    /// Ends what commands that were killed have left mounted; nothing while another one mounts or unmounts.
    func endStraysQuietly() {
        for place in (try? folder.usedReadingPlaces()) ?? [] {
            guard (try? context.acquireLock(at: folder.lockPath)) != nil,
                let lock = try? context.acquireLock(at: place.lockPath)
            else { continue }
            end(place, .none)
            withExtendedLifetime(lock) {}
        }
    }
}
