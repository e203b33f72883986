internal import SnapshotModel

/// Keeps what is mounted from being taken away; a mount of all snapshots holds none of them, but the volume. To be asked while the volume is locked: what is mounted has
/// its record by then.
struct MountHolds {
    private let folder: MountFolder
    private let parts: MountParts
    private let trees: TreeMounts
    private let devices: DeviceMounts

    init(_ context: ManagerContext) {
        folder = MountFolder(context.state)
        parts = MountParts(context)
        trees = TreeMounts(context)
        devices = DeviceMounts(context: context)
    }

    /// Those whose programs are there; what is left of others holds nothing.
    private func held(_ isMeant: (MountRecord) -> Bool) throws -> [MountRecord] {
        try folder.records().filter { isMeant($0) && parts.isInUse($0) }
    }

    /// The snapshots of a volume that are mounted themselves, and where; those of clones stay for their clones' sake.
    func points(of volume: String) throws -> [SnapshotID: [String]] {
        var points: [SnapshotID: [String]] = [:]
        for record in try held({ $0.volume == volume && $0.clone == nil }) {
            points[record.snapshot, default: []].append(record.folder)
        }
        for mount in try devices.list() where mount.volume == volume && mount.clone == nil {
            guard let id = mount.snapshot else { continue }
            points[id, default: []].append(mount.folder)
        }
        return points.mapValues { $0.sorted() }
    }

    /// - Throws: `refused`, naming where it is mounted.
    func requireUnmounted(_ ids: [SnapshotID]) throws {
        try refuse(held { $0.clone == nil && ids.contains($0.snapshot) })
        try refuse(
            devices.list().filter { mount in
                mount.clone == nil && mount.snapshot.map(ids.contains) ?? false
            })
    }

    /// - Throws: `refused`, naming where it is mounted.
    func requireUnmounted(clone: String, of volume: String) throws {
        try refuse(held { $0.volume == volume && $0.clone == clone })
        try refuse(devices.list().filter { $0.volume == volume && $0.clone == clone })
    }

    /// - Throws: `refused`, naming what of it is mounted, and where.
    func requireUnmounted(volume: String) throws {
        try refuse(held { $0.volume == volume })
        let tree = try folder.records(TreeRecord.self)
            .first { $0.volume == volume && trees.isRunning($0) }
        if let tree { throw Self.refusal(tree.what, tree.folder) }
    }

    /// What the kernel has mounted from a device of its own.
    private func refuse(_ mounts: [MountReport]) throws {
        guard let mount = mounts.first else { return }
        throw Self.refusal(mount.what, mount.folder)
    }

    private func refuse(_ records: [MountRecord]) throws {
        guard let record = records.first else { return }
        throw Self.refusal(record.what, record.folder)
    }

    private static func refusal(_ what: String, _ path: String) -> Problem {
        Problem(.refused, "\(what) is mounted on \(path)", hint: "run \(.umount(path))")
    }
}
