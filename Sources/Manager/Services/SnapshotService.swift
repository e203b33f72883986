internal import BlockIO
internal import Catalog
internal import Control
package import SnapshotModel

/// What to take snapshots of, and what to write on them.
package struct TakeRequest: Hashable, Sendable {
    package var volumes: [String]
    package var name: String?
    /// Makes a set even of one volume.
    package var setName: String?
    package var tags: [String]
    package var note: String?
    /// Does nothing when every volume has a younger snapshot; in seconds.
    package var minimumAgeSeconds: Int64?

    package init(
        volumes: [String], name: String? = nil, setName: String? = nil, tags: [String] = [],
        note: String? = nil, minimumAgeSeconds: Int64? = nil
    ) {
        self.volumes = volumes
        self.name = name
        self.setName = setName
        self.tags = tags
        self.note = note
        self.minimumAgeSeconds = minimumAgeSeconds
    }
}

/// What was taken; nothing when the volumes had younger snapshots.
package struct TakeReport: Hashable, Sendable {
    package var snapshots: [SnapshotSummary]
    package var set: SetID?
    /// For how long writes waited, in nanoseconds: the longest of the volumes.
    package var heldNanoseconds: Int64
}

extension TakeReport: JSONConvertible {
    package var json: JSONValue {
        [
            "snapshots": JSONValue(snapshots), "set_id": JSONValue(set),
            "held_us": JSONValue(heldNanoseconds / 1000),
        ]
    }
}

/// Takes a snapshot of a volume, or of several at one instant.
package struct SnapshotService {
    let context: ManagerContext

    /// The longest note and tag, in bytes: manifests are read whole, and have a limit.
    private static let textMaximum = 1024

    package func take(_ request: TakeRequest) throws -> TakeReport {
        try validate(request)
        return try Reconciler(context).withVolumes(request.volumes) { volumes in
            guard try isDue(request, volumes) else {
                return TakeReport(snapshots: [], set: nil, heldNanoseconds: 0)
            }
            return try take(request, of: volumes)
        }
    }

    private func validate(_ request: TakeRequest) throws {
        guard !request.volumes.isEmpty else {
            throw Problem(
                .usage, "no volume is named", hint: "run `snapmgr volume list` to see the volumes")
        }
        if let name = request.name { try SnapshotName.validate(name) }
        if let name = request.setName { try SnapshotName.validate(name) }
        for text in request.tags + [request.note].compactMap({ $0 })
        where text.utf8.count > Self.textMaximum {
            throw Problem(
                .usage, "`\(text.prefix(20))...` is too long",
                hint: "use \(Self.textMaximum) bytes at most")
        }
    }

    private func isDue(_ request: TakeRequest, _ volumes: [VolumeRow]) throws -> Bool {
        guard let age = request.minimumAgeSeconds else { return true }
        let limit = context.clock.now().advanced(bySeconds: -age)
        return try volumes.contains { volume in
            let latest = try context.catalog.latestSnapshot(volume: volume.record.name)
            return latest.map { $0.takenAt <= limit } ?? true
        }
    }

    /// The ids come from the catalog first, then the stores take the snapshots, then the catalog
    /// takes over what they wrote. A crash in between is seen by the phases of the rows.
    private func take(_ request: TakeRequest, of volumes: [VolumeRow]) throws -> TakeReport {
        let begun = try begin(request, volumes)
        do {
            let outcomes = try perform(begun.requests, on: volumes)
            return try record(outcomes, volumes, set: begun.set)
        } catch {
            try giveUp(volumes, set: begun.set, because: error)
            throw error
        }
    }

    private func begin(
        _ request: TakeRequest, _ volumes: [VolumeRow]
    ) throws -> (set: SetID?, requests: [SnapshotRequest]) {
        try context.catalog.atomically("giving out ids") { try giveOutIDs(request, volumes) }
    }

    private func giveOutIDs(
        _ request: TakeRequest, _ volumes: [VolumeRow]
    ) throws -> (set: SetID?, requests: [SnapshotRequest]) {
        let isSet = volumes.count > 1 || request.setName != nil
        let set = try isSet ? context.catalog.beginSet(name: request.setName) : nil
        var description = SnapshotDescription(
            name: request.name, setID: set, setName: request.setName,
            setVolumes: isSet ? volumes.map(\.record.uuid) : nil, tags: request.tags,
            note: request.note)
        let ids = try volumes.map {
            try context.catalog.beginSnapshot(volume: $0.record.name, description: description)
        }
        // Read after the ids were given out, so that every store knows all of them.
        description.idFloor = try context.catalog.idFloor()
        return (set, ids.map { SnapshotRequest(id: $0, description: description) })
    }

    private func perform(
        _ requests: [SnapshotRequest], on volumes: [VolumeRow]
    ) throws -> [SnapshotOutcome] {
        guard requests.count > 1 else {
            return try zip(volumes, requests).map { try takeOne($1, of: $0) }
        }
        var members: [SetBarrier.Member] = []
        defer { for member in members { member.session.close() } }
        for (volume, request) in zip(volumes, requests) {
            _ = try context.reader(volume)
            members.append(
                SetBarrier.Member(
                    volume: volume.record.name, session: try context.openSession(volume),
                    preparation: .prepareSnapshot(request)))
        }
        return try SetBarrier(members, cancellation: context.cancellation).run().map { committed in
            guard let outcome = committed.snapshot else {
                throw Problem.unexpectedReply(to: "commit", of: committed.volume)
            }
            return outcome
        }
    }

    private func takeOne(
        _ request: SnapshotRequest, of volume: VolumeRow
    ) throws -> SnapshotOutcome {
        try context.withSession(volume) { session in
            guard case .snapshot(let outcome) = try session.perform(.snapshot(request)) else {
                throw Problem.unexpectedReply(to: "snapshot", of: volume.record.name)
            }
            return outcome
        }
    }

    private func record(
        _ outcomes: [SnapshotOutcome], _ volumes: [VolumeRow], set: SetID?
    ) throws -> TakeReport {
        let summaries = try context.catalog.atomically("recording snapshots") {
            try zip(outcomes, volumes).compactMap { try record($0.manifest, $1) }
        }
        return TakeReport(
            snapshots: summaries, set: set,
            heldNanoseconds: outcomes.map(\.heldNanoseconds).max() ?? 0)
    }

    private func record(
        _ manifest: SnapshotManifest, _ volume: VolumeRow
    ) throws -> SnapshotSummary? {
        try context.catalog.commitSnapshot(manifest, volume: volume.record.name)
        try AreaBookkeeper(context, volume).snapshotTaken(manifest.ordinal)
        try context.log(
            .snapshotTaken, "snapshot \(manifest.id) was taken", volume: volume.record.name,
            snapshot: manifest.id)
        return try context.catalog.snapshot(manifest.id).map { SnapshotSummary($0) }
    }

    /// Compares with the stores what became of it, as the next command would.
    private func giveUp(
        _ volumes: [VolumeRow], set: SetID?, because error: any Error
    ) throws {
        let names = volumes.map(\.record.name)
        try Reconciler(context).settleQuietly(volumes)
        if let set { try context.catalog.abandonSet(set) }
        try context.log(
            .error, .snapshotFailed,
            "no snapshot of \(names.joined(separator: ", ")) was taken: \(Problem(error).message)",
            volume: names.count == 1 ? names.first : nil)
    }
}
