internal import System
internal import Catalog
internal import StoreFormat
package import SnapshotModel
internal import VolumeAccess

/// What resizing a volume does.
package struct ResizeReport: Hashable, Sendable {
    package var volume: String
    package var oldBytes: Int
    package var newBytes: Int
    package var isDryRun: Bool
    /// Clients that had what was cut off open.
    package var clients: ClientPresence?

    /// What these have to do.
    package var clientAdvice: String? { clients?.advice(volume) }
}

extension ResizeReport: JSONConvertible {
    package var json: JSONValue {
        [
            "resize": [
                "volume": JSONValue(volume), "old_size": JSONValue(oldBytes),
                "size": JSONValue(newBytes), "clients": JSONValue(clients?.count ?? 0),
            ], "dry_run": JSONValue(isDryRun),
        ]
    }
}

/// What removing a volume does.
package struct RemoveReport: Hashable, Sendable {
    package var volume: String
    package var snapshotCount: Int
    /// The bytes of the store that are freed; 0 when it is kept.
    package var freedBytes: Int
    /// Where the store stays; nil when it goes.
    package var keptStorePath: String?
    /// The folder at the store's path when it is not this volume's store: it was not touched.
    package var foreignStorePath: String?
    /// What lay in the store and is none of snapmgr's: it stays where it is.
    package var leftPaths: [String] = []
    package var isDryRun: Bool
}

extension RemoveReport: JSONConvertible {
    package var json: JSONValue {
        [
            "removed": [
                "volume": JSONValue(volume), "snapshots": JSONValue(snapshotCount),
                "freed_bytes": JSONValue(freedBytes), "kept_store": JSONValue(keptStorePath),
                "foreign_store": JSONValue(foreignStorePath),
                "left": .array(leftPaths.map { JSONValue($0) }),
            ], "dry_run": JSONValue(isDryRun),
        ]
    }
}

extension VolumeService {
    /// Makes a volume larger or smaller. Snapshots keep the size of their time.
    ///
    /// - Parameter overrulesClients: makes an image smaller under the clients that have it open.
    package func resize(
        _ name: String, to bytes: Int, isDryRun: Bool, overrulesClients: Bool = false
    ) throws -> ResizeReport {
        guard bytes >= OriginProbe.minimumBytes, bytes % Geometry.sectorBytes == 0,
            bytes <= Geometry.volumeBytesMaximum
        else {
            throw Problem(
                .usage, "a volume cannot have \(bytes) bytes",
                hint: "choose a multiple of \(Geometry.sectorBytes), at least "
                    + "\(OriginProbe.minimumBytes)")
        }
        return try Reconciler(context).withVolume(name) { volume in
            var report = ResizeReport(
                volume: name, oldBytes: volume.record.geometry.volumeBytes, newBytes: bytes,
                isDryRun: isDryRun)
            guard report.oldBytes != bytes, !isDryRun || bytes < report.oldBytes else {
                return report
            }
            try context.withSession(volume) { session in
                if bytes < report.oldBytes {
                    report.clients = try session.clients()
                    if overrulesClients {
                        try session.overruleClients()
                    } else if let clients = report.clients {
                        throw clients.problem(name)
                    }
                }
                guard !isDryRun else { return }
                _ = try session.perform(.resize(bytes: bytes))
            }
            guard !isDryRun else { return report }
            var row = volume
            row.record = try context.reader(volume).record
            try context.catalog.updateVolume(row)
            if bytes > report.oldBytes { noteLimit(of: row) }
            try context.log(
                .volumeResized,
                "the volume has \(ByteCount(bytes)) now, and had "
                    + "\(ByteCount(report.oldBytes))", volume: name)
            return report
        }
    }

    /// Best effort: the volume has its new size already.
    private func noteLimit(of volume: VolumeRow) {
        guard let traits = try? context.driver(of: volume).traits, traits.areasGrow,
            let note = try? StoreSite(path: volume.storePath)
                .requireLargeFiles(volume.record, traits)
        else { return }
        context.note(note)
    }

    /// Takes a volume out of management. The origin stays as it is, a plain volume.
    ///
    /// - Parameters:
    ///   - keepsStore: leaves the store, which `catalog rebuild --store` takes over again.
    ///   - overrulesClients: has the server of an image let it go, whoever has it open there.
    package func remove(
        _ name: String, keepsStore: Bool, isDryRun: Bool, overrulesClients: Bool = false
    ) throws -> RemoveReport {
        ImageMounts(context).sweepQuietly()
        return try Reconciler(context).withVolume(name) { volume in
            // What another state serves is none of this one's business.
            let isTakenOver = try isTakenOver(volume)
            let isLetGo = try overrulesClients && !isTakenOver && hasServer(volume)
            if !isTakenOver {
                try MountHolds(context).requireUnmounted(volume: name)
                try SendingHolds(context).requireUnsent(volume: name)
            }
            if !overrulesClients, !isTakenOver { try requireNoClients(volume) }
            let devices = try openDevices(volume)
            let isOwn = try ownsStore(volume)
            let keepsStore = keepsStore || isTakenOver
            if !isTakenOver { try requireRemovable(volume, keepsStore: keepsStore) }
            if isLetGo, !isDryRun { try letGo(volume) }
            let isLocked = devices == nil && isOwn && !isTakenOver && !(isLetGo && isDryRun)
            let lock = try isLocked ? acquireLock(volume) : nil
            defer { withExtendedLifetime((lock, devices)) {} }
            if isLetGo, !isTakenOver { try requireRemovable(volume, keepsStore: keepsStore) }
            if lock != nil { try requireNothingLogged(volume) }
            if devices != nil, let problem = try context.inspector(volume).openProblem() {
                throw problem
            }
            let usage = keepsStore || !isOwn ? 0 : try StoreUsage.bytes(volume.storePath)
            var report = RemoveReport(
                volume: name, snapshotCount: try context.catalog.snapshotCount(volume: name),
                freedBytes: usage, keptStorePath: keepsStore ? volume.storePath : nil,
                foreignStorePath: try isOwn || !Paths.exists(volume.storePath)
                    ? nil : volume.storePath, isDryRun: isDryRun)
            guard !isDryRun else { return report }
            try context.end.check()
            try devices?.deactivate()
            // The store first: a crash in between leaves a row, and the command can be run again.
            if keepsStore {
                if !isTakenOver { try giveAway(volume) }
            } else {
                if isOwn { try context.driver(of: volume).clearOrigin(of: volume.place) }
                let site = StoreSite(path: volume.storePath)
                let removal = try site.remove(of: volume.record.uuid)
                report.leftPaths = removal.leftPaths
                if let note = removal.note { context.note(note) }
            }
            try context.catalog.removeVolume(named: name)
            try context.log(
                .volumeRemoved,
                "the volume was removed\(keepsStore ? ", its store kept" : " with its store")",
                volume: name)
            return report
        }
    }

    /// `.refused` when a server died and left writes that it had answered: the origin is to be a plain volume
    /// that has them. With the volume's lock.
    func requireNothingLogged(_ volume: VolumeRow) throws {
        guard let reader = try ownReader(volume) else { return }
        if try Store(folder: FileFolder(path: volume.storePath)).receiveNote()?.base != nil {
            throw Problem(
                .refused,
                "a stream was cut that was being written into volume \(volume.record.name), and its origin is "
                    + "not what it was before yet",
                hint: "have it given back by \(.serve(volume.record.name))")
        }
        guard try !reader.loggedChunks().isEmpty else { return }
        throw Problem(
            .refused,
            "the last server of volume “\(volume.record.name)” died with answered writes in its log, which "
                + "are not in the origin yet",
            hint: "bring them there by \(.serve(volume.record.name))")
    }

    /// Whether the folder at the store's path is this volume's, or what is left of it.
    private func ownsStore(_ volume: VolumeRow) throws -> Bool {
        try Paths.exists(volume.storePath)
            && Store(folder: FileFolder(path: volume.storePath)).belongs(to: volume.record.uuid)
    }

    private func hasRunningRevert(_ volume: VolumeRow) throws -> Bool {
        try ownReader(volume)?.runningRevert() != nil
    }

    /// The volume's store; nil when it is not there, or its removal has begun already.
    private func ownReader(_ volume: VolumeRow) throws -> StoreReader? {
        guard try ownsStore(volume) else { return nil }
        do {
            return try context.anyReader(volume)
        } catch let problem as Problem where problem.code == .missing {
            return nil
        }
    }

    /// Whether another state has taken the store over; it stays then.
    private func isTakenOver(_ volume: VolumeRow) throws -> Bool {
        guard let record = try ownReader(volume)?.record else { return false }
        do {
            try StoreOwnership(context: context).require(record, storePath: volume.storePath)
            return false
        } catch let problem as Problem where problem.code == .refused {
            context.note("\(problem.message): it stays")
            return true
        }
    }

    /// Lets any state have a store that stays.
    private func giveAway(_ volume: VolumeRow) throws {
        guard let owner = try ownReader(volume)?.record.owner,
            owner.state == (try StateIdentity(context.state).read())?.state
        else { return }
        try StoreOwnership(context: context).release(volume.storePath)
    }

    /// A store that is missing, or not this volume's, has no server of it.
    private func server(of volume: VolumeRow) throws -> (any VolumeSession)? {
        guard try ownsStore(volume) else { return nil }
        return try context.driver(of: volume).server(of: volume.place)
    }

    private func hasServer(_ volume: VolumeRow) throws -> Bool {
        let session = try server(of: volume)
        session?.close()
        return session != nil
    }

    /// A server without clients is named later, by the lock that it has.
    private func requireNoClients(_ volume: VolumeRow) throws {
        guard let session = try server(of: volume) else { return }
        defer { session.close() }
        if let clients = try session.clients() { throw clients.problem(volume.record.name) }
    }

    private func letGo(_ volume: VolumeRow) throws {
        guard let session = try server(of: volume) else { return }
        defer { session.close() }
        try session.overruleClients()
        do { _ = try session.perform(.letGo) } catch {
            // The server may be faster to let go than to answer.
            guard error.code == .interrupted else { throw error }
        }
    }

    /// Waits for a server that is just letting go.
    private func acquireLock(_ volume: VolumeRow) throws -> FileLock? {
        let deadline = Deadline(milliseconds: StoreHolder.patienceMilliseconds)
        while true {
            do { return try volume.lock() } catch let problem as Problem {
                guard problem.code == .locked, !deadline.hasPassed else { throw problem }
                BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
            }
        }
    }

    private static let lookMilliseconds = 50

    /// The devices of a volume, with what was half done finished; nil when there are none.
    private func openDevices(_ volume: VolumeRow) throws -> (any OpenDevices)? {
        // What the kernel has cannot be guessed: the store of live devices must not go.
        guard let ability = try context.driver(of: volume).devices, try ability.isPresent(),
            try context.inspector(volume).hasDevices
        else { return nil }
        _ = try context.reader(volume)
        let devices = try ability.open(volume.place)
        try devices.recover()
        return devices
    }

    /// As the store says, which may know more than the catalog.
    private func clones(_ volume: VolumeRow) throws -> [CloneRecord] {
        try ownReader(volume)?.clones() ?? []
    }

    private func requireRemovable(_ volume: VolumeRow, keepsStore: Bool) throws {
        let name = volume.record.name
        if !keepsStore, let clone = try clones(volume).first {
            throw Problem(
                .refused, "volume \(name) has the clone \(clone.name), and what was written to it",
                hint: "delete that first, if nobody needs it: \(.cloneDelete(clone.name))")
        }
        // A store that is missing or another volume's has nothing to lose here.
        if try hasRunningRevert(volume) {
            throw Problem(
                .refused,
                "a merge runs in volume \(name): without its store, the origin would stay half old "
                    + "and half new",
                hint: try context.driver(of: volume).traits.mergesByItself
                    ? "wait for it with \(.mergeStatus(name)); it runs while the volume is "
                        + "active"
                    : "run \(.mergeResume(name)) first")
        }
        let members = Set(try context.catalog.snapshots(volume: name).map(\.id))
        let hold = try context.catalog.holds().first {
            !$0.isExpired && members.contains($0.snapshot)
        }
        if let hold {
            throw Problem(
                .refused, "snapshot \(hold.snapshot) of volume \(name) is held by \(hold.owner)",
                hint: "run \(.release(hold.snapshot, owner: hold.owner))")
        }
    }
}

extension VolumeRow {
    /// Takes the lock of whoever has the volume open; nil when there is no store to lock.
    ///
    /// - Throws: `locked` when somebody has it open.
    func lock() throws -> FileLock? {
        guard try Paths.exists(storePath) else { return nil }
        return try StoreHolder.exclude(from: storePath, volume: record.name)
    }
}
