internal import BlockIO
internal import DeviceMapper
internal import MergeKit
package import SnapshotModel

// Old snapshots as devices: one `linear` table over the areas, falling through to the snapshot that
// grows.
extension DeviceVolume {
    /// Opens a read-only device with a snapshot's content; returns its path. A view that is open
    /// already is used by both.
    package func openView(_ id: SnapshotID) throws(Problem) -> String {
        try requireActive()
        let manifest = try readable(id)
        let table = try viewTable(of: manifest)
        try stack.ensure(.view(id), isReadOnly: true) { () throws(Problem) in table }
        return stack.name(.view(id)).path
    }

    /// Removes a snapshot's device. `.refused` while somebody has it open.
    package func closeView(_ id: SnapshotID) throws(Problem) {
        guard let info = try stack.info(.view(id)) else { return }
        guard info.openCount == 0 else { throw viewInUse(id, info.number) }
        try stack.remove(.view(id))
        try stack.detachUnusedLoops()
    }

    /// The snapshots that have open views, and how often each is opened.
    package func views() throws(Problem) -> [SnapshotID: Int] {
        var views: [SnapshotID: Int] = [:]
        for case .view(let id) in try stack.existing() {
            views[id] = try stack.info(.view(id))?.openCount ?? 0
        }
        return views
    }

    private func viewInUse(_ id: SnapshotID, _ number: DeviceNumber) -> Problem {
        let holders = Holders(of: number)
        return Problem(
            .refused, "snapshot \(id) of volume \(record.name) is in use: it is \(holders.text)",
            hint: holders.mountPoint.map { "run `snapmgr umount \($0)`" }
                ?? "close it, then run the command again")
    }

    func readable(_ id: SnapshotID) throws(Problem) -> SnapshotManifest {
        guard let manifest = state.live(id) else {
            throw Problem(
                .notFound, "volume \(record.name) has no snapshot \(id)",
                hint: "see `snapmgr list \(record.name)`")
        }
        guard !state.isBroken(manifest.ordinal) else {
            throw Problem(
                .broken, "snapshot \(id) of volume \(record.name) is broken: exceptions were lost",
                hint: "choose a newer snapshot; see `snapmgr list \(record.name)`")
        }
        return manifest
    }

    /// - Throws: also when the snapshot has no device to fall through to.
    private func viewTable(of manifest: SnapshotManifest) throws(Problem) -> DeviceTable {
        guard let growing = state.growing(from: manifest.ordinal) else {
            throw Problem(
                .broken,
                "snapshot \(manifest.id) of volume \(record.name) cannot be read: no area "
                    + "takes exceptions for it", hint: "run `snapmgr check \(record.name)`")
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
                try stack.replace(.view(id), errorTable(of: id), isReadOnly: true)
                continue
            }
            let table = try viewTable(of: manifest)
            guard try stack.table(.view(id)) != table else { continue }
            try stack.replace(.view(id), table, isReadOnly: true)
        }
    }

    private func errorTable(of id: SnapshotID) throws(Problem) -> DeviceTable {
        DeviceTable(
            segments: try stack.table(.view(id)).segments.map {
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
