internal import System
package import SnapshotModel

// What the volume is to its mirrors. It is no part of what is done with the volume's data, and has nothing to do with
// the store's lock: commands change it while they have the volume's lock in their state, and servers read it whenever
// somebody connects.
extension Store {
    /// Nil of a volume that is no copy, and was never promoted.
    ///
    /// - Throws: `corrupt` when it cannot be read: then nobody knows who may write to the volume.
    package func mirrorStanding() throws(Problem) -> MirrorStanding? {
        guard try exists(StoreLayout.mirrorStanding) else { return nil }
        let standing = try read(MirrorStanding.self, StoreLayout.mirrorStanding, as: .mirror)
        if let flaw = standing.flaw { throw impossible(StoreLayout.mirrorStanding, flaw) }
        return standing
    }

    /// Replaces it, durably.
    package func writeMirrorStanding(_ standing: MirrorStanding) throws(Problem) {
        try replace(StoreLayout.mirrorStanding, standing, as: .mirror)
    }

    /// Forgets it, durably.
    package func removeMirrorStanding() throws(Problem) {
        guard try exists(StoreLayout.mirrorStanding) else { return }
        try doing { () throws(IOFailure) in
            try folder.removeFile(StoreLayout.mirrorStanding)
            try folder.syncFolder("")
        }
    }
}
