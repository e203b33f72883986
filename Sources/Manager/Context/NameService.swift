internal import Catalog
internal import Settings
internal import SnapshotModel

/// The names that there are, for shells that complete them: from the catalog alone, without a look at stores.
package struct NameService {
    let context: ManagerContext

    /// How many a shell is given of one kind.
    private static let maximum = 1000

    package func volumes() -> [String] {
        ((try? context.catalog.volumes()) ?? []).map(\.record.name)
    }

    /// Those of the settings, and those that were taken.
    package func sets() -> [String] {
        let taken = (try? context.catalog.setNames()) ?? []
        let groups = (try? context.settings.get())?.groups ?? [:]
        return Set(taken).union(groups.keys).sorted()
    }

    package func clones() -> [String] {
        ((try? context.catalog.clones()) ?? []).map(\.record.name)
    }

    /// The copies of VMs.
    package func machineCopies() -> [String] {
        ((try? MachineCopies(context).all) ?? []).map(\.name)
    }

    package func mirrors() -> [String] {
        ((try? MirrorService(context: context).names()) ?? [])
    }

    /// The webhooks of the settings.
    package func webhooks() -> [String] {
        ((try? context.settings.get())?.webhooks ?? [:]).keys.sorted()
    }

    /// References that begin with a text: of what stands in front of its `@`, else of all volumes and sets.
    package func references(_ prefix: String) -> [String] {
        guard let at = prefix.firstIndex(of: "@") else {
            return (volumes() + sets()).map { "\($0)@" } + ids(prefix)
        }
        let owner = String(prefix[..<at])
        let name = owner.hasPrefix("set:") ? String(owner.dropFirst(4)) : owner
        let ofVolume = (try? context.catalog.snapshotNames(volume: name)) ?? []
        let names =
            ofVolume.isEmpty ? (try? context.catalog.snapshotNames(set: name)) ?? [] : ofVolume
        return (["latest", "live"] + names.prefix(Self.maximum)).map { "\(owner)@\($0)" }
    }

    /// The newest snapshots' ids, when one is being written.
    private func ids(_ prefix: String) -> [String] {
        guard !prefix.isEmpty, prefix.allSatisfy(\.isNumber) else { return [] }
        let query = SnapshotQuery(order: .id, isDescending: true, limit: Self.maximum)
        return ((try? context.catalog.snapshots(query: query)) ?? []).map { "\($0.id)" }
    }
}
