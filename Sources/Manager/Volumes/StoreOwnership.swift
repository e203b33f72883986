internal import System
internal import Catalog
internal import StoreFormat
internal import SnapshotModel
internal import VolumeAccess

/// Which state a store belongs to. A store that belongs to none, as older versions made them, is
/// taken by the first state that has its volume.
struct StoreOwnership {
    let context: ManagerContext

    /// - Throws: `refused`, naming both states, when the store is another's.
    func require(_ record: VolumeRecord, storePath: String) throws {
        guard let owner = record.owner else { return }
        let own = try StateIdentity(context.state).read()
        guard own?.state != owner.state else { return try requireOnly(owner, record, storePath) }
        let name = own?.description ?? context.state.path
        throw Problem(
            .refused,
            "the store \(storePath) of volume \(record.name) belongs to the state \(owner), not to "
                + name,
            hint: "use that state, or take the store over: "
                + "\(.catalogRebuildStore(storePath, takesOver: true))")
    }

    /// A copy of a state folder has its identity, too: where the state was when it took the store is
    /// the state, as long as it is there.
    private func requireOnly(
        _ owner: StoreOwner, _ record: VolumeRecord, _ storePath: String
    ) throws {
        guard let twin = try StateIdentity.twin(of: owner, context.state) else { return }
        throw Problem(
            .refused,
            "the store \(storePath) of volume \(record.name) belongs to the state \(twin): as far as "
                + "can be told, \(context.state.path) is a copy of it",
            hint: "use that state; if that one is a backup of this one, move it away, or "
                + "take the store over: \(.catalogRebuildStore(storePath, takesOver: true))")
    }

    /// Writes this state into a store that belongs to none, and where this state is now. A store that
    /// somebody has open is left for the next time.
    func adopt(_ volume: VolumeRow, _ record: VolumeRecord) throws {
        guard let owner = record.owner else {
            _ = try write(volume.storePath) { $0.owner == nil ? try own() : $0.owner }
            return
        }
        guard owner.path != context.state.path else { return }
        // Whose it is is known: a full store is no reason to refuse it.
        _ = try? write(volume.storePath) { record in
            let own = try own()
            return record.owner?.state == own.state ? own : record.owner
        }
    }

    /// Makes a store this state's, whoever has it.
    ///
    /// - Throws: `locked` when somebody has the volume open.
    func takeOver(_ storePath: String) throws {
        guard try write(storePath, owner: { _ in try own() }) else {
            throw StoreHolder.lockedProblem(store: FileFolder(path: storePath))
        }
    }

    /// Gives a store away that stays behind.
    func release(_ storePath: String) throws {
        let store = Store(folder: FileFolder(path: storePath))
        var record = try store.volume()
        guard record.owner != nil else { return }
        record.owner = nil
        try store.writeVolume(record)
        // Whoever takes the store next writes it there, too.
        try? markOrigin(record, storePath)
    }

    /// An origin that is no file says whose volume it is, and whose that is.
    private func markOrigin(_ record: VolumeRecord, _ storePath: String) throws {
        try context.drivers.driver(of: record).markOrigin(
            of: VolumePlace(record, storePath: storePath))
    }

    func own() throws -> StoreOwner { try StateIdentity(context.state).readOrMake() }

    /// - Returns: false when somebody has the store open.
    private func write(
        _ storePath: String, owner: (VolumeRecord) throws -> StoreOwner?
    ) throws -> Bool {
        let folder = FileFolder(path: storePath)
        guard let lock = try StoreHolder.lock(folder, purpose: "snapmgr") else { return false }
        defer { withExtendedLifetime(lock) {} }
        let store = Store(folder: folder)
        var record = try store.volume()
        let owner = try owner(record)
        if record.owner != owner {
            record.owner = owner
            try store.writeVolume(record)
        }
        try markOrigin(record, storePath)
        return true
    }
}
