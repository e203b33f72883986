internal import System
internal import Catalog
internal import Settings
internal import StoreFormat
package import SnapshotModel
internal import VolumeAccess

/// What `volume set` is told; what is nil stays as it is.
package struct VolumeSetting: Hashable, Sendable {
    /// What the volume is called from now on.
    package var name: String?
    /// Where its origin is now.
    package var originPath: String?
    /// What it does when its store is full.
    package var storeFullPolicy: StoreFullPolicy?

    package init(
        name: String? = nil, originPath: String? = nil, storeFullPolicy: StoreFullPolicy? = nil
    ) {
        self.name = name
        self.originPath = originPath
        self.storeFullPolicy = storeFullPolicy
    }

    package var isEmpty: Bool { name == nil && originPath == nil && storeFullPolicy == nil }
}

extension VolumeService {
    /// Says of a volume what it is called, where its origin is, or what it does when its store is full. A
    /// new origin was moved, restored or replaced on purpose: its content is not looked at.
    ///
    /// Each is written into the store and then into the catalog, or the other way round where that leaves
    /// the safer of both after a crash; done again, it is finished.
    ///
    /// - Returns: the volume as it is then.
    /// - Throws: `locked` when somebody has the volume open, `refused` when the volume is active, another
    ///   program has the origin open, a merge goes on, or a new origin would not have what a server that died
    ///   had answered, `exists` when the name is taken.
    package func set(_ name: String, _ setting: VolumeSetting) throws -> VolumeSummary {
        try validate(setting)
        // Whatever a crash has left is known by the old name.
        if setting.name != nil { try Reconciler(context).tidy([name]) }
        let volume = try context.volume(name)
        var renamed = volume
        renamed.record.name = setting.name ?? name
        try context.withLocks([volume, renamed]) {
            try set(context.volume(name), setting)
        }
        return try show(renamed.record.name)
    }

    private func validate(_ setting: VolumeSetting) throws {
        guard !setting.isEmpty else {
            throw Problem(
                .usage, "nothing is to be set", hint: "name what: \(.help(["volume", "set"]))")
        }
        if let name = setting.name { try Self.requireValid(name) }
    }

    private func set(_ volume: VolumeRow, _ setting: VolumeSetting) throws {
        let name = volume.record.name
        let record = try context.anyReader(volume).record
        try StoreOwnership(context: context).require(record, storePath: volume.storePath)
        guard try !context.inspector(volume).hasDevices else {
            throw Problem(
                .refused, "volume \(name) is active: the kernel has its origin",
                hint: "run \(.deactivate(name)) first")
        }
        let folder = FileFolder(path: volume.storePath)
        guard let lock = try StoreHolder.lock(folder, purpose: "snapmgr volume set") else {
            throw StoreHolder.lockedProblem(store: folder)
        }
        defer { withExtendedLifetime(lock) {} }
        let change = VolumeChange(context: context, store: Store(folder: folder))
        var row = volume
        // What can be refused comes first, and the name last: until then all messages know the old one.
        if let new = setting.name { try change.requireRenamable(row, to: new) }
        // The log belongs to the origin that it was written beside, and would be set aside with another.
        if setting.originPath != nil { try requireNothingLogged(volume) }
        if let policy = setting.storeFullPolicy { try change.requirePossible(policy, of: row) }
        if let path = setting.originPath { try change.setOrigin(of: &row, to: path) }
        if let policy = setting.storeFullPolicy { try change.setPolicy(of: &row, to: policy) }
        if let new = setting.name { try change.rename(&row, to: new) }
    }
}

/// The changes of a volume whose store this command has to itself.
private struct VolumeChange {
    let context: ManagerContext
    let store: Store

    // MARK: The origin

    func setOrigin(of row: inout VolumeRow, to path: String) throws {
        let (record, driver) = (try store.volume(), try context.driver(of: row))
        if let name = try driver.originName(path) { return try setOrigin(of: &row, named: name) }
        let path = try VolumeCreation.originPath(path, driver, note: context.note)
        let probe = try OriginProbe(path: path)
        try probe.requireUnmanaged(
            by: try context.catalog.volumes().filter { $0.record.uuid != record.uuid })
        try probe.requireStoreElsewhere(row.storePath)
        try driver.requireKind(
            isBlockDevice: probe.status.kind == .blockDevice, path: path, volume: record.name)
        try Self.require(probe, record)
        let claim = try driver.setOrigin(path, of: VolumePlace(record, storePath: row.storePath))
        defer { withExtendedLifetime(claim) {} }
        try noteOrigin(of: &row, path)
    }

    /// The driver sees to it that it is the volume's.
    private func setOrigin(of row: inout VolumeRow, named name: String) throws {
        let driver = try context.driver(of: row)
        let place = VolumePlace(try store.volume(), storePath: row.storePath)
        try OriginProbe.requireUnmanaged(
            named: name,
            by: try context.catalog.volumes().filter { $0.record.uuid != place.record.uuid })
        _ = try driver.setOrigin(name, of: place)
        try noteOrigin(of: &row, name)
    }

    private func noteOrigin(of row: inout VolumeRow, _ origin: String) throws {
        row.record.originPath = origin
        try context.catalog.updateVolume(row)
        try context.log(
            .originSet, "the volume's origin is \(origin)", volume: row.record.name)
    }

    private static func require(_ probe: OriginProbe, _ record: VolumeRecord) throws {
        guard probe.byteCount >= record.geometry.volumeBytes else {
            throw Problem(
                .refused,
                "the origin \(probe.path) has \(probe.byteCount) bytes, volume \(record.name) "
                    + "\(record.geometry.volumeBytes)",
                hint: "name the file or device that holds the whole volume")
        }
    }

    // MARK: The policy

    func requirePossible(_ policy: StoreFullPolicy, of row: VolumeRow) throws {
        try context.driver(of: row)
            .check(NewVolume(makesOrigin: false, storeFullPolicy: policy))
    }

    /// Which snapshots are lost is looked for only where the catalog says that some can be: it says so
    /// before the store allows that, and until it allows that no more.
    func setPolicy(of row: inout VolumeRow, to policy: StoreFullPolicy) throws {
        try BrokenMarks(context: context).takeOver([row], looksAtAll: true)
        let old = row.record.storeFullPolicy
        row.record.storeFullPolicy = policy
        if policy == .breakSnapshots { try context.catalog.updateVolume(row) }
        try change { $0.storeFullPolicy = policy }
        try context.catalog.atomically("recording what a volume does when its store is full") {
            try context.catalog.updateVolume(row)
            guard old != policy else { return }
            try context.log(
                .volumeSet,
                "when its store is full, the volume does \(policy.rawValue) now, "
                    + "and not \(old.rawValue)", volume: row.record.name)
        }
    }

    // MARK: The name

    /// - Throws: `exists`, or `refused` while a revert knows the volume by its name.
    func requireRenamable(_ row: VolumeRow, to name: String) throws {
        let old = row.record.name
        guard name != old else { return }
        try context.requireFreeVolumeName(name)
        let reverts = try context.catalog.unfinishedReverts()
        guard !reverts.contains(where: { $0.volume == old || $0.group?.contains(old) == true }),
            try context.catalog.unfinished(volume: old).isEmpty
        else {
            throw Problem(
                .refused, "volume \(old) cannot be renamed while a revert or a merge of it goes on",
                hint: "wait until it is done: \(.mergeStatus(old))")
        }
    }

    /// The store has the new name first: what a rebuilt catalog would take it for. A crash leaves the
    /// catalog's, by which the volume goes on until this is done again.
    func rename(_ row: inout VolumeRow, to name: String) throws {
        let old = row.record.name
        try change { $0.name = name }
        guard name != old else { return }
        row.record.name = name
        try context.catalog.atomically("renaming volume \(old)") {
            try context.catalog.renameVolume(row, from: old)
            try context.log(
                .volumeSet, "the volume is called \(name) now, and was \(old)", volume: name)
        }
        noteSettings(of: old)
    }

    /// Without this its schedules would end in silence.
    private func noteSettings(of old: String) {
        guard let settings = try? context.settings.get(),
            settings.volumes[old] != nil || !settings.sets(of: old).isEmpty
        else { return }
        context.advise(
            "the settings still speak of volume \(old): write its new name there, "
                + "see \(.configCheck)")
    }

    private func change(_ body: (inout VolumeRecord) -> Void) throws {
        let old = try store.volume()
        var record = old
        body(&record)
        guard record != old else { return }
        try store.writeVolume(record)
        // An origin that is no file has the record, too; whoever opens the volume next writes it there.
        try? context.drivers.driver(of: record).markOrigin(
            of: VolumePlace(record, storePath: store.folder.path))
    }
}
