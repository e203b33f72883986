internal import System
package import SnapshotModel

/// How a whole store goes: only what has a name of the layout, only in a store whose identity was
/// just read, and never through a symbolic link.
extension Store {
    /// What a store's folder turned out to be.
    package enum Removal: Hashable, Sendable {
        /// All of ours is gone; these paths are none of ours and stay.
        case removed(leaving: [String])
        /// It is not the store of this volume: nothing was touched.
        case foreign
    }

    /// Removes a store. Its record is renamed first, so that nobody opens what is left, and goes
    /// last, so that a removal that was cut can be ended by another one.
    ///
    /// - Parameter uuid: the volume's; a store of another identity, or of none, is left alone.
    package func removeAll(uuid: String) throws(Problem) -> Removal {
        guard try identity() == uuid else { return .foreign }
        if try exists(StoreLayout.volume) {
            try doing { () throws(IOFailure) in
                try folder.rename(StoreLayout.volume, to: StoreLayout.removedVolume)
                try folder.syncFolder("")
            }
        }
        var left: [String] = []
        for name in [StoreLayout.clones, StoreLayout.snapshots, StoreLayout.reverts] {
            left += try removeFolders(in: name)
        }
        left += try removeIndex()
        left += try removeAllSeals()
        left += try removeAllMachines()
        left += try removeOwnFiles()
        return .removed(leaving: left)
    }

    /// Whether this is the volume's store, or what a removal that was cut has left of it.
    package func belongs(to uuid: String) throws(Problem) -> Bool { try identity() == uuid }

    /// The identity that the store has, or had before its removal began; nil when it has none.
    private func identity() throws(Problem) -> String? {
        for name in [StoreLayout.volume, StoreLayout.removedVolume] where try exists(name) {
            do throws(Problem) { return try read(VolumeRecord.self, name, as: .volume).uuid } catch
            {
                // What does not say whose it is, is nobody's to remove.
                guard error.isDamage else { throw error }
                return nil
            }
        }
        return nil
    }

    private func removeFolders(in parent: String) throws(Problem) -> [String] {
        guard try exists(parent) else { return [] }
        let names =
            switch parent {
            case StoreLayout.clones: StoreLayout.cloneNames
            case StoreLayout.snapshots: StoreLayout.snapshotNames
            default: StoreLayout.revertNames
            }
        var left: [String] = []
        for name in try doing({ () throws(IOFailure) in try folder.list(parent) }) {
            let path = parent + "/" + name
            guard StoreLayout.isFolder(name) else {
                left.append(path)
                continue
            }
            let status = try doing({ () throws(IOFailure) in try folder.isFolder(path) })
            guard status else {
                left.append(path)
                continue
            }
            left += try remove(path, names: names, record: "", draft: "", isDurable: false)
        }
        guard left.isEmpty else { return left }
        try doing { () throws(IOFailure) in try folder.removeFolder(parent) }
        return []
    }

    /// Removes the files beside the folders, the record last.
    private func removeOwnFiles() throws(Problem) -> [String] {
        try doing { () throws(IOFailure) in
            let found = try folder.list("")
            for name in found
            where StoreLayout.storeNames.contains(name) && name != StoreLayout.removedVolume {
                try folder.removeFile(name)
            }
            try folder.syncFolder("")
            try folder.removeFile(StoreLayout.removedVolume)
            try folder.syncFolder("")
            let folders: Set = [
                StoreLayout.snapshots, StoreLayout.reverts, StoreLayout.clones, StoreLayout.index,
                StoreLayout.seals, StoreLayout.machines,
            ]
            return found.filter {
                !StoreLayout.storeNames.contains($0) && !folders.contains($0)
            }
            .sorted()
        }
    }
}
