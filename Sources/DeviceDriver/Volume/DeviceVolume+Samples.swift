internal import System
internal import DeviceMapper
internal import StoreFormat
internal import SnapshotModel

// Where the machine knows nothing that tells disks apart, their content does: what was overwritten
// since some moment is in the areas since then, and all else is as it was.
extension DeviceVolume {
    private static let headCount = 16
    private static let sampleCount = 64
    private static let sampleBytesMaximum = 8 << 20
    /// Fewer prove nothing.
    private static let proofMinimum = 2

    /// Notes what some chunks hold, once for each chain of areas. A merge changes them meanwhile.
    ///
    /// Whatever fails keeps nobody from the volume, and is done by the next command. On a full disk
    /// that is nothing to tell: everything goes on there that frees space.
    func noteSamples() {
        do throws(Problem) { try takeSamples() } catch {
            guard error.code != .noSpace else { return }
            warn(
                "what the origin of volume \(record.name) holds could not be noted: "
                    + "\(error.message)")
        }
    }

    private func takeSamples() throws(Problem) {
        guard let active = state.active, state.revert == nil, var known = try store.originState(),
            !known.isClosed, manifests(since: known) == nil
        else { return }
        try flushOrigin()
        let origin = try directly(stack.name(.linear).path)
        let chunks = sampledChunks
        let contents = chunks.compactMap { chunk in
            content(ofChunk: chunk, on: origin).map { (chunk: chunk, bytes: $0) }
        }
        // A volume of less than a chunk has none.
        guard !contents.isEmpty || chunks.isEmpty else {
            throw Problem(.inputOutput, "nothing of it can be read", hint: "see `dmesg`")
        }
        // Any disk may have zeroes.
        known.samples = contents.filter { $0.bytes.contains { $0 != 0 } }.map {
            ChunkSum(chunk: $0.chunk, checksum: CRC32C.checksum($0.bytes))
        }
        known.samplesSince = active.id
        try store.writeOriginState(known)
    }

    /// The first chunks, and some all over the volume.
    private var sampledChunks: [Int] {
        let chunkBytes = state.format.chunkBytes
        let count = record.geometry.volumeBytes / chunkBytes
        let most = max(1, Self.sampleBytesMaximum / chunkBytes)
        let head = 0..<min(count, min(Self.headCount, most))
        let step = max(1, count / min(Self.sampleCount, most))
        return Array(Set(head).union(stride(from: 0, to: count, by: step))).sorted()
    }

    /// Refuses a device that has none of what the volume's origin must have after a crash. One that
    /// lacks some of it may be the right one all the same, whose areas have missed something.
    func requireSamples() throws(Problem) {
        let (read, fitting) = try comparedSamples()
        guard read >= Self.proofMinimum, fitting == 0 else { return }
        throw Problem(
            .refused,
            "the device at \(record.originPath) is not the origin of volume \(record.name), or was "
                + "written all over past it: nothing is there of what must be",
            hint: "have the path lead to the right device; if it is the right one, run "
                + "\(.activate(record.name, accepting: .device))")
    }

    /// How many of the samples that must be at the origin's path still could be read there, and how
    /// many of them are. What cannot be read says nothing.
    func comparedSamples() throws(Problem) -> (read: Int, fitting: Int) {
        guard let known = try store.originState(), !known.isClosed, let samples = known.samples,
            let manifests = manifests(since: known)
        else { return (0, 0) }
        var overwritten: [ChunkMap] = []
        for manifest in manifests {
            // What the kernel gave up says nothing.
            guard let map = try? map(of: manifest) else { return (0, 0) }
            overwritten.append(map)
        }
        let rest = samples.filter { sample in
            !overwritten.contains { $0.contains(ChunkIndex(sample.chunk)) }
        }
        let origin = try directly(record.originPath)
        let found = rest.compactMap { sample in
            checksum(ofChunk: sample.chunk, on: origin).map { $0 == sample.checksum }
        }
        return (found.count, found.filter(\.self).count)
    }

    /// The snapshots whose areas have all that was overwritten since the samples; nil when some are
    /// gone, or lost exceptions.
    private func manifests(since known: OriginState) -> ArraySlice<SnapshotManifest>? {
        guard known.samples != nil, let id = known.samplesSince,
            let first = state.manifests.firstIndex(where: { $0.id == id })
        else { return nil }
        let since = state.manifests[first...]
        let isWhole = zip(since, since.dropFirst()).allSatisfy { $0.ordinal.next == $1.ordinal }
        return isWhole && !state.isBroken(state.manifests[first].ordinal) ? since : nil
    }
}
