internal import Catalog
internal import SnapshotModel

/// How the catalog's snapshots of a volume differ from the store's. Pure.
struct CatalogComparison {
    /// In the catalog, not in the store.
    var missingInStore: [SnapshotID] = []
    /// In the store, not in the catalog.
    var missingInCatalog: [SnapshotID] = []
    /// In both, with different descriptions.
    var different: [SnapshotID] = []

    /// - Parameter labelling: the snapshot on which a command was cut that wrote its labels anew; what the store says
    ///   of them is what the next command takes over.
    init(
        rows: [SnapshotRow], manifests: [SnapshotManifest], labelling: SnapshotID? = nil
    ) {
        let live = manifests.filter { !$0.isDeleted }
        let stored: [SnapshotID: SnapshotManifest] = live.reduce(into: [:]) { stored, manifest in
            stored[manifest.id] = manifest
            // The store alone knows where a snapshot came from.
            stored[manifest.id]?.source = nil
        }
        let known = rows.reduce(into: [:]) { $0[$1.id] = $1.manifest }
        missingInStore = known.keys.filter { stored[$0] == nil }.sorted()
        missingInCatalog = stored.keys.filter { known[$0] == nil }.sorted()
        different = stored.compactMap { id, manifest in
            guard var row = known[id] else { return nil }
            if id == labelling {
                row.labels = manifest.labels
                row.consistency = manifest.consistency
            }
            return row != manifest ? id : nil
        }.sorted()
    }

    var isEqual: Bool {
        missingInStore.isEmpty && missingInCatalog.isEmpty && different.isEmpty
    }

    func findings(isRepaired: Bool) -> [Finding] {
        let cases: [([SnapshotID], String)] = [
            (missingInStore, "is in the catalog, but not in the store"),
            (missingInCatalog, "is in the store, but not in the catalog"),
            (different, "is described differently in the catalog and in the store"),
        ]
        return cases.flatMap { ids, message in
            ids.map {
                Finding(
                    isRepaired ? .note : .damage, object: "snapshot \($0)",
                    message: isRepaired ? message + ": mended from the store" : message,
                    remedy: isRepaired ? nil : "run \(.checkRepair)", isRepairable: true)
            }
        }
    }
}
