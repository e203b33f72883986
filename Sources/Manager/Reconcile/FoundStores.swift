internal import System
internal import Catalog
internal import StoreFormat
internal import SnapshotModel

/// Chooses among the stores that a rebuild has found: one for each volume, and no copy for the store.
struct FoundStores {
    /// What the catalog knows, as far as it can be read.
    let known: [VolumeRow]
    /// Hears of stores that are left out.
    let note: @Sendable (String) -> Void

    /// - Returns: those to be read.
    /// - Throws: `refused` when two stores are of one volume and it is not certain which is the true
    ///   one, or when two volumes have one name.
    func select(_ paths: [String]) throws -> [String] {
        let found = try paths.map {
            VolumeRow(record: try StoreReader(folder: FileFolder(path: $0)).record, storePath: $0)
        }
        let chosen = try found.filter { try isChosen($0, among: found) }
        for store in chosen { try requireName(store, among: chosen) }
        return chosen.map(\.storePath)
    }

    /// Whether a store is to be read; false for a copy of one that is known.
    private func isChosen(_ store: VolumeRow, among found: [VolumeRow]) throws -> Bool {
        let uuid = store.record.uuid
        let recorded = known.first { $0.record.uuid == uuid }
        if let recorded, recorded.storePath != store.storePath, try isPresent(recorded) {
            guard found.contains(where: { $0.storePath == recorded.storePath }) else {
                throw twice(store, recorded)
            }
            note(
                "the store \(store.storePath) is a copy of \(recorded.storePath), the store of "
                    + "volume \(recorded.record.name): it was left out")
            return false
        }
        let other = found.first { $0.record.uuid == uuid && $0.storePath != store.storePath }
        guard let other, recorded?.storePath != store.storePath else { return true }
        throw twice(store, other)
    }

    /// Whether the volume's store lies where the catalog says. One that cannot be looked at is no
    /// reason to take its copy.
    private func isPresent(_ volume: VolumeRow) throws -> Bool {
        do throws(Problem) {
            let reader = try StoreReader(folder: FileFolder(path: volume.storePath))
            return reader.record.uuid == volume.record.uuid
        } catch {
            guard error.code == .notFound else { throw error }
            return false
        }
    }

    private func twice(_ store: VolumeRow, _ other: VolumeRow) -> Problem {
        Problem(
            .refused,
            "\(store.storePath) and \(other.storePath) are both the store of volume "
                + "\(store.record.name) (\(store.record.uuid)): one is a copy of the other",
            hint: "move the copy away, then run \(.catalogRebuild) again")
    }

    private func requireName(_ store: VolumeRow, among chosen: [VolumeRow]) throws {
        let other = (chosen + known).first {
            $0.record.name == store.record.name && $0.record.uuid != store.record.uuid
        }
        guard let other else { return }
        throw Problem(
            .exists,
            "the stores \(store.storePath) and \(other.storePath) are of two volumes with the name "
                + store.record.name,
            hint:
                "forget the one that is not needed now: \(.volumeRemove(store.record.name, keepsStore: true)), or move its store away"
        )
    }

    /// A store's content, with the origin that the catalog knows: a store cannot tell this state to
    /// write elsewhere.
    func trusted(_ contents: RebuiltCatalog.Volume) -> RebuiltCatalog.Volume {
        guard let recorded = known.first(where: { $0.record.uuid == contents.row.record.uuid })
        else { return contents }
        var contents = contents
        contents.row.record.originPath = recorded.record.originPath
        return contents
    }
}
