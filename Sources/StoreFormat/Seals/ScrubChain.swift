internal import System
internal import SnapshotModel

/// A store's chain as it was when a scrub looked at it: which areas there are, and who needs what of them.
struct ScrubChain {
    let format: AreaFormat
    /// Snapshots whose areas can be of use, by ordinal, deleted ones included.
    let manifests: [SnapshotManifest]
    /// The first ordinal whose area grows.
    let limit: SnapshotOrdinal
    private let state: VolumeState
    private let library: AreaLibrary

    init(_ store: Store, _ record: VolumeRecord) throws(Problem) {
        state = try StoreReading(store, record).state
        format = state.format
        library = AreaLibrary(store: store, format: state.format)
        let state = state
        manifests = state.manifests.filter { !state.isLost($0.ordinal) }
        let growing = [state.newest?.ordinal, state.revert?.record.safety].compactMap(\.self)
        limit = growing.min() ?? SnapshotOrdinal(rawValue: 0)
    }

    func map(_ manifest: SnapshotManifest) throws(Problem) -> ChunkMap {
        try library.map(manifest.ordinal, volumeBytes: manifest.volumeBytes)
    }

    /// The first snapshot after one.
    func next(after manifest: SnapshotManifest) -> SnapshotManifest? {
        let index = state.manifests.lowestIndex { $0.ordinal > manifest.ordinal }
        return index < state.manifests.count ? state.manifests[index] : nil
    }

    /// The volume's chunks whose exceptions in an area somebody needs; nil for all of them. What nobody needs
    /// may be a hole by now.
    func needed(of manifest: SnapshotManifest) throws(Problem) -> ChunkSet? {
        guard manifest.isDeleted else { return nil }
        let library = library
        let planner = ChainPlanner(state) { manifest throws(Problem) in
            try library.map(manifest.ordinal, volumeBytes: manifest.volumeBytes)
        }
        let stretch = planner.stretches.first { stretch in
            stretch.deleted.contains { $0.ordinal == manifest.ordinal }
        }
        guard let stretch,
            let garbage = try planner.garbage(of: [manifest], in: stretch).first
        else { return nil }
        if garbage.isWhole { return ChunkSet() }
        return try map(manifest).chunks.subtracting(garbage.chunks)
    }

    /// Which of some exceptions are not what the area's seal says now, and are needed.
    func confirm(
        _ suspects: [ScrubSuspect], of manifest: SnapshotManifest, _ store: Store,
        _ record: VolumeRecord
    ) throws(Problem) -> [ScrubSuspect] {
        guard let present = state.manifest(manifest.ordinal), present.id == manifest.id,
            let seal = try seal(of: present, store, record)
        else { return [] }
        let map = try map(present)
        guard let sealed = try firstExceptions(seal.header.count, of: present, map, store) else {
            return []
        }
        let needed = try needed(of: present)
        let wanted = ChunkSet(unordered: suspects.map { $0.origin..<$0.origin.advanced(by: 1) })
        let area = try store.openArea(manifest.ordinal, writable: false)
        var check = AreaCheck(
            present, area, sealed, seal, format,
            needed: needed.map { $0.intersection(wanted) } ?? wanted)
        var result: [ScrubSuspect] = []
        while check.beginWindow(nil) {
            while check.place != nil { _ = check.step() }
            result += check.takeSuspects()
        }
        if let failure = check.failure { throw Problem(failure) }
        return result
    }

    /// Nil when there is none of this chain any more.
    private func seal(
        of manifest: SnapshotManifest, _ store: Store, _ record: VolumeRecord
    ) throws(Problem) -> AreaSeal? {
        do throws(SealFault) { return try store.seal(manifest.ordinal, of: record) } catch {
            guard error != .foreign else { return nil }
            throw Problem(.inputOutput, "its seal cannot be read again")
        }
    }

    /// The map of an area's first exceptions; nil when it has no so many.
    func firstExceptions(
        _ count: Int, of manifest: SnapshotManifest, _ map: ChunkMap, _ store: Store
    ) throws(Problem) -> ChunkMap? {
        guard count < map.count else { return count == map.count ? map : nil }
        return try AreaLibrary.read(
            store.openArea(manifest.ordinal, writable: false), format: format,
            ordinal: manifest.ordinal, volumeBytes: manifest.volumeBytes, limit: count)
    }

    // MARK: Who reads what

    /// Ranges of the volume that the same snapshots read from an area, and that are damaged there.
    struct Damage {
        /// Those that can be read otherwise, by ordinal.
        var snapshots: [SnapshotID]
        /// In bytes of the volume.
        var ranges: [Range<Int>]
        /// Whether they cannot be read at all.
        var isUnreadable: Bool
    }

    /// More are not told one by one.
    private static let rangesMaximum = 1000

    /// Which snapshots read damaged exceptions of an area.
    func damage(_ suspects: [ScrubSuspect], in manifest: SnapshotManifest) -> [Damage] {
        var result: [Damage] = []
        for isReadable in [true, false] {
            let chunks = suspects.filter { $0.isReadable == isReadable }.map(\.origin)
            guard !chunks.isEmpty else { continue }
            for (ids, group) in grouped(chunks, manifest) {
                result.append(
                    Damage(
                        snapshots: ids, ranges: bytes(group, manifest), isUnreadable: !isReadable))
            }
        }
        return result
    }

    /// Chunks with the same readers together, each group in the order of the volume; readers by ordinal.
    func grouped(
        _ chunks: [ChunkIndex], _ manifest: SnapshotManifest
    ) -> [(readers: [SnapshotID], chunks: ChunkSet)] {
        var rest = ChunkSet(unordered: chunks.map { $0..<$0.advanced(by: 1) })
        var groups: [(readers: [SnapshotID], chunks: ChunkSet)] = []
        var readers: [SnapshotID] = manifest.isDeleted ? [] : [manifest.id]
        let end = state.manifests.lowestIndex { $0.ordinal >= manifest.ordinal }
        // From the area back: a chunk's readers end where an older area has it, too.
        for older in state.manifests[..<end].reversed() where !rest.isEmpty {
            guard let own = try? map(older).chunks else { continue }
            let ended = rest.intersection(own)
            if !ended.isEmpty { groups.append((readers.reversed(), ended)) }
            rest = rest.subtracting(own)
            if !older.isDeleted { readers.append(older.id) }
        }
        if !rest.isEmpty { groups.append((readers.reversed(), rest)) }
        return groups
    }

    private func bytes(_ chunks: ChunkSet, _ manifest: SnapshotManifest) -> [Range<Int>] {
        let geometry = Geometry(
            volumeBytes: manifest.volumeBytes, chunkBytes: format.chunkBytes)
        return chunks.ranges.prefix(Self.rangesMaximum).map { geometry.bytes(of: $0) }
    }

    /// The snapshots that may read an area: all up to it.
    func readers(through ordinal: SnapshotOrdinal) -> [SnapshotID] {
        state.manifests.filter { !$0.isDeleted && $0.ordinal <= ordinal }.map(\.id)
    }
}
