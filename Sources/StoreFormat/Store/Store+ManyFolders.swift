internal import SnapshotModel
internal import System

// Looks at very many snapshots' folders, by all processors: each look is a dozen system calls, and one thread is
// not done with a year of snapshots in a third of a second.
extension Store {
    /// From so many folders on; fewer are not worth the threads.
    package static let manyFolders = 1024
    /// How many folders a thread takes at a time.
    private static let share = 256

    /// What a look at each snapshot's folder gives, where that is nothing out of the ordinary; nil of all others,
    /// of those at which looking failed, and of all when they are few. They are looked at in their turn, where
    /// what comes before them is known.
    ///
    /// - Parameter look: gets a store of its thread alone.
    func lookAhead<Value: Sendable>(
        at ordinals: [SnapshotOrdinal], from many: Int = manyFolders,
        _ look: @escaping @Sendable (Store, SnapshotOrdinal) throws(Problem) -> Value?
    ) -> [Value?] {
        guard ordinals.count >= many else { return Array(repeating: nil, count: ordinals.count) }
        let starts = Array(stride(from: 0, to: ordinals.count, by: Self.share))
        let parts = Monitored<[[Value?]]>(Array(repeating: [], count: starts.count))
        ThreadTeam.run(
            count: starts.count, width: ThreadTeam.processorCount, name: "snapmgr-look"
        ) { number in
            let store = self.forOneLook
            let part = ordinals[starts[number]...].prefix(Self.share).map { ordinal in
                (try? look(store, ordinal)).flatMap(\.self)
            }
            parts.withLock { $0[number] = part }
        }
        return parts.withLock { $0.flatMap(\.self) }
    }

    /// The manifest of a finished snapshot that is neither deleted nor broken, with an area that is good; nil of
    /// any other.
    func ordinaryManifest(
        _ ordinal: SnapshotOrdinal, _ format: AreaFormat
    ) throws(Problem) -> SnapshotManifest? {
        let manifest = try manifest(ordinal)
        guard !manifest.isDeleted, try !isBroken(ordinal), try !isInvalid(ordinal, format) else {
            return nil
        }
        return manifest
    }

    /// Those of very many snapshots that are ordinary and whose areas have no flaw, with what these hold.
    func soundSnapshots(
        _ ordinals: [SnapshotOrdinal], _ record: VolumeRecord
    ) -> [(manifest: SnapshotManifest, map: ChunkMap)?] {
        let format = AreaFormat(chunkBytes: record.geometry.chunkBytes)
        return lookAhead(at: ordinals) { (store, ordinal) throws(Problem) in
            guard let manifest = try store.ordinaryManifest(ordinal, format) else { return nil }
            let map = try AreaLibrary.read(
                store.openArea(ordinal, writable: false), format: format, ordinal: ordinal,
                volumeBytes: manifest.volumeBytes)
            return (manifest, map)
        }
    }
}
