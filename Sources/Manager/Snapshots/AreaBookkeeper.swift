internal import Catalog
internal import SnapshotModel
internal import StoreFormat

/// Keeps the catalog's index of frozen areas, and the sizes that follow from it.
struct AreaBookkeeper {
    private let context: ManagerContext
    private let volume: VolumeRow
    private let maps: AreaMaps

    init(_ context: ManagerContext, _ volume: VolumeRow) {
        self.context = context
        self.volume = volume
        maps = AreaMaps(context, volume)
    }

    private var name: String { volume.record.name }

    /// What there is to be counted once a snapshot was taken; to be asked before ``snapshotTaken(_:_:)``,
    /// outside of its transaction.
    func settled(before ordinal: SnapshotOrdinal) -> SettledUsage? {
        StoreCount(context, volume).settled(SnapshotOrdinal(rawValue: ordinal.rawValue - 2))
    }

    /// After a snapshot was taken: the area before it has frozen, which settles the sizes of both.
    func snapshotTaken(_ ordinal: SnapshotOrdinal, _ usage: SettledUsage?) throws {
        try recordMap(SnapshotOrdinal(rawValue: ordinal.rawValue - 1))
        try refreshSizes(around: ordinal)
        if let usage { try StoreCount(context, volume).remember(usage) }
    }

    /// The sizes of those that stay beside snapshots that are being deleted. Of many,
    /// to be asked outside a transaction: areas may have to be read.
    func sizesBeside(_ ordinals: [SnapshotOrdinal]) throws -> [SnapshotID: SnapshotSizes] {
        var sizes: [SnapshotID: SnapshotSizes] = [:]
        var newer: SnapshotRow?
        for ordinal in ordinals.sorted() {
            // Between the same two as the one before.
            if let newer, ordinal < newer.ordinal { continue }
            newer = try live(.newer, than: ordinal)
            let rows = [try live(.older, than: ordinal), newer].compactMap(\.self)
            for row in rows where sizes[row.id] == nil { sizes[row.id] = try self.sizes(of: row) }
            if newer == nil { break }
        }
        return sizes
    }

    /// Of the areas that a session tells of, those that are still there: they took over what others held.
    /// To be asked outside a transaction: they are read.
    func extended(_ told: [SnapshotOrdinal]) throws -> [SnapshotOrdinal: ChunkMap] {
        guard let first = told.min(), let last = told.max() else { return [:] }
        var found: [SnapshotOrdinal: ChunkMap] = [:]
        let live = try context.catalog.liveOrdinals(volume: name, in: first..<last.next)
        for ordinal in Set(told).intersection(live) {
            // One that cannot be read is asked for by whoever needs it.
            found[ordinal] = try? maps.chunkMap(of: ordinal)
        }
        return found
    }

    /// After snapshots were deleted: their neighbours changed, and areas may be gone.
    ///
    /// - Parameter extended: of the same areas, as ``extended(_:)`` found them.
    func snapshotsDeleted(
        _ sizes: [SnapshotID: SnapshotSizes], removedAreas: [SnapshotOrdinal],
        _ extended: [SnapshotOrdinal: ChunkMap]
    ) throws {
        if !removedAreas.isEmpty {
            try context.catalog.removeChunkMaps(volume: name, ordinals: removedAreas)
        }
        for (ordinal, map) in extended {
            try context.catalog.storeChunkMap(map, volume: name, ordinal: ordinal)
        }
        try record(sizes)
    }

    /// After a merge has ended: the area of its safety snapshot grows no more.
    func mergeEnded(safety ordinal: SnapshotOrdinal) throws {
        guard ordinal < (try newestOrdinal()) else { return }
        try recordMap(ordinal)
        try refreshSizes(around: ordinal)
    }

    private func newestOrdinal() throws -> SnapshotOrdinal {
        try context.volume(name).snapshotsSeen
    }

    /// Records an area's map, when there is such an area and it grows no more.
    private func recordMap(_ ordinal: SnapshotOrdinal) throws {
        guard ordinal.rawValue > 0, ordinal < (try newestOrdinal()) else { return }
        let reader = try maps.reader()
        // A running merge still preserves into the area of its safety snapshot.
        guard try reader.runningRevert()?.safety != ordinal else { return }
        do {
            let map = try maps.chunkMap(of: ordinal)
            try context.catalog.storeChunkMap(map, volume: name, ordinal: ordinal)
        } catch let problem as Problem where problem.code == .notFound {
            // The snapshot was deleted and its area collected: nothing to record.
            return
        }
    }
}

// MARK: - Sizes

extension AreaBookkeeper {
    private func refreshSizes(around ordinal: SnapshotOrdinal) throws {
        var rows = try neighbours(of: ordinal)
        if let row = try liveRow(ordinal) { rows.append(row) }
        var sizes: [SnapshotID: SnapshotSizes] = [:]
        for row in rows { sizes[row.id] = try self.sizes(of: row) }
        try record(sizes)
    }

    private func record(_ sizes: [SnapshotID: SnapshotSizes]) throws {
        if !sizes.isEmpty { try context.catalog.setSizes(sizes) }
    }

    /// A snapshot's sizes. The newest one's exclusive bytes still grow, and are left unknown.
    func sizes(of row: SnapshotRow) throws -> SnapshotSizes {
        let before = try live(.older, than: row.ordinal).map {
            try maps.chunks(in: $0.ordinal..<row.ordinal)
        }
        let after = try live(.newer, than: row.ordinal).map {
            try maps.chunks(in: row.ordinal..<$0.ordinal)
        }
        let geometry = volume.record.geometry
        return SnapshotSizes(
            changedBytes: before.map { SizeAccounting.bytes(of: $0, geometry: geometry) },
            exclusiveBytes: after.map {
                SizeAccounting.exclusiveBytes(before: before, after: $0, geometry: geometry)
            })
    }

    /// What deleting the newest snapshot would free, as far as its area has grown by now.
    func exclusiveBytesOfNewest(_ row: SnapshotRow) throws -> Int {
        let before = try live(.older, than: row.ordinal).map {
            try maps.chunks(in: $0.ordinal..<row.ordinal)
        }
        let after = try maps.chunks(in: row.ordinal..<newestOrdinal().next)
        return SizeAccounting.exclusiveBytes(
            before: before, after: after, geometry: volume.record.geometry)
    }

    private func neighbours(of ordinal: SnapshotOrdinal) throws -> [SnapshotRow] {
        try [live(.older, than: ordinal), live(.newer, than: ordinal)].compactMap { $0 }
    }

    /// The nearest live snapshot on one side.
    func live(_ side: ChainSide, than ordinal: SnapshotOrdinal) throws -> SnapshotRow? {
        try context.catalog.nearestSnapshot(volume: name, to: ordinal, side)
    }

    private func liveRow(_ ordinal: SnapshotOrdinal) throws -> SnapshotRow? {
        let row = try context.catalog.snapshot(volume: name, ordinal: ordinal)
        return row?.phase == .present ? row : nil
    }
}
