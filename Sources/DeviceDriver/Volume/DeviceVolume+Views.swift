internal import System
internal import DeviceMapper
internal import StoreFormat
package import SnapshotModel
internal import VolumeAccess

// Old snapshots as devices: one `linear` table over the areas, falling through to the snapshot that
// grows.
extension DeviceVolume {
    /// Opens a read-only device with a snapshot's content; returns its path. A view that is open
    /// already is used by both.
    package func openView(_ id: SnapshotID) throws(Problem) -> String {
        try requireActive()
        let manifest = try readable(id)
        try requireReadable(id)
        let table = try viewTable(of: manifest)
        try stack.ensure(.view(id), isReadOnly: true) { () throws(Problem) in table }
        return stack.name(.view(id)).path
    }

    /// Removes a snapshot's device. `.refused` while somebody has it open, naming who.
    package func closeView(_ id: SnapshotID) throws(Problem) {
        guard try stack.info(.view(id)) != nil else { return }
        try requireUnviewed([id])
        try stack.remove(.view(id))
        try stack.detachUnusedLoops()
    }

    /// Removes the views that nobody has open, as a server that was killed leaves them, or a plain
    /// `umount`. To be called only where no view was opened under this same lock: whoever opens one
    /// uses it, or removes it, before he gives the store's lock back.
    ///
    /// - Parameter ids: the snapshots whose views are meant; nil is all.
    package func sweepViews(_ ids: Set<SnapshotID>? = nil) throws(Problem) {
        var hasSwept = false
        for (id, openCount) in try views() where openCount == 0 && ids?.contains(id) ?? true {
            try stack.remove(.view(id))
            hasSwept = true
        }
        if hasSwept { try stack.detachUnusedLoops() }
    }

    /// `.refused` when somebody has one of the snapshots' views open, naming who.
    func requireUnviewed(_ ids: [SnapshotID]) throws(Problem) {
        let views = try views()
        for id in ids where views[id] ?? 0 > 0 {
            guard let holders = try stack.holders(of: .view(id)) else { continue }
            let export = ExportName(volume: record.name, snapshot: id)
            throw Problem(
                .refused,
                "snapshot \(id) of volume \(record.name) is in use: "
                    + "\(stack.name(.view(id)).path) is \(holders.text)",
                hint: holders.mountPoint.map { "run \(.umount($0))" }
                    ?? holders.clientHint(export)
                    ?? "close it, then run the command again")
        }
    }

    /// The snapshots that have open views, and how often each is opened.
    package func views() throws(Problem) -> [SnapshotID: Int] {
        var views: [SnapshotID: Int] = [:]
        for case .view(let id) in try stack.existing() {
            views[id] = try stack.info(.view(id))?.openCount ?? 0
        }
        return views
    }

    func readable(_ id: SnapshotID) throws(Problem) -> SnapshotManifest {
        guard let manifest = state.live(id) else {
            throw Problem(
                .notFound, "volume \(record.name) has no snapshot \(id)",
                hint: "see \(.list(record.name))")
        }
        guard !state.isBroken(manifest.ordinal) else {
            throw Problem(
                .broken, "snapshot \(id) of volume \(record.name) is broken: exceptions were lost",
                hint: "choose a newer snapshot; see \(.list(record.name))")
        }
        return manifest
    }

    /// - Throws: also when the snapshot has no device to fall through to.
    func viewTable(of manifest: SnapshotManifest) throws(Problem) -> DeviceTable {
        guard let growing = state.growing(from: manifest.ordinal) else {
            throw Problem(
                .broken,
                "snapshot \(manifest.id) of volume \(record.name) cannot be read: no area "
                    + "takes exceptions for it", hint: "run \(.check(record.name))")
        }
        let map = try frozenMap(from: manifest.ordinal, upTo: growing.ordinal)
        return ViewTable(
            bytes: manifest.volumeBytes, format: state.format,
            fallThrough: try stack.reference(.snapshot(growing.ordinal)),
            areas: try stack.areaLoops(Set(map.runs.map(\.ordinal)))
        ).table(map)
    }

    /// The overlay of the frozen areas from one snapshot's up to, without, another's.
    func frozenMap(
        from first: SnapshotOrdinal, upTo end: SnapshotOrdinal
    ) throws(Problem) -> SourceMap {
        var maps: [SourceMap] = []
        for manifest in state.manifests where manifest.ordinal >= first && manifest.ordinal < end {
            maps.append(SourceMap(try map(of: manifest), ordinal: manifest.ordinal))
        }
        return SourceMap(overlaying: maps)
    }

    /// An area's chunk map as far as it is committed on disk.
    func map(of manifest: SnapshotManifest) throws(Problem) -> ChunkMap {
        try AreaLibrary.read(
            store.openArea(manifest.ordinal, writable: false), format: state.format,
            ordinal: manifest.ordinal, volumeBytes: manifest.volumeBytes)
    }

    /// Has the open views look at the areas as they are now: those that fell through to a snapshot
    /// that has frozen fall through to the one that grows.
    ///
    /// The frozen one's device goes on meanwhile. What it still takes, and is not seen here, the
    /// growing one takes as well.
    func repointViews() throws(Problem) {
        for case .view(let id) in try stack.existing() {
            guard let manifest = state.live(id), !state.isBroken(manifest.ordinal) else {
                // Its bytes are not what they were: better no answer than a wrong one.
                try stack.replace(.view(id), errorTable(of: .view(id)), isReadOnly: true)
                continue
            }
            let table = try viewTable(of: manifest)
            guard try stack.table(.view(id)) != table else { continue }
            try stack.replace(.view(id), table, isReadOnly: true)
        }
    }

    /// As large as the device is.
    func errorTable(of part: DeviceName.Part) throws(Problem) -> DeviceTable {
        DeviceTable(
            segments: try stack.table(part).segments.map {
                Segment(startSector: $0.startSector, sectorCount: $0.sectorCount, target: .error)
            })
    }
}

/// Builds a view's table. Pure.
struct ViewTable {
    let bytes: Int
    let format: AreaFormat
    let fallThrough: DeviceReference
    let areas: [SnapshotOrdinal: DeviceReference]

    /// Sectors that the areas hold come from them, the others from what the view falls through to.
    func table(_ map: SourceMap) -> DeviceTable {
        let chunkSectors = format.chunkBytes / Geometry.sectorBytes
        let end = bytes / Geometry.sectorBytes
        var segments: [Segment] = []
        var position = 0
        func addFallThrough(upTo limit: Int) {
            guard position < limit else { return }
            segments.append(
                Segment(
                    startSector: position, sectorCount: limit - position,
                    target: .linear(device: fallThrough, offset: position)))
            position = limit
        }
        for run in map.runs {
            let start = run.origin.rawValue * chunkSectors
            guard start < end, let device = areas[run.ordinal] else { continue }
            addFallThrough(upTo: start)
            let count = min(end - start, run.count * chunkSectors)
            segments.append(
                Segment(
                    startSector: start, sectorCount: count,
                    target: .linear(
                        device: device, offset: run.area.rawValue * chunkSectors)))
            position = start + count
        }
        addFallThrough(upTo: end)
        return DeviceTable(segments: segments)
    }
}
