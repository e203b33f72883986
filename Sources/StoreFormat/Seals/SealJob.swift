package import SnapshotModel
internal import System

/// Makes the seal of an area, some megabytes at a time. The area must not change meanwhile.
package struct SealJob {
    private let store: Store
    private var header: SealHeader
    private let draft: any BlockDevice
    /// The sums that are known already: they are not made of what the area holds by now.
    private let carried: @Sendable (ChunkIndex) -> UInt64?
    private var reader: AreaSums
    private var cursor: MapCursor
    private var tree = SealTree()
    private var sums: [UInt64] = []
    private var checksum: UInt32 = 0
    private var isReading = false

    /// The snapshot whose area it is.
    package var ordinal: SnapshotOrdinal { header.owner.ordinal }

    /// Begins a seal.
    ///
    /// - Parameters:
    ///   - map: all exceptions of the area.
    ///   - follower: the snapshot that came next.
    ///   - isLate: whether some of what is read had been there for long.
    ///   - known: the chunks of the volume of which `carried` gives sums; nothing is read for them.
    package init(
        _ store: Store, _ record: VolumeRecord, _ manifest: SnapshotManifest, map: ChunkMap,
        follower: IndexFollower, at now: Timestamp, isLate: Bool, known: ChunkSet = ChunkSet(),
        carried: @escaping @Sendable (ChunkIndex) -> UInt64? = { _ in nil }
    ) throws(Problem) {
        let format = AreaFormat(chunkBytes: record.geometry.chunkBytes)
        let area = try store.openArea(manifest.ordinal, writable: false)
        self.store = store
        self.carried = carried
        header = SealHeader(
            chunkBytes: format.chunkBytes, uuid: record.uuid, owner: IndexFollower(manifest),
            follower: follower, digest: AreaDigest(map),
            listsChecksum: try doing { () throws(IOFailure) in
                try AreaSums.listsChecksum(area, format, count: map.count)
            }, sealedAt: now, isLate: isLate, isGrowing: false, root: [])
        draft = try store.makeSealDraft(manifest.ordinal, byteCount: header.fileBytes)
        reader = AreaSums(
            area, format, map, needed: known.isEmpty ? nil : map.chunks.subtracting(known))
        cursor = MapCursor(map)
    }

    /// Goes on.
    ///
    /// - Parameter byteLimit: how much is read at most, or a little more.
    /// - Returns: true when the seal is in its place, durably.
    package mutating func step(byteLimit: Int) throws(Problem) -> Bool {
        var left = byteLimit
        while left > 0 {
            if !isReading {
                guard reader.beginWindow() else {
                    try finish()
                    return true
                }
                sums = [UInt64](repeating: 0, count: reader.window.count)
                isReading = true
            }
            let start = reader.window.lowerBound
            var isUnreadable = false
            let count = reader.step { index, sum in
                if let sum { sums[index - start] = sum } else { isUnreadable = true }
            }
            guard !isUnreadable else {
                throw Problem(
                    .inputOutput,
                    "the area of snapshot \(header.owner.id) cannot be read, and is not sealed",
                    hint: "check the disk, then run \(.check())")
            }
            left -= max(count, 1)
            if count == 0 { try endWindow() }
        }
        return false
    }

    private mutating func endWindow() throws(Problem) {
        isReading = false
        guard !sums.isEmpty else { return }
        var buffer = AlignedBuffer(count: sums.count * SealFormat.sumBytes)
        var bytes = buffer.mutableBytes
        for index in sums.indices {
            guard let origin = cursor.next() else { break }
            let sum = carried(origin) ?? sums[index]
            tree.append(origin, sum)
            bytes.store(littleEndian: sum, at: index * SealFormat.sumBytes)
        }
        checksum = buffer.bytes.crc32c(after: checksum)
        let (draft, offset) = (draft, SealFormat.offset(of: reader.window.lowerBound))
        do throws(IOFailure) { try draft.write(buffer.bytes, at: offset) } catch {
            throw Problem(error)
        }
    }

    private mutating func finish() throws(Problem) {
        guard let root = tree.root() else {
            throw Problem(.failed, "a SHA-256 cannot be computed here")
        }
        header.root = root
        var end = AlignedBuffer(count: SealFormat.checksumBytes)
        var bytes = end.mutableBytes
        bytes.store(littleEndian: checksum, at: 0)
        let (draft, header) = (draft, header)
        do throws(IOFailure) {
            try draft.write(end.bytes, at: SealFormat.offset(of: header.count))
            try draft.write(SealFormat.encode(header).span.bytes, at: 0)
        } catch { throw Problem(error) }
        try store.publishSeal(header.owner.ordinal, draft)
    }

    /// Takes back what has been written.
    package func abandon() { try? store.removeSealDraft(ordinal) }
}
