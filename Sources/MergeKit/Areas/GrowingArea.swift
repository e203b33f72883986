package import System
internal import Glibc
package import SnapshotModel
package import StoreFormat

/// An area that still takes exceptions: the newest snapshot's, and during a merge the safety
/// snapshot's.
///
/// Many threads preserve chunks at once. Each reserves chunks of the area in allocation order,
/// copies its own, and then waits for a commit; one of the waiting threads makes it for all whose
/// copies are done (group commit): two syncs, whatever their number.
///
/// Order of a commit, each step durable before the next (design I1, I4):
///  1. the copied data, and the next metadata block as zeroes when this commit fills the present one;
///  2. the entries, in allocation order, in one metadata block;
///  3. only then do the waiting threads go on and overwrite the origin.
package final class GrowingArea: Sendable {
    package let ordinal: SnapshotOrdinal
    package let device: any BlockDevice
    let format: AreaFormat
    let kernel: CopyKernel
    private let metadata: MetadataWriter
    let monitor = Monitor(.area)
    let state: State
    /// The entries by origin chunk, as far as somebody has asked for that order. Its own lock is taken
    /// before the monitor, which writers need, and never within it.
    let order = Monitored(EntryOrder(), .areaOrder)

    /// What the monitor guards.
    final class State: @unchecked Sendable {
        /// In the order of commitment: what a frozen area's metadata says.
        var committed = ExceptionTable()
        /// Reserved and not yet committed, in allocation order.
        var queue: [Reservation] = []
        var reserved: [ChunkIndex: Reservation] = [:]
        var nextFree = AreaFormat.firstDataChunk
        var room: AreaRoom
        /// Chunks whose reservation failed: taken again first, so that nothing leaks.
        var recycled: [ChunkIndex] = []
        var isCommitting = false
        /// A commit failed, so what the metadata block holds on disk is not known.
        var needsScrub = false
        /// Given up for ever: nothing is preserved any more.
        var isInvalid = false
        /// The present metadata block, as it is on disk.
        var block: MetadataBlock
        /// What the log of first writes will preserve, and has room for.
        var promise = AreaPromise()

        init(block: MetadataBlock, room: AreaRoom) {
            self.block = block
            self.room = room
        }

        /// An area as it is on disk.
        init(
            _ reader: AreaReader, _ format: AreaFormat, _ room: AreaRoom
        ) throws(AreaFault) {
            self.room = room
            isInvalid = try !reader.header().isValid
            let entries = try reader.entries()
            _ = try AreaReader.chunkMap(of: entries)
            committed = ExceptionTable(entries)
            let index = entries.count / format.entriesPerBlock
            block = MetadataBlock(
                index: index, format: format, entries: entries[(index * format.entriesPerBlock)...])
            for entry in entries where entry.area >= nextFree {
                nextFree = format.dataChunk(after: entry.area)
            }
            recycled = format.unusedChunks(below: nextFree, entries: entries)
        }

        func forgetExceptions(format: AreaFormat) {
            committed = ExceptionTable()
            nextFree = AreaFormat.firstDataChunk
            recycled = []
            promise.reservedBytes = 0
            block = MetadataBlock(index: 0, format: format)
            // Until the disk is as empty.
            needsScrub = true
        }
    }

    /// Some chunks that one thread preserves.
    final class Reservation: @unchecked Sendable {
        enum Step { case copying, copied, committed, failed }

        let entries: [AreaEntry]
        /// Whether the area's chunks may hold bytes of an earlier, failed copy.
        let isRecycled: Bool
        /// Guarded by the area's monitor.
        var step = Step.copying
        var failure: IOFailure?

        init(entries: [AreaEntry], isRecycled: Bool) {
            self.entries = entries
            self.isRecycled = isRecycled
        }
    }

    private init(
        ordinal: SnapshotOrdinal, device: any BlockDevice, format: AreaFormat, kernel: CopyKernel,
        state: State
    ) {
        self.ordinal = ordinal
        self.device = device
        self.format = format
        self.kernel = kernel
        self.state = state
        metadata = MetadataWriter(device: device, format: format)
    }

    /// Makes a new area in an empty file of zeroes: the header; metadata block 0 is a hole, which
    /// reads as zeroes. Durable when it returns. Space for the first block is reserved.
    ///
    /// - Parameter originChunkCount: how many chunks there are to preserve: the file becomes no longer than
    ///   these need.
    package static func create(
        on device: any BlockDevice, ordinal: SnapshotOrdinal, format: AreaFormat,
        originChunkCount: Int, kernel: CopyKernel
    ) throws(IOFailure) -> GrowingArea {
        try device.allocate(0..<2 * format.chunkBytes)
        try writeHeader(on: device, format: format, isValid: true)
        try device.sync()
        let state = State(
            block: MetadataBlock(index: 0, format: format),
            room: try AreaRoom(of: device, format: format, originChunkCount: originChunkCount))
        return GrowingArea(
            ordinal: ordinal, device: device, format: format, kernel: kernel, state: state)
    }

    /// Opens an area to go on with it, after an orderly end or a crash. What lies behind the last
    /// committed entry was never acknowledged; it is made zero again, durably, because a later
    /// commit would otherwise bring stale entries to life.
    package static func open(
        on device: any BlockDevice, ordinal: SnapshotOrdinal, format: AreaFormat,
        originChunkCount: Int, kernel: CopyKernel
    ) throws(AreaFault) -> GrowingArea {
        let reader = AreaReader(device: device, format: format, originChunkCount: originChunkCount)
        let room: AreaRoom
        do throws(IOFailure) {
            room = try AreaRoom(of: device, format: format, originChunkCount: originChunkCount)
        } catch { throw .unreadable(error) }
        let area = GrowingArea(
            ordinal: ordinal, device: device, format: format, kernel: kernel,
            state: try State(reader, format, room))
        // Nothing is added to an area that was given up, and the disk may be full still.
        guard !area.isInvalid else { return area }
        do {
            try area.rewriteLastFullBlocks()
            try area.scrub()
        } catch { throw .unreadable(error) }
        return area
    }

    static func writeHeader(
        on device: any BlockDevice, format: AreaFormat, isValid: Bool
    ) throws(IOFailure) {
        var buffer = AlignedBuffer(count: Geometry.sectorBytes)
        var bytes = buffer.mutableBytes
        format.encodeHeader(isValid: isValid, into: &bytes)
        try device.write(buffer.bytes, at: 0)
    }

    // MARK: Reading

    /// The area's chunk that holds the old content of an origin's chunk; nil while there is none or
    /// its entry is not durable (the origin still holds the content then).
    package func areaChunk(for chunk: ChunkIndex) -> ChunkIndex? {
        monitor.withLock { state.committed[chunk] }
    }

    /// The first run of committed exceptions within a range: consecutive chunks of the origin in
    /// consecutive chunks of the area. Nil when the range has none. The cost follows the number of
    /// exceptions, never the length of the range.
    package func firstRun(in range: Range<ChunkIndex>) -> ChunkRun? {
        order.withLock { order in
            order.absorb(pieces: newEntries)
            guard let first = order.first(from: range.lowerBound), first.origin < range.upperBound
            else { return nil }
            return monitor.withLock { run(from: first, upTo: range.upperBound) }
        }
    }

    /// Whether a chunk has a committed exception, and how many from it on are alike: without one, or in
    /// consecutive chunks of the area.
    func stretch(
        from chunk: ChunkIndex, upTo end: ChunkIndex
    ) -> (area: ChunkIndex?, count: Int) {
        let limit = min(Self.runMaximum, chunk.distance(to: end))
        return monitor.withLock {
            let area = state.committed[chunk]
            var count = 1
            while count < limit,
                state.committed[chunk.advanced(by: count)] == area?.advanced(by: count)
            { count += 1 }
            return (area, count)
        }
    }

    /// A copy of some entries behind the first so many, to be sorted beside the writers' lock.
    private func newEntries(after count: Int) -> [AreaEntry] {
        monitor.withLock {
            state.committed.entries.dropFirst(count).prefix(Self.copyMaximum).map { $0 }
        }
    }

    /// With the monitor held: the run that begins with an entry.
    private func run(from first: AreaEntry, upTo end: ChunkIndex) -> ChunkRun {
        var run = ChunkRun(origin: first.origin, area: first.area, count: 1)
        let limit = min(Self.runMaximum, first.origin.distance(to: end))
        while run.count < limit,
            state.committed[run.originRange.upperBound] == run.area.advanced(by: run.count)
        { run.count += 1 }
        return run
    }

    /// Longer runs are given in parts, so that the lock is not held for long.
    private static let runMaximum = 4096
    private static let copyMaximum = 65_536

    package var entryCount: Int { monitor.withLock { state.committed.entries.count } }
    package var isInvalid: Bool { monitor.withLock { state.isInvalid } }

    // MARK: Preserving

    /// Whether all the chunks have committed exceptions: the answer for most writes, at the cost of
    /// a look-up each.
    package func isPreserved(_ chunks: Range<ChunkIndex>) -> Bool {
        monitor.withLock {
            if state.isInvalid { return true }
            var chunk = chunks.lowerBound
            while chunk < chunks.upperBound {
                guard state.committed.contains(chunk) else { return false }
                chunk = chunk.advanced(by: 1)
            }
            return true
        }
    }

    /// Returns when all the chunks have committed exceptions. All that this call fills share one commit.
    ///
    /// - Parameters:
    ///   - isPromised: whether room for them was promised before; else they must leave what was promised.
    ///   - fill: writes the contents of some entries, which nobody else has, into the area. The chunks
    ///     there are zero, unless they are recycled.
    /// - Returns: the entries that this call has filled and committed: the others are somebody else's.
    func take(
        _ chunks: [Range<ChunkIndex>], isPromised: Bool = false,
        by fill: (_ entries: [AreaEntry], _ isRecycled: Bool) throws(IOFailure) -> Void
    ) throws(IOFailure) -> [AreaEntry] {
        var taken: [AreaEntry] = []
        while true {
            monitor.lock()
            if state.isInvalid {
                monitor.unlock()
                return taken
            }
            if let failure = scrubIfNeeded() ?? makeRoom(for: chunks, isPromised: isPromised) {
                monitor.unlock()
                throw failure
            }
            let (mine, others) = reserve(chunks)
            monitor.unlock()
            guard !mine.isEmpty || !others.isEmpty else { return taken }
            do throws(IOFailure) {
                for reservation in mine { try fill(reservation.entries, reservation.isRecycled) }
            } catch {
                abandon(mine, error)
                throw error
            }
            try commit(mine, waitingFor: others)
            for reservation in mine { taken += reservation.entries }
            // When somebody else's reservation failed its chunks are free again: once more.
            guard others.contains(where: { $0.step == .failed }) else { return taken }
        }
    }

    /// With the monitor held: makes the file as long as the chunks that nobody has yet need it. Returns the
    /// failure when it may not become so long.
    private func makeRoom(for chunks: [Range<ChunkIndex>], isPromised: Bool) -> IOFailure? {
        if !isPromised, let failure = keepPromise(beside: chunks) { return failure }
        guard bytesUsed(afterTaking: chunks.reduce(0) { $0 + $1.count }) > state.room.byteCount
        else { return nil }
        let missing = chunks.joined().count(where: {
            !state.committed.contains($0) && state.reserved[$0] == nil
        })
        let bytes = bytesUsed(afterTaking: max(0, missing - state.recycled.count))
        do throws(IOFailure) {
            try state.room.grow(to: bytes, device)
            return nil
        } catch { return error }
    }

    func bytesUsed(afterTaking count: Int) -> Int {
        format.usedBytes(before: format.dataChunk(state.nextFree, skipping: count))
    }

    /// With the monitor held: reserves the chunks that nobody has, and finds whose the others are.
    private func reserve(
        _ chunks: [Range<ChunkIndex>]
    ) -> (mine: [Reservation], others: [Reservation]) {
        var fresh: [AreaEntry] = []
        var recycled: [AreaEntry] = []
        var others: [Reservation] = []
        for chunk in chunks.joined() where !state.committed.contains(chunk) {
            if let other = state.reserved[chunk] {
                if others.last !== other { others.append(other) }
            } else if let area = state.recycled.popLast() {
                recycled.append(AreaEntry(origin: chunk, area: area))
            } else {
                fresh.append(AreaEntry(origin: chunk, area: state.nextFree))
                state.nextFree = format.dataChunk(after: state.nextFree)
            }
        }
        var mine: [Reservation] = []
        for (entries, isRecycled) in [(recycled, true), (fresh, false)] where !entries.isEmpty {
            let reservation = Reservation(entries: entries, isRecycled: isRecycled)
            for entry in entries { state.reserved[entry.origin] = reservation }
            state.queue.append(reservation)
            mine.append(reservation)
        }
        return (mine, others)
    }

    /// Gives reservations up that could not be filled.
    private func abandon(_ mine: [Reservation], _ failure: IOFailure) {
        monitor.withLock {
            for reservation in mine { giveUp(reservation, failure) }
            recycle(mine)
        }
        monitor.broadcast()
    }

    /// With the monitor held: lets others preserve a reservation's chunks. Its chunks of the area
    /// stay taken, as its owner may still be writing to them.
    private func giveUp(_ reservation: Reservation, _ failure: IOFailure) {
        guard reservation.step != .failed else { return }
        reservation.step = .failed
        reservation.failure = failure
        for entry in reservation.entries { state.reserved[entry.origin] = nil }
        state.queue.removeAll { $0 === reservation }
    }

    /// With the monitor held, by the owner when its copies have ended: frees the area's chunks of
    /// reservations that failed.
    private func recycle(_ mine: [Reservation]) {
        for reservation in mine where reservation.step == .failed {
            state.recycled.append(contentsOf: reservation.entries.map(\.area))
        }
    }

    /// Waits until `mine` are committed and `others` are decided, making commits meanwhile.
    private func commit(
        _ mine: [Reservation], waitingFor others: [Reservation]
    ) throws(IOFailure) {
        monitor.lock()
        defer { monitor.unlock() }
        for reservation in mine where reservation.step == .copying { reservation.step = .copied }
        // Others may have waited for the head of the queue to be copied.
        monitor.broadcast()
        while true {
            if let failed = mine.first(where: { $0.step == .failed }) {
                recycle(mine)
                throw failed.failure ?? .inputOutput("write", path: device.path)
            }
            let isDecided =
                mine.allSatisfy { $0.step == .committed }
                && others.allSatisfy { $0.step == .committed || $0.step == .failed }
            if isDecided { return }
            if !state.isCommitting, state.queue.first?.step == .copied {
                commitBatch()
            } else {
                monitor.wait()
            }
        }
    }

    // MARK: Committing

    /// With the monitor held, which is released meanwhile: commits the copied head of the queue.
    private func commitBatch() {
        let batch = Array(state.queue.prefix { $0.step == .copied })
        state.isCommitting = true
        let block = state.block
        monitor.unlock()
        let result = metadata.write(batch.flatMap(\.entries), from: block)
        monitor.lock()
        state.isCommitting = false
        switch result {
        case .success(let block):
            state.block = block
            for reservation in batch { publish(reservation) }
            state.queue.removeFirst(batch.count)
        case .failure(let failure):
            // A failed sync may have dropped anybody's unsynced copy: all must copy again.
            state.needsScrub = true
            for reservation in state.queue { giveUp(reservation, failure) }
        }
        monitor.broadcast()
    }

    private func publish(_ reservation: Reservation) {
        for entry in reservation.entries {
            state.committed.insert(entry)
            state.reserved[entry.origin] = nil
        }
        reservation.step = .committed
    }

    // MARK: Recovery

    /// Returns when the disk holds the acknowledged entries and no others, also after a commit that
    /// failed: before the area freezes, or a plan is made of it.
    package func settle() throws(IOFailure) {
        let failure = monitor.withLock { scrubIfNeeded() }
        if let failure { throw failure }
    }

    /// With the monitor held: repairs the metadata block after a failed commit, before anything is
    /// reserved again. Returns the failure when it still cannot be written.
    private func scrubIfNeeded() -> IOFailure? {
        guard state.needsScrub else { return nil }
        do throws(IOFailure) {
            try scrub()
            state.needsScrub = false
            return nil
        } catch { return error }
    }

    /// Brings the disk to what was acknowledged: the present metadata block with its committed
    /// entries and nothing behind them, and no data behind the last allocated chunk. The block is
    /// written even where it reads as it should: after a sync that failed, the page cache may show
    /// what the disk does not hold, and would not write it again by itself.
    private func scrub() throws(IOFailure) {
        try metadata.write(state.block, bytes: 0..<format.chunkBytes)
        try clearAbandonedChunks()
        try device.sync()
    }

    /// At open: the full blocks that the last commit may have written. Their sync may have failed,
    /// as that of the present block.
    private func rewriteLastFullBlocks() throws(IOFailure) {
        let count = format.entriesPerBlock
        let first = max(0, state.block.index - MetadataWriter.blocksPerCommit(format))
        for index in first..<state.block.index {
            let entries = state.committed.entries[index * count..<(index + 1) * count]
            let block = MetadataBlock(index: index, format: format, entries: entries)
            try metadata.write(block, bytes: 0..<format.chunkBytes)
        }
    }

    /// Chunks behind the last allocated one may hold data of copies that were never committed, and
    /// metadata blocks of commits that were; new exceptions expect holes there.
    private func clearAbandonedChunks() throws(IOFailure) {
        let end = try device.byteCount()
        let start = min(end, format.offset(of: state.nextFree))
        var index = state.block.index + 1
        while case let next = format.offset(of: format.metadataChunk(index)), next < start {
            try device.punch(next..<next + format.chunkBytes)
            index += 1
        }
        try device.punch(start..<end)
    }
}
