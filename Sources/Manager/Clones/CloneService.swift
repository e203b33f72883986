internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// Makes writable layers over snapshots, lists and deletes them.
package struct CloneService {
    let context: ManagerContext

    // MARK: Making

    /// Makes a clone of a snapshot, which stays as long as the clone does, or of another clone. Nothing is copied.
    ///
    /// - Parameters:
    ///   - reference: of the snapshot, or the other clone's name.
    ///   - byteCount: its size; nil is that of what it is made of.
    ///   - isReadOnly: whether nobody shall write to it.
    /// - Throws: `exists` when a volume, a clone, or a snapshot of the same volume has the name; `refused`
    ///   where the driver has no clones, or the clone would be too small.
    package func create(
        _ reference: String, name: String, byteCount: Int? = nil, isReadOnly: Bool = false,
        isDryRun: Bool
    ) throws -> CloneReport {
        try requireValid(name)
        // A number is a snapshot's id, whatever clones are called.
        let known = try Int(reference) == nil ? find(reference) : nil
        let row =
            try known.map { try snapshot(of: $0) } ?? ReferenceResolver(context).snapshot(reference)
        return try Reconciler(context).withVolume(row.volume) { volume in
            let driver = try context.driver(of: volume)
            guard driver.traits.hasClones else {
                throw Problem(
                    .refused,
                    "volume \(row.volume) is \(driver.traits.noun): its snapshots have no clones",
                    hint: "make an image of the snapshot: \(.export(row.id))")
            }
            try context.requireWhole(row)
            try requireFree(name, in: row.volume)
            // It may have gone meanwhile.
            let parent = try known.map { try clone("\(row.volume)@\($0.record.name)").record }
            let shape = CloneShape(
                parent: parent?.name, byteCount: byteCount, isReadOnly: isReadOnly)
            let problem = shape.sizeProblem(
                ofBase: parent?.volumeBytes ?? row.volumeBytes,
                parent.map { "clone \($0.name)" } ?? "snapshot \(row.id)")
            if let problem { throw problem }
            let request = CloneRequest(snapshot: row.id, name: name)
            let made = try isDryRun ? nil : create(request, shape, volume)
            if isDryRun {
                try context.withSession(volume) { session in
                    try session.previewCreateClone(request, shape)
                }
            }
            return CloneReport(
                volume: row.volume, snapshot: row.id, parent: parent?.name, name: name, clone: made)
        }
    }

    private func snapshot(of clone: CloneRow) throws -> SnapshotRow {
        guard let row = try context.catalog.snapshot(clone.record.snapshotID) else {
            throw Problem(
                .notFound,
                "snapshot \(clone.record.snapshotID), which clone \(clone.record.name) began as, is gone",
                hint: "run \(.check(clone.volume))")
        }
        return row
    }

    private func create(
        _ request: CloneRequest, _ shape: CloneShape, _ volume: VolumeRow
    ) throws -> CloneSummary {
        let record = try changing(request.name, of: volume) {
            try context.withSession(volume) { session in
                try session.createClone(request, shape)
            }
        }
        let base = record.parent.map { "clone \($0) of " } ?? ""
        try context.log(
            .cloneCreated,
            "clone \(record.name) of \(base)snapshot \(record.snapshotID) was made",
            volume: volume.record.name, snapshot: record.snapshotID)
        return summary(CloneRow(volume: volume.record.name, record: record), Devices(context))
    }

    /// The catalog takes over what the store says, whether the change succeeds or not.
    func changing<Result>(
        _ name: String, of volume: VolumeRow, _ body: () throws -> Result
    ) throws -> Result {
        let volumeName = volume.record.name
        try context.catalog.beginCloning(volume: volumeName, name: name)
        let result: Result
        do { result = try body() } catch {
            // What fails here too is the next command's to find out.
            try? takeOver(volume)
            throw error
        }
        try takeOver(volume)
        return result
    }

    private func takeOver(_ volume: VolumeRow) throws {
        try context.catalog.setClones(
            volume: volume.record.name, try context.reader(volume).clones())
    }

    private func requireValid(_ name: String) throws {
        if let flaw = CloneRequest(snapshot: SnapshotID(rawValue: 0), name: name).flaw {
            throw flaw
        }
        try SnapshotName.validate(name)
    }

    /// Clones are served by their names, as volumes are, and named beside their volume's snapshots.
    private func requireFree(_ name: String, in volume: String) throws {
        if try context.catalog.volume(named: name) != nil {
            throw Problem(
                .exists, "there is a volume \(name), which is served by that name",
                hint: "choose another name")
        }
        try context.requireNoGroup(named: name)
        let isBeingMade = try context.catalog.isCloning(name, besides: volume)
        let other = try context.catalog.clones(named: name).first
        if other != nil || isBeingMade {
            throw Problem(
                .exists,
                "\(other.map { "volume \($0.volume)" } ?? "another volume") has a clone \(name) already",
                hint: "choose another name; see \(.cloneList)")
        }
        try context.requireFree(name, in: volume)
    }

    // MARK: Listing

    /// The clones of some volumes, or of all, by volume and name.
    package func list(_ volumes: [String]) throws -> [CloneSummary] {
        let volumes = try context.members(of: volumes)
        try Reconciler(context).tidy(volumes)
        let wanted = Set(try context.volumes(volumes).map(\.record.name))
        let devices = Devices(context)
        return try context.catalog.clones().filter { wanted.contains($0.volume) }
            .map { summary($0, devices) }
    }

    /// What the kernel has of the clones of each volume, asked once.
    private final class Devices {
        private let context: ManagerContext
        private var known: [String: [CloneOrdinal: CloneDevice]?] = [:]

        init(_ context: ManagerContext) { self.context = context }

        /// Nil where the volume's clones need no devices, or these may not be looked at.
        func all(of volume: VolumeRow) -> [CloneOrdinal: CloneDevice]? {
            let name = volume.record.name
            if let found = known[name] { return found }
            let found = context.devices(of: volume).flatMap { try? $0.clones(of: volume.place) }
            known[name] = .some(found)
            return found
        }
    }

    private func summary(_ row: CloneRow, _ devices: Devices) -> CloneSummary {
        let volume = try? context.volume(row.volume)
        let reader = volume.flatMap { try? context.reader($0) }
        let snapshot = try? context.catalog.snapshot(row.record.snapshotID)
        let merging = (try? reader?.runningRevert())?.clone?.ordinal
        let present = volume.flatMap { devices.all(of: $0) }
        let device = present?[row.record.ordinal]
        var state: CloneSummary.State =
            snapshot?.state == .broken
            ? .broken : merging == row.record.ordinal ? .merging : .ready
        if state == .ready, present != nil {
            state = device.map { $0.isLost ? .failed : .ready } ?? .inactive
        }
        return CloneSummary(
            volume: row.volume, record: row.record,
            storeBytes: try? reader?.storeBytes(of: row.record.ordinal),
            layerBytes: row.record.layers.map { layers in
                layers.reduce(0) { $0 + ((try? reader?.storeBytes(of: $1)) ?? 0) }
            } ?? 0, devicePath: device?.path, state: state)
    }

    // MARK: Deleting

    /// Deletes a clone with what was written to it.
    ///
    /// - Parameter reference: its name, or `VOLUME@NAME`.
    /// - Throws: `refused` while a client has it open.
    package func delete(_ reference: String, isDryRun: Bool) throws -> CloneDeletionReport {
        ImageMounts(context).sweepQuietly()
        let row = try clone(reference)
        return try Reconciler(context).withVolume(row.volume) { volume in
            // It may have gone meanwhile.
            let name = try clone("\(row.volume)@\(row.record.name)").record.name
            try MountHolds(context).requireUnmounted(clone: name, of: row.volume)
            let freed =
                try isDryRun
                ? context.withSession(volume) { session in
                    try session.deleteClone(name, isDryRun: true)
                }
                : changing(name, of: volume) {
                    try context.withSession(volume) { session in try session.deleteClone(name) }
                }
            if !isDryRun {
                try context.log(
                    .cloneDeleted, "clone \(name) was deleted", volume: row.volume,
                    snapshot: row.record.snapshotID)
            }
            return CloneDeletionReport(
                volume: row.volume, name: name, freedBytes: freed, isDryRun: isDryRun)
        }
    }

    /// The clone with a name, or that `VOLUME@NAME` says.
    ///
    /// - Throws: `notFound`, `ambiguous`.
    func clone(_ reference: String) throws -> CloneRow {
        guard let row = try find(reference) else {
            throw Problem(
                .notFound, "there is no clone \(reference)",
                hint: Suggestion.hint(
                    for: reference, among: try context.catalog.clones().map(\.record.name),
                    else: "see them all: \(.cloneList)"))
        }
        return row
    }

    /// The same; nil when there is none.
    func find(_ reference: String) throws -> CloneRow? {
        let parts = reference.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts.last ?? "")
        var rows = try context.catalog.clones(named: name)
        if parts.count == 2 { rows.removeAll { $0.volume != parts[0] } }
        guard let row = rows.first else { return nil }
        guard rows.count == 1 else {
            let candidates = rows.map { "\($0.volume)@\(name)" }.joined(separator: ", ")
            throw Problem(
                .ambiguous, "`\(reference)` may be any of \(candidates)",
                hint: "name one of them so")
        }
        return row
    }
}
