internal import Catalog
internal import SnapshotModel
internal import System
internal import VolumeAccess

/// What `changed` is told that writes a file for QEMU's programs.
package struct BitmapRequest: Hashable, Sendable {
    package var from: String
    package var to: String
    package var file: String
    /// Where the newer snapshot's content is to be read: a raw file, or an NBD URI; nil is where it is served.
    package var content: String?
    /// Whether a file of that name is replaced.
    package var replaces: Bool
    package var isDryRun: Bool

    package init(
        from: String, to: String, file: String, content: String? = nil, replaces: Bool = false,
        isDryRun: Bool = false
    ) {
        (self.from, self.to, self.file, self.content) = (from, to, file, content)
        (self.replaces, self.isDryRun) = (replaces, isDryRun)
    }
}

/// Tells other programs what has changed between two snapshots, or a snapshot and the volume as it is.
package struct ChangesService {
    let context: ManagerContext

    /// Gives what has changed, ascending. The snapshots are not deleted meanwhile.
    ///
    /// - Parameters:
    ///   - onHeading: is called first, once all that is asked for is there.
    ///   - onExtent: gets the extents. Of a volume as it is, all may be data.
    /// - Throws: `usage` when the first was not taken before the second, or they are of different volumes.
    package func read(
        _ from: String, _ to: String, onHeading: (ChangesHeading) throws -> Void,
        onExtent: (ChangedExtent) throws -> Void
    ) throws {
        let states = try states(from, to)
        try context.asJob(.export, of: [states.volume]) { context in
            let service = ChangesService(context: context)
            try service.holding(states) { changes in
                try onHeading(changes.heading)
                try service.forEachExtent(of: changes, onExtent)
            }
        }
    }

    /// Writes an image for QEMU's programs: a QCOW2 file whose bitmap names what has changed, over the newer
    /// snapshot's content, which lies elsewhere.
    ///
    /// - Throws: as ``read(_:_:onHeading:onExtent:)``; `exists` when there is such a file, `refused` when nothing tells
    ///   where the content is to be read.
    package func writeBitmap(_ request: BitmapRequest) throws -> BitmapReport {
        let states = try states(request.from, request.to)
        return try context.asJob(.export, of: [states.volume]) { context in
            try ChangesService(context: context).write(request, states)
        }
    }
}

// MARK: - The two states

extension ChangesService {
    /// What is compared.
    struct States {
        var volume: String
        var older: SnapshotRow
        /// Nil is the volume as it is.
        var newer: SnapshotRow?
    }

    /// What has changed between two states.
    struct Changes {
        var heading: ChangesHeading
        var volume: VolumeRow
        var ranges: [Range<Int>]
    }

    private func states(_ from: String, _ to: String) throws -> States {
        for reference in [from, to] {
            guard let clone = try CloneService(context: context).find(reference) else { continue }
            throw Problem(
                .usage, "`\(reference)` is a clone of volume \(clone.volume), and no snapshot",
                hint: "see what was written to it: \(.help(["diff"]))")
        }
        let resolver = ReferenceResolver(context)
        let older = try resolver.snapshot(from)
        guard case .live(let volume) = try resolver.target(to) else {
            let newer = try resolver.snapshot(to)
            try require(older, before: newer)
            return States(volume: older.volume, older: older, newer: newer)
        }
        guard volume == older.volume else { throw differentVolumes(from, to) }
        return States(volume: volume, older: older, newer: nil)
    }

    private func require(_ older: SnapshotRow, before newer: SnapshotRow) throws {
        guard older.volume == newer.volume else {
            throw differentVolumes("\(older.id)", "\(newer.id)")
        }
        guard older.ordinal < newer.ordinal else {
            throw Problem(
                .usage, "snapshot \(older.id) was not taken before snapshot \(newer.id)",
                hint: "name the older one first: \(.list(older.volume))")
        }
    }

    private func differentVolumes(_ from: String, _ to: String) -> Problem {
        Problem(
            .usage, "\(from) and \(to) are of different volumes",
            hint: "name two snapshots of one volume: \(.list())")
    }

    /// Finds what has changed, and calls with it while the snapshots are held.
    func holding<Result>(
        _ states: States, _ body: (Changes) throws -> Result
    ) throws -> Result {
        let ids = Set([states.older.id, states.newer?.id].compactMap(\.self))
        let hold = try Reconciler(context).withVolume(states.volume) { volume in
            try SendingHolds(context).hold(ids, of: volume.record.name)
        }
        defer { withExtendedLifetime(hold) {} }
        return try body(try changes(states))
    }

    private func changes(_ states: States) throws -> Changes {
        let to = states.newer.map { "\($0.id)" } ?? "\(states.volume)@live"
        let report = try DiffService(context: context).diff("\(states.older.id)", to)
        let volume = try context.volume(states.volume)
        let geometry = volume.record.geometry
        let volumeBytes = states.newer?.volumeBytes ?? geometry.volumeBytes
        // What lies behind the newer one's end is nothing of it.
        let ranges = report.ranges.map { $0.clamped(to: 0..<volumeBytes) }.filter { !$0.isEmpty }
        let heading = ChangesHeading(
            volume: states.volume, from: states.older.id, to: states.newer?.id,
            volumeBytes: volumeBytes, chunkBytes: geometry.chunkBytes,
            changedBytes: ranges.map(\.count).clampedSum, isExact: report.isExact)
        return Changes(heading: heading, volume: volume, ranges: ranges)
    }

    private func forEachExtent(
        of changes: Changes, _ onExtent: (ChangedExtent) throws -> Void
    ) throws {
        guard let id = changes.heading.to else {
            return try changes.ranges.forEach { try onExtent(ChangedExtent($0, isZero: false)) }
        }
        guard !changes.ranges.isEmpty else { return }
        let session = try TurnSession(context, changes.volume)
        defer { session.close() }
        var walk = ExtentWalk(session, id, volumeBytes: changes.heading.volumeBytes)
        try walk.forEach(in: changes.ranges) { extent in
            try context.end.check()
            try onExtent(extent)
        }
    }
}
