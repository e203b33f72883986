internal import System
internal import Catalog
internal import SnapshotModel
internal import StoreFormat

/// Counts what a volume's store occupies. What does not change any more the catalog remembers, so that the
/// filesystem is asked for the last snapshots, and not for each that there is.
///
/// It is believed as long as the folder of snapshots is the one that was counted, and holds as many folders as
/// are known. Where the filesystem does not count them, or somebody has put one there or taken one away, they
/// are listed, and those that are not known are asked for. What else somebody does in a folder that was counted
/// is seen when the volume has been checked (``CatalogStore/forgetLooks(volume:waits:)``).
struct StoreCount {
    private let context: ManagerContext
    private let volume: VolumeRow
    private let folder: FileFolder

    init(_ context: ManagerContext, _ volume: VolumeRow) {
        self.context = context
        self.volume = volume
        folder = FileFolder(path: volume.storePath)
    }

    private var name: String { volume.record.name }

    /// The bytes that all files of the store occupy, as far as is known.
    ///
    /// - Parameter remembers: whether the catalog may remember what had to be asked for.
    func bytes(remembers: Bool) throws -> Int {
        let remembers = remembers && context.catalog.access == .writable
        let usage =
            (try? context.catalog.storeUsage(volume: name))
            ?? StoreUsageRow(snapshotsSeen: volume.snapshotsSeen)
        return try folder.list("").reduce(0) { total, entry in
            switch entry {
            case StoreLayout.snapshots:
                total.addingClamped(try snapshotBytes(usage, remembers: remembers))
            case StoreLayout.index:
                total.addingClamped(try indexBytes(usage.index, remembers: remembers))
            // As small as they are many: a thousandth of what they seal at most, and not worth a look at each.
            case StoreLayout.seals: total
            default: total.addingClamped(try StoreUsage.bytes(of: entry, in: folder))
            }
        }
    }

    /// What the folder of a snapshot occupies that changes no more; nil when it may change yet, or cannot be
    /// asked for: the next look does that. To be asked outside of a transaction, for a disk may be slow.
    func settled(_ ordinal: SnapshotOrdinal) -> SettledUsage? {
        guard ordinal.rawValue > 0, context.catalog.access == .writable,
            // Before it is measured: one that settles meanwhile may have grown since.
            (try? context.catalog.hasChunkMap(volume: name, ordinal: ordinal)) == true,
            let identity = try? folder.folderIdentity(StoreLayout.snapshots),
            // Else all that was counted would be forgotten first: that is no part of taking a snapshot.
            (try? context.catalog.storeUsage(volume: name))?.folder == identity,
            let bytes = try? bytes(of: ordinal)
        else { return nil }
        return SettledUsage(folder: identity, ordinal: ordinal, bytes: bytes)
    }

    func remember(_ usage: SettledUsage) throws {
        try context.catalog.recordUsage(
            of: [usage.ordinal: usage.bytes], in: usage.folder, volume: name)
    }

    /// So many folders are counted at most by one ``catchUp(atMost:)``: each tick has its time.
    static let catchUpMaximum = 256

    /// Counts what is there to be remembered and is not, if it is more than the next look counts anyway: where
    /// nobody looks but monitoring, which writes nothing, each of its looks would count that again. The newest
    /// first, and some at a time; folders that cannot be asked are left out.
    func catchUp(atMost limit: Int = catchUpMaximum) throws {
        guard let identity = try folder.folderIdentity(StoreLayout.snapshots) else { return }
        let isKnown = try context.catalog.storeUsage(volume: name).folder == identity
        // Before they are measured: one that settles meanwhile may have grown since.
        let missing = try context.catalog.settledSnapshots(volume: name, isCounted: !isKnown)
        guard !isKnown || missing.count > 1 else { return }
        var found: [SnapshotOrdinal: Int] = [:]
        for ordinal in missing.sorted(by: >).prefix(limit) {
            // What was counted is remembered all the same.
            guard (try? context.end.check()) != nil else { break }
            found[ordinal] = try? bytes(of: ordinal)
        }
        try context.catalog.recordUsage(of: found, in: identity, volume: name)
    }

    /// Nil when there is no such folder.
    private func bytes(of ordinal: SnapshotOrdinal) throws -> Int? {
        let entry = StoreLayout.snapshotFolder(ordinal)
        guard try folder.isFolder(entry) else { return nil }
        return try StoreUsage.bytes(of: entry, in: folder)
    }
}

// MARK: - Snapshots

extension StoreCount {
    private func snapshotBytes(_ usage: StoreUsageRow, remembers: Bool) throws -> Int {
        guard let status = try folder.status(StoreLayout.snapshots), status.kind == .folder else {
            return try StoreUsage.bytes(of: StoreLayout.snapshots, in: folder)
        }
        let identity = try folder.folderIdentity(StoreLayout.snapshots)
        let isSame = identity != nil && usage.folder == identity
        if isSame {
            let asked = try changing(usage).compactMap { try bytes(of: $0) }
            // A folder's own two names, and the `..` of each in it.
            if status.linkCount - 2 == usage.snapshotCount + asked.count {
                return asked.reduce(usage.snapshotBytes) { $0.addingClamped($1) }
            }
        }
        return try listedBytes(identity, isSame: isSame, remembers: remembers)
    }

    /// The snapshots that are never remembered: the newest, the one before it, whose area may not be tidied
    /// yet, and the one whose area takes what a merge overwrites.
    private func changing(_ usage: StoreUsageRow) -> Set<SnapshotOrdinal> {
        let newest = usage.snapshotsSeen.rawValue
        let safety = (try? context.reader(volume).runningRevert())?.safety
        return Set([newest, newest - 1].filter { $0 > 0 }.map { SnapshotOrdinal(rawValue: $0) })
            .union([safety].compactMap(\.self))
    }

    private func listedBytes(
        _ identity: String?, isSame: Bool, remembers: Bool
    ) throws -> Int {
        let remembers = remembers && identity != nil
        let known =
            isSame ? (try? context.catalog.countedSnapshots(volume: name)) ?? [:] : [:]
        // Asked before the folders are: one that settles meanwhile may have grown since it was measured.
        let settled = Set(
            remembers
                ? (try? context.catalog.settledSnapshots(volume: name, isCounted: !isSame)) ?? []
                : [])
        var found: [SnapshotOrdinal: Int] = [:]
        var total = 0
        for entry in try folder.list(StoreLayout.snapshots) {
            try context.end.check()
            let ordinal = StoreLayout.number(of: entry).map { SnapshotOrdinal(rawValue: $0) }
            let bytes =
                try ordinal.flatMap { known[$0] }
                ?? StoreUsage.bytes(of: StoreLayout.snapshots + "/" + entry, in: folder)
            total = total.addingClamped(bytes)
            if let ordinal, settled.contains(ordinal) { found[ordinal] = bytes }
        }
        // Nothing is written when nothing can be remembered that is not: deleted snapshots' areas, which
        // change with each deletion, are asked for each time. What was counted is right without it.
        if let identity, remembers, !isSame || !found.isEmpty {
            try? context.catalog.recordUsage(of: found, in: identity, volume: name)
        }
        return total
    }
}

// MARK: - The index

extension StoreCount {
    /// How long ago the index must have changed to be remembered, in seconds: two changes within one tick of
    /// the kernel's clock look like one.
    private static let restSeconds: Int64 = 2

    private func indexBytes(_ known: IndexUsage?, remembers: Bool) throws -> Int {
        guard let status = try folder.status(StoreLayout.index), status.kind == .folder else {
            return try StoreUsage.bytes(of: StoreLayout.index, in: folder)
        }
        let identity = try folder.folderIdentity(StoreLayout.index)
        let stamp = identity.map { "\($0)-\(status.changedNanoseconds)" }
        if let known, known.stamp == stamp { return known.bytes }
        let bytes = try StoreUsage.bytes(of: StoreLayout.index, in: folder)
        let changed = Timestamp(clampingSeconds: status.changedNanoseconds / 1_000_000_000)
        // By the kernel's clock, and not by the one that the use case has.
        if let stamp, remembers,
            changed.advanced(bySeconds: Self.restSeconds) < SystemClock().now()
        {
            try? context.catalog.recordUsage(
                of: IndexUsage(stamp: stamp, bytes: bytes), volume: name)
        }
        return bytes
    }
}

/// What the folder of a snapshot occupies that changes no more.
struct SettledUsage {
    /// What tells the folder that it is in from its copies.
    let folder: String
    let ordinal: SnapshotOrdinal
    let bytes: Int
}
