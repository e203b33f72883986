internal import SnapshotModel
internal import StoreFormat
internal import Synchronization
internal import System

/// The log of first writes: writes that are answered as soon as they are a record in a file of the
/// store, and preserved and brought into the origin behind their answer, many at once.
///
/// The log has two halves. Writes are appended to one; the other is brought into the origin, and then
/// released: durably, before its chunks are written in any other way and before the half is used
/// again. So no record is ever brought into the origin over something newer, whatever crash comes.
final class WriteBackLog: Sendable {
    let device: any BlockDevice
    let origin: any BlockDevice
    /// Where the origin has space already.
    let backing = BackedStretches()
    let clock: any Clock
    private let chunkBytes: Int
    /// Of a half, in bytes.
    private let segmentBytes: Int
    private let monitor = Monitor(.writeBack)
    private let state: State
    /// Whether there is anything in the log: what reads ask first.
    private let holdsSome: Atomic<Bool>

    /// What the monitor guards.
    private final class State: @unchecked Sendable {
        var notes: WriteBackNotes
        /// Takes new records.
        var active: WriteBackSegment
        /// What is to be brought into the origin next.
        var sealed: WriteBackSegment?
        var isCommitting = false
        /// Why the log could not be brought into the origin, the last time that was tried.
        var failure: Problem?
        /// The last generation that is in the origin, released durably, and gone from here: what was read
        /// of a half since may be another one's.
        var dropped: UInt64
        /// Whether new writes are taken: not after the log itself failed, nor in one that only waits to
        /// be emptied.
        var takesWrites: Bool
        /// How many want the log emptied and no new writes in it meanwhile.
        var holdCount = 0
        /// Records so far, and how many of them are durable.
        var appendedCount = 0
        var syncedCount = 0
        var isStopping = false
        var records = RecordBuffer()

        init(notes: WriteBackNotes, active: WriteBackSegment, takesWrites: Bool) {
            self.notes = notes
            dropped = notes.header.released
            self.active = active
            self.takesWrites = takesWrites
        }
    }

    /// Longer writes go the usual way: they do not gain by the log.
    static let payloadMaximum = 128 << 10

    /// A log with nothing in it.
    ///
    /// - Parameter header: as it stands in the file, durably.
    init(
        _ device: any BlockDevice, header: WriteBackHeader, origin: any BlockDevice,
        chunkBytes: Int, clock: any Clock
    ) {
        self.device = device
        self.origin = origin
        self.clock = clock
        self.chunkBytes = chunkBytes
        segmentBytes = header.segmentBytes
        let active = WriteBackSegment(
            generation: header.pending.lowerBound, chunkBytes: chunkBytes)
        let notes = WriteBackNotes(header, clock: clock, isDurable: true)
        state = State(notes: notes, active: active, takesWrites: true)
        holdsSome = Atomic(false)
    }

    /// A log that was found.
    ///
    /// - Parameter takesWrites: whether it goes on when what it holds is in the origin.
    init(
        found reader: WriteBackReader, origin: any BlockDevice, geometry: Geometry,
        clock: any Clock, takesWrites: Bool
    ) throws(IOFailure) {
        device = reader.device
        self.origin = origin
        self.clock = clock
        chunkBytes = geometry.chunkBytes
        segmentBytes = reader.header.segmentBytes
        var segments: [WriteBackSegment] = []
        for generation in reader.header.pending {
            var segment = WriteBackSegment(
                generation: generation, chunkBytes: geometry.chunkBytes)
            let records = try reader.records(generation, volumeBytes: geometry.volumeBytes)
            for record in records {
                segment.insert(record)
                segment.usedBytes += WriteBackRecord.strideBytes(payload: record.range.count)
            }
            segments.append(segment)
        }
        // Behind what was found, or in the place of a first record that is torn, whole ones of the same
        // generation may lie that were never durable: nothing goes there, and they never count.
        segments[1].usedBytes = segmentBytes
        var header = reader.header
        header.boot = clock.reading().bootID
        // With this start of the machine the origin is as it is now, and not as a power cut did not leave it.
        if let stamp = try origin.stamp() { header.origin = stamp }
        let notes = WriteBackNotes(header, clock: clock, isDurable: false)
        state = State(notes: notes, active: segments[1], takesWrites: takesWrites)
        state.sealed = segments[0].isEmpty ? nil : segments[0]
        holdsSome = Atomic(state.sealed != nil || !state.active.isEmpty)
    }

    // MARK: Looking

    /// Whether there is anything in it.
    var isEmpty: Bool { !holdsSome.load(ordering: .acquiring) }

    /// Why what is in it did not get into the origin; nil when nothing went wrong.
    var failure: Problem? { monitor.withLock { state.failure } }

    /// Whether its records can be made durable, and new ones are taken but while it is held off: not after
    /// it failed, when a sync that succeeds says nothing of those before.
    var takesWrites: Bool { monitor.withLock { state.takesWrites } }

    /// What of a range lies in the log: where two overlap, the later one comes later. Whoever has read
    /// them must ask ``isCurrent(_:)``.
    func pieces(in range: Range<Int>) -> (pieces: [WriteBackPiece], dropped: UInt64) {
        monitor.withLock {
            let older = state.sealed?.pieces(in: range) ?? []
            return (older + state.active.pieces(in: range), state.dropped)
        }
    }

    /// Whether nothing has gone from the log since pieces were looked up, so that what was read was theirs.
    func isCurrent(_ dropped: UInt64) -> Bool {
        monitor.withLock { state.dropped == dropped }
    }

    /// How many chunks were promised room on account of what is being committed; they are nobody's
    /// account any more then.
    func takePromise() -> Int {
        monitor.withLock {
            defer { state.sealed?.promisedChunks = 0 }
            return state.sealed?.promisedChunks ?? 0
        }
    }

    // MARK: Appending

    /// Whether ``append(_:at:needed:area:commit:)`` would take a write, as far as that can be told now.
    func wouldTake(
        _ range: Range<Int>, needed: Range<ChunkIndex>, area: GrowingArea
    ) -> Bool {
        monitor.withLock {
            guard state.takesWrites, state.failure == nil, state.holdCount == 0 else {
                return false
            }
            return overlaps(range) || !area.isPreserved(needed)
        }
    }

    /// What becomes of a write.
    enum Admission {
        /// It is in the log: it is answered.
        case logged
        /// It goes the usual way.
        case refused
    }

    /// Takes a write into the log if it gains by that, or must follow one that is there.
    ///
    /// - Parameters:
    ///   - needed: those of its chunks that the newest snapshot may need.
    ///   - commit: brings a half of the log into the origin; called when the log is full and nobody else
    ///     does it.
    func append(
        _ bytes: RawSpan, at offset: Int, needed: Range<ChunkIndex>, area: GrowingArea,
        commit: (WriteBackSegment) throws(Problem) -> Void
    ) throws(Problem) -> Admission {
        let range = offset..<offset + bytes.byteCount
        guard range.count <= Self.payloadMaximum else { return .refused }
        // One that takes a whole half gains nothing, and a longer one would wait for ever.
        guard WriteBackRecord.strideBytes(payload: range.count) <= segmentBytes / 2 else {
            return .refused
        }
        monitor.lock()
        defer { monitor.unlock() }
        while true {
            guard state.takesWrites, state.failure == nil, state.holdCount == 0 else {
                return .refused
            }
            let isThere = overlaps(range)
            guard isThere || !area.isPreserved(needed) else { return .refused }
            if fits(range.count) { break }
            if state.sealed == nil {
                seal()
            } else if state.isCommitting {
                monitor.wait()
            } else {
                try? commitOne(commit)
            }
        }
        let fresh = needed.count(where: { !state.active.hasChunk($0.rawValue) })
        guard fresh == 0 || area.promise(fresh) else { return .refused }
        do throws(IOFailure) {
            if isEmpty { try state.notes.write(to: device, of: origin) }
            try put(bytes, at: offset)
        } catch {
            // What was half written is no record, and nothing may be put behind it.
            state.takesWrites = false
            area.redeem(fresh)
            return .refused
        }
        state.active.promisedChunks += fresh
        if isEmpty {
            holdsSome.store(true, ordering: .releasing)
            monitor.broadcast()
        }
        return .logged
    }

    private func overlaps(_ range: Range<Int>) -> Bool {
        state.active.overlaps(range) || state.sealed?.overlaps(range) ?? false
    }

    private func fits(_ count: Int) -> Bool {
        state.active.usedBytes + WriteBackRecord.strideBytes(payload: count)
            <= segmentBytes
    }

    /// With the monitor held: appends a record. It stays held, so that a record is never there without
    /// those before it.
    private func put(_ payload: RawSpan, at offset: Int) throws(IOFailure) {
        let position =
            state.notes.header.segmentStart(state.active.generation) + state.active.usedBytes
        try state.records.write(
            payload, at: offset, of: state.active, to: device, position: position)
        state.active.usedBytes += WriteBackRecord.strideBytes(payload: payload.byteCount)
        state.active.insert(
            WriteBackRecord(
                range: offset..<offset + payload.byteCount,
                payloadOffset: position + WriteBackRecord.headingBytes))
        state.appendedCount += 1
    }

    /// With the monitor held, and nothing sealed: the other half takes what comes.
    private func seal() {
        let next = WriteBackSegment(
            generation: state.active.generation + 1, chunkBytes: chunkBytes)
        state.sealed = state.active
        state.active = next
        monitor.broadcast()
    }

    /// Takes no new writes until ``endHold()``, so that emptying the log comes to an end soon; each of these
    /// calls counts.
    func beginHold() { monitor.withLock { state.holdCount += 1 } }
    func endHold() { monitor.withLock { state.holdCount -= 1 } }

    // MARK: Committing

    /// Returns when all that was in the log before is in the origin, durably.
    func drain(_ commit: (WriteBackSegment) throws(Problem) -> Void) throws(Problem) {
        guard !isEmpty else { return }
        try drain(
            upTo: {
                state.active.isEmpty ? state.sealed?.generation : state.active.generation
            }, commit)
    }

    /// As ``drain(_:)``, of a range alone.
    private func drain(
        _ range: Range<Int>, _ commit: (WriteBackSegment) throws(Problem) -> Void
    ) throws(Problem) {
        try drain(
            upTo: {
                if state.active.overlaps(range) { return state.active.generation }
                return state.sealed?.overlaps(range) == true ? state.sealed?.generation : nil
            }, commit)
    }

    /// - Parameter limit: the last generation that must be gone; called with the monitor held.
    private func drain(
        upTo limit: () -> UInt64?, _ commit: (WriteBackSegment) throws(Problem) -> Void
    ) throws(Problem) {
        monitor.lock()
        defer { monitor.unlock() }
        guard let limit = limit() else { return }
        while state.dropped < limit {
            if state.isCommitting { monitor.wait() } else { try commitOne(commit) }
        }
    }

    /// Brings the older half of what is in the log into the origin; returns at once when there is
    /// nothing, or somebody else does it.
    func commitSome(_ commit: (WriteBackSegment) throws(Problem) -> Void) throws(Problem) {
        try monitor.withLock { () throws(Problem) in
            if !state.isCommitting { try commitOne(commit) }
        }
    }

    /// With the monitor held, which is released meanwhile, and nobody committing.
    private func commitOne(
        _ commit: (WriteBackSegment) throws(Problem) -> Void
    ) throws(Problem) {
        if state.sealed == nil, !state.active.isEmpty { seal() }
        guard let segment = state.sealed else { return }
        state.isCommitting = true
        monitor.unlock()
        let result: Result<Void, Problem>
        do throws(Problem) {
            try commit(segment)
            try release(segment.generation)
            result = .success(())
        } catch { result = .failure(error) }
        monitor.lock()
        state.isCommitting = false
        switch result {
        case .success:
            state.sealed = nil
            state.dropped = segment.generation
            state.failure = nil
            if state.active.isEmpty { holdsSome.store(false, ordering: .releasing) }
        case .failure(let problem): state.failure = problem
        }
        monitor.broadcast()
        try result.get()
    }

    /// Notes, durably, that a generation is in the origin.
    private func release(_ generation: UInt64) throws(Problem) {
        do throws(IOFailure) {
            let noted = try monitor.withLock { () throws(IOFailure) in
                let before = state.notes.header
                state.notes.header.released = generation
                do throws(IOFailure) { try state.notes.write(to: device, of: origin) } catch {
                    state.notes.header = before
                    throw error
                }
                return state.notes.latest
            }
            // The records' half is free again: nobody needs them on the disk.
            try syncNote(noted) { () throws(IOFailure) in
                try device.sync(0..<WriteBackHeader.blockBytes)
            }
        } catch {
            monitor.withLock { state.takesWrites = false }
            throw Problem(error)
        }
    }

    private func syncNote(
        _ noted: WriteBackNotes.Moment?, by sync: () throws(IOFailure) -> Void
    ) throws(IOFailure) {
        do throws(IOFailure) { try sync() } catch {
            // The records may be lost, though they can be read still.
            monitor.withLock { state.takesWrites = false }
            throw error
        }
        monitor.withLock { state.notes.synced(noted) }
    }

    // MARK: The origin

    /// To be called before the origin is written by anybody: returns when nothing of a range is in the
    /// log any more. What is written is noted until ``endOriginWrite()``.
    func beginDirect(
        _ range: Range<Int>, _ commit: (WriteBackSegment) throws(Problem) -> Void
    ) throws(Problem) {
        if !isEmpty { try drain(range, commit) }
        try beginOriginWrite()
    }

    /// As ``beginDirect(_:_:)``, by whoever brings the log into the origin.
    func beginOriginWrite() throws(Problem) { try keepNote(newWriters: 1) }

    /// To be called by a writer before each part of what it writes. It takes the lock that new writes need only
    /// now and then.
    ///
    /// - Parameter noted: when this, or ``beginOriginWrite()``, last saw to the note, by ``clock``.
    func goOnWritingOrigin(_ noted: inout Int64) throws(Problem) {
        let now = clock.monotonicNanoseconds()
        guard now.subtractingClamped(noted) > Self.notedNanoseconds else { return }
        try keepNote(newWriters: 0)
        noted = now
    }

    /// Less than after what a note is old.
    private static let notedNanoseconds: Int64 = 100_000_000

    /// The other end of ``beginDirect(_:_:)`` and of ``beginOriginWrite()``. A note that cannot be written
    /// leaves the former one, which says less.
    func endOriginWrite() {
        monitor.withLock {
            state.notes.writerCount -= 1
            if state.notes.writerCount == 0, !isEmpty {
                try? state.notes.write(to: device, of: origin)
            }
        }
    }

    /// Before the origin is written: sees that the log says of it what the next open must know to tell our
    /// writes from others', whether the process dies or the power fails.
    private func keepNote(newWriters: Int) throws(Problem) {
        do throws(IOFailure) {
            let noted = try monitor.withLock { () throws(IOFailure) in
                state.notes.writerCount += newWriters
                return try noteWriting()
            }
            if let noted { try syncNote(noted, by: device.sync) }
        } catch {
            let isNeeded = monitor.withLock {
                // Nothing that is in need of the note may come any more.
                state.takesWrites = false
                return !isEmpty
            }
            guard isNeeded else { return }
            if newWriters > 0 { endOriginWrite() }
            throw Problem(error)
        }
    }

    /// With the monitor held.
    ///
    /// - Returns: the note that must become durable first; nil when there is none.
    private func noteWriting() throws(IOFailure) -> WriteBackNotes.Moment? {
        // What is not used any more says nothing of anything.
        guard state.takesWrites || !isEmpty else { return nil }
        let mustSync = state.notes.isOldOnDisk
        let mustNote = !isEmpty && (!state.notes.header.isWriting || state.notes.isOld)
        guard mustSync || mustNote else { return nil }
        try state.notes.write(to: device, of: origin)
        return mustSync ? state.notes.latest : nil
    }

    // MARK: Durability

    /// Makes all records durable that were answered before.
    func sync() throws(IOFailure) {
        guard !isEmpty else { return }
        let (appended, synced, noted) = monitor.withLock {
            (state.appendedCount, state.syncedCount, state.notes.latest)
        }
        guard synced < appended else { return }
        try syncNote(noted, by: device.sync)
        monitor.withLock { state.syncedCount = max(state.syncedCount, appended) }
    }

    // MARK: The background

    /// Waits until something should be brought into the origin; false when the wait is to end. That is when
    /// a half of the log is full, nobody has written for a while, or somebody has flushed: whoever brings
    /// writes into the origin while others come is in their way, but a half that is soon used again is
    /// flushed sooner than one that the filesystem has never written.
    func waitForWork(_ rest: WriteBackRest) -> Bool {
        monitor.withLock {
            var rested = 0
            var syncedBefore = state.syncedCount
            while !state.isStopping {
                if isEmpty || state.isCommitting {
                    rested = 0
                    syncedBefore = state.syncedCount
                    monitor.wait()
                } else if state.failure != nil {
                    if !monitor.wait(milliseconds: Self.retryMilliseconds) { return true }
                } else if state.sealed != nil {
                    return true
                } else {
                    let before = state.appendedCount
                    guard !monitor.wait(milliseconds: rest.idleMilliseconds) else { continue }
                    rested += rest.idleMilliseconds
                    let isDue =
                        state.appendedCount == before || state.syncedCount > syncedBefore
                        || rested >= rest.longestMilliseconds
                    if isDue { return true }
                }
            }
            return false
        }
    }

    private static let retryMilliseconds = 1000

    /// Ends the waiting of whoever is in ``waitForWork(milliseconds:)``.
    func stopWaiting() {
        monitor.withLock { state.isStopping = true }
        monitor.broadcast()
    }
}
