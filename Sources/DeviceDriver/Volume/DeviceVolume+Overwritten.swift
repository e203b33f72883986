internal import System
internal import DeviceMapper
internal import MergeKit
internal import SnapshotModel
internal import StoreFormat

// What a merge that is pending would overwrite: it must be there still, or the merge is not let loose.
extension DeviceVolume {
    /// How many chunks of a plan are looked at, and how many bytes at most.
    private static let sampleCount = 32
    private static let sampleBytesMaximum = 4 << 20

    /// The sums of some chunks that a revert's merge will overwrite, from all over its plan. Only while
    /// the volume is held, or nobody can write.
    func overwrittenSums(_ plan: ChunkSet) throws(Problem) -> [ChunkSum] {
        // What an earlier merge has written may be in the disk's cache, and be lost with it.
        try flushOrigin()
        let most = min(Self.sampleCount, max(1, Self.sampleBytesMaximum / state.format.chunkBytes))
        let origin = try directly(stack.name(.linear).path)
        let step = max(1, plan.count / most)
        var sums: [ChunkSum] = []
        var passed = 0
        for range in plan.ranges {
            // The multiples of the step, counted over all ranges.
            for index in stride(from: (step - passed % step) % step, to: range.count, by: step) {
                let chunk = range.lowerBound.rawValue + index
                // A chunk that cannot be read proves nothing.
                guard let sum = checksum(ofChunk: chunk, on: origin) else { continue }
                sums.append(.init(chunk: chunk, checksum: sum))
            }
            passed += range.count
        }
        return sums
    }

    /// Refuses a device on which a merge that is pending would overwrite something else than what was
    /// there at the revert, and one of which nothing at all says that it is the origin.
    ///
    /// - Parameter number: of the device at the origin's path.
    func requireMergeable(_ number: DeviceNumber) throws(Problem) {
        guard let revert = state.revert, revert.phase != .merged,
            revert.record.planChunkCount > 0, let sums = revert.record.overwrittenSums
        else { return }
        let unchanged = try UnchangedChunks(of: revert, in: self)
        let origin = try directly(record.originPath)
        // Any disk may have zeroes.
        let blank = CRC32C.checksum([UInt8](repeating: 0, count: state.format.chunkBytes))
        var isProven = false
        for sum in sums {
            guard let found = checksum(ofChunk: sum.chunk, on: origin) else { continue }
            if found == sum.checksum {
                isProven = isProven || found != blank
            } else if unchanged.contains(ChunkIndex(sum.chunk)) {
                throw stranger(
                    "is not the origin of volume \(record.name), or was written past it", revert,
                    "would overwrite what was not there")
            }
        }
        if isProven { return }
        if try isKnown(number) { return }
        guard try comparedSamples().fitting == 0 else { return }
        throw stranger(
            "may not be the origin of volume \(record.name): nothing shows that it is", revert,
            "would overwrite what it holds")
    }

    private func isKnown(_ number: DeviceNumber) throws(Problem) -> Bool {
        guard let known = record.deviceIdentity else { return false }
        return DeviceMarks.agree(known, try marks(of: number))
    }

    private func stranger(
        _ what: String, _ revert: RunningRevert, _ threat: String
    ) -> Problem {
        Problem(
            .refused,
            "the device at \(record.originPath) \(what), and the pending merge of snapshot "
                + "\(revert.record.targetID) \(threat)",
            hint: "have the path lead to the right device; if it is the right one, run "
                + "\(.activate(record.name, accepting: .device))")
    }
}

/// The chunks of the origin that a merge has certainly not touched until a crash.
///
/// Two things tell: what it overwrites is preserved in the safety snapshot's area first, unless that
/// has held it since before the revert; and it takes what is merged out of its list once that is
/// durable. The list's end may be merged in part, as far as the kernel does it in one step: chunks
/// that follow each other on the origin and in the list's store.
private struct UnchangedChunks {
    /// Nil when the area says nothing.
    private var preserved: ChunkMap?
    /// Nil when no merge has run: all chunks are as they were.
    private var unmerged: ChunkMap?

    init(of revert: RunningRevert, in volume: DeviceVolume) throws(Problem) {
        guard revert.phase != .committed else { return }
        unmerged = try OverlayList(volume.store, revert.record, volume.state.format)
            .unmergedChunks(chunkCount: volume.record.geometry.chunkCount)
        guard let safety = volume.state.manifest(revert.record.safety),
            !volume.state.isBroken(safety.ordinal)
        else { return }
        preserved = try volume.map(of: safety)
    }

    func contains(_ chunk: ChunkIndex) -> Bool {
        guard let unmerged else { return true }
        if let preserved, !preserved.contains(chunk) { return true }
        guard let step = unmerged.runs.last?.originRange else { return false }
        return unmerged.contains(chunk) && !step.contains(chunk)
    }
}

/// The list of what a merge has not merged, read from the store while the kernel has no device of it:
/// where the kernel has changed it, it is in the overlay's file, and else as it was written.
private struct OverlayList {
    private let store: Store
    private let revert: RevertRecord
    private let format: AreaFormat

    init(_ store: Store, _ revert: RevertRecord, _ format: AreaFormat) {
        self.store = store
        self.revert = revert
        self.format = format
    }

    /// - Parameter chunkCount: the volume's.
    func unmergedChunks(chunkCount: Int) throws(Problem) -> ChunkMap {
        let overlay = try open(StoreLayout.syntheticOverlay(revert.id))
        let metadata = try open(StoreLayout.syntheticMetadata(revert.id))
        let size = try doing { () throws(IOFailure) in try metadata.byteCount() }
        // Behind the header.
        let blockCount = max(0, size / format.chunkBytes - 1)
        // At most: the last block is not full.
        let storeCount = format.metadataChunk(blockCount).rawValue
        let changed = try reading(overlay) { () throws(AreaFault) in
            try AreaReader(device: overlay, format: format, originChunkCount: storeCount).chunkMap()
        }
        var entries: [AreaEntry] = []
        var buffer = AlignedBuffer(count: format.chunkBytes)
        for block in 0..<blockCount {
            var bytes = buffer.mutableBytes
            let place = changed.areaChunk(for: format.metadataChunk(block))
            try doing { () throws(IOFailure) in
                try (place == nil ? metadata : overlay).read(
                    into: &bytes, at: format.offset(of: place ?? ChunkIndex(1 + block)))
            }
            let isFull = format.decodeEntries(buffer.bytes) { origin, area in
                // What no list can name is merged nowhere, and found by the kernel's own reader.
                guard origin < UInt64(chunkCount), area < UInt64(storeCount) else { return }
                entries.append(
                    AreaEntry(origin: ChunkIndex(Int(origin)), area: ChunkIndex(Int(area))))
            }
            guard isFull else { break }
        }
        return try reading(metadata) { () throws(AreaFault) in
            try AreaReader.chunkMap(of: entries)
        }
    }

    private func open(_ name: String) throws(Problem) -> any BlockDevice {
        try doing { () throws(IOFailure) in try store.folder.openFile(name, writable: false) }
    }

    private func reading(
        _ device: any BlockDevice, _ body: () throws(AreaFault) -> ChunkMap
    ) throws(Problem) -> ChunkMap {
        do { return try body() } catch { throw Problem(error, area: device.path) }
    }
}
