internal import System
package import SnapshotModel
internal import StoreFormat

// First writes that are answered before they are preserved.
extension LiveEngine {
    /// Appends a write to the log; false when it has to go the usual way.
    func appendToLog(
        _ bytes: RawSpan, at offset: Int, _ chain: ChainState
    ) throws(Problem) -> Bool {
        guard let writeBack, chain.merge == nil, let active = chain.active, chain.hasLive else {
            return false
        }
        let range = offset..<offset + bytes.byteCount
        let needed = chain.preserved(of: chain.geometry.chunks(touching: range))
        guard range.count <= WriteBackLog.payloadMaximum else { return false }
        guard !writeBack.isEmpty || !active.isPreserved(needed) else { return false }
        guard try hasRoom(range, needed, active, writeBack, chain) else { return false }
        let admission = try writeBack.append(bytes, at: offset, needed: needed, area: active) {
            segment throws(Problem) in try commit(segment, of: writeBack)
        }
        return admission == .logged
    }

    /// Whether the origin has space for a write, or has been given it where it had a hole: without, nobody
    /// knows that it will find room.
    private func hasRoom(
        _ range: Range<Int>, _ needed: Range<ChunkIndex>, _ area: GrowingArea,
        _ log: WriteBackLog, _ chain: ChainState
    ) throws(Problem) -> Bool {
        do throws(IOFailure) {
            if try log.backing.cover(range, of: origin) { return true }
        } catch { throw originProblem(error) }
        guard log.wouldTake(range, needed: needed, area: area) else { return false }
        // It changes when the file was changed.
        try log.beginOriginWrite()
        defer { log.endOriginWrite() }
        do throws(IOFailure) {
            return try log.backing.reserve(
                range, of: origin, volumeBytes: chain.geometry.volumeBytes)
        } catch { throw originProblem(error) }
    }

    /// Makes a change of the origin that the log has no part in: what it holds of the range comes first.
    func besideLog(
        _ range: Range<Int>, _ body: () throws(Problem) -> Void
    ) throws(Problem) {
        guard let writeBack else { return try body() }
        try writeBack.beginDirect(range) { segment throws(Problem) in
            try commit(segment, of: writeBack)
        }
        defer { writeBack.endOriginWrite() }
        try body()
    }

    // MARK: Reading

    /// Reads bytes of which some lie in the log.
    func read(
        into buffer: inout MutableRawSpan, at offset: Int, through log: WriteBackLog
    ) throws(Problem) {
        let range = offset..<offset + buffer.byteCount
        while true {
            let (pieces, dropped) = log.pieces(in: range)
            do { try origin.read(into: &buffer, at: offset) } catch { throw originProblem(error) }
            do throws(IOFailure) {
                for piece in pieces {
                    let (start, end) = (piece.range.lowerBound, piece.range.upperBound)
                    var part = buffer.part(start - offset..<end - offset)
                    try log.device.read(into: &part, at: piece.offset)
                }
            } catch { throw Problem(error) }
            // What has gone from the log meanwhile is in the origin, and its place may be another's.
            guard !pieces.isEmpty, !log.isCurrent(dropped) else { return }
        }
    }

    /// What of a range lies in the log, in order: it is data, whatever the origin has there.
    func loggedRanges(in range: Range<Int>) -> [Range<Int>] {
        guard let writeBack, !writeBack.isEmpty else { return [] }
        return writeBack.pieces(in: range).pieces.map(\.range)
            .sorted { $0.lowerBound < $1.lowerBound }
    }

    // MARK: Committing

    /// Returns when everything that the log held is in the origin, durably, and gone from the log.
    package func drainWriteBack() throws(Problem) { try drainWriteBack(breaksChain: true) }

    /// - Parameter breaksChain: whether a full store may cost the snapshots, where that is its policy.
    private func drainWriteBack(breaksChain: Bool) throws(Problem) {
        guard let writeBack else { return }
        try writeBack.drain { segment throws(Problem) in
            try commit(segment, of: writeBack, breaksChain: breaksChain)
        }
    }

    /// The same while the volume is held: nothing comes after it, so that what was reserved for it is
    /// given back.
    func settleWriteBack() throws(Problem) {
        guard writeBack != nil else { return }
        try drainWriteBack()
        try doing { () throws(IOFailure) in try chain.active?.dropReservation() }
    }

    /// Preserves what some records overwrite, all of it in one commit, and brings them into the origin;
    /// durable when it returns.
    private func commit(
        _ segment: WriteBackSegment, of log: WriteBackLog, breaksChain: Bool = true
    ) throws(Problem) {
        try checkNotPoisoned()
        do throws(Problem) {
            try preserve(segment, of: log, chain, breaksChain: breaksChain)
            try copy(segment.sorted, of: log)
            try syncOrigin()
        } catch {
            noteWriteBackFailure(error, log)
            throw error
        }
    }

    private func preserve(
        _ segment: WriteBackSegment, of log: WriteBackLog, _ chain: ChainState, breaksChain: Bool
    ) throws(Problem) {
        guard let active = chain.active else { return }
        if chain.hasLive {
            let needed = segment.chunkRanges.map(chain.preserved).filter { !$0.isEmpty }
            do {
                try makingRoom { () throws(IOFailure) in
                    _ = try active.preserve(
                        needed, of: origin, geometry: chain.geometry, isPromised: true)
                }
            } catch {
                guard breaksChain, error.isNoSpace, record.storeFullPolicy == .breakSnapshots else {
                    throw preservationProblem(error)
                }
                try breakChain(through: active, because: error)
            }
        }
        active.redeem(log.takePromise())
    }

    /// Writes pieces to the origin; neighbours in one write.
    private func copy(_ pieces: [WriteBackPiece], of log: WriteBackLog) throws(Problem) {
        var noted = log.clock.monotonicNanoseconds()
        try log.beginOriginWrite()
        defer { log.endOriginWrite() }
        var buffer = AlignedBuffer(count: Self.joinedBytes)
        var filled: Range<Int>?
        for piece in pieces {
            if let range = filled,
                range.upperBound != piece.range.lowerBound
                    || range.count + piece.range.count > Self.joinedBytes
            {
                try log.goOnWritingOrigin(&noted)
                try write(buffer.bytes(in: 0..<range.count), to: range)
                filled = nil
            }
            let range = filled ?? piece.range.lowerBound..<piece.range.lowerBound
            let end = range.count + piece.range.count
            do {
                var part = buffer.mutableBytes(in: range.count..<end)
                try log.device.read(into: &part, at: piece.offset)
            } catch { throw Problem(error) }
            filled = range.lowerBound..<piece.range.upperBound
        }
        guard let range = filled else { return }
        try log.goOnWritingOrigin(&noted)
        try write(buffer.bytes(in: 0..<range.count), to: range)
    }

    private func write(_ bytes: RawSpan, to range: Range<Int>) throws(Problem) {
        do { try origin.write(bytes, at: range.lowerBound) } catch { throw originProblem(error) }
    }

    /// No piece is longer than the longest record.
    private static let joinedBytes = 1 << 20

    /// Tells it once.
    private func noteWriteBackFailure(_ problem: Problem, _ log: WriteBackLog) {
        guard log.failure == nil else { return }
        warn(
            "writes to volume “\(record.name)” that were answered are in its log and not in the origin: "
                + "\(problem.message). They are read from there, flushes fail, and it is tried again"
        )
    }

    // MARK: Durability

    /// Makes the records durable that are in the log; where that cannot be, brings them into the origin.
    func syncLog() throws(Problem) {
        guard let writeBack, !writeBack.isEmpty else { return }
        if writeBack.failure == nil, writeBack.takesWrites {
            do throws(IOFailure) { try writeBack.sync() } catch { return try drainWriteBack() }
            // One that failed at the same time, elsewhere, may be all that tells of lost records.
            guard !writeBack.takesWrites else { return }
        }
        try drainWriteBack()
    }

    // MARK: The background

    /// Brings what is in the log into the origin, for as long as nobody ends it: what a thread of its own
    /// does. Without a log it returns at once.
    ///
    /// - Parameters:
    ///   - rest: how long a write may rest in the log.
    ///   - report: hears of failures, once for each try.
    package func runWriteBack(_ rest: WriteBackRest, report: (Problem) -> Void) {
        guard let writeBack else { return }
        while writeBack.waitForWork(rest) {
            do throws(Problem) {
                try writeBack.commitSome { segment throws(Problem) in
                    try commit(segment, of: writeBack)
                }
            } catch { report(error) }
        }
    }

    /// Ends ``runWriteBack(restingMilliseconds:report:)``.
    package func stopWriteBack() { writeBack?.stopWaiting() }

    /// Whether there is a log of first writes.
    package var hasWriteBack: Bool { writeBack != nil }

    // MARK: Opening and closing

    /// Brings a log that was found into the origin. When that fails, the volume is there all the same:
    /// what the log holds is read from it. A full store costs no snapshots yet: nobody has had an occasion to
    /// make room.
    func recoverWriteBack() {
        guard let writeBack, !writeBack.isEmpty else { return }
        do throws(Problem) {
            try markOriginOpen()
            try drainWriteBack(breaksChain: false)
            warn(
                "the last server of volume “\(record.name)” died with writes in its log: they are in the "
                    + "origin now")
        } catch {
            noteWriteBackFailure(error, writeBack)
        }
    }

    /// After an orderly close. A log that stays is empty, and is removed at the next open.
    func removeWriteBackLog() {
        guard writeBack != nil else { return }
        try? store.removeWriteBackLog()
    }
}
