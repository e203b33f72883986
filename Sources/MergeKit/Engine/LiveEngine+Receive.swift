package import SnapshotModel
internal import StoreFormat
internal import System

// A stream that is written into the volume. What it overwrites is preserved as of any first write, so that all
// snapshots stay whole. While ``ReceiveNote`` is in the store, the volume's own content is a part of what is to
// come: whoever opens it next gives it back that of the snapshot that the stream builds on, which it had before,
// and whoever writes then finds no note.
extension LiveEngine {
    /// The stream that a volume without snapshots holds a part of; nil when there is none.
    package var halfReceived: ReceiveNote? { withShared { $0.halfReceived } }

    /// Notes, durably, that a stream is written from now on.
    ///
    /// - Parameter base: the snapshot that it builds on, as which the volume reads; nil when it brings all of it.
    package func beginReceiving(
        _ volume: String, _ snapshot: String, base: SnapshotManifest?
    ) throws(Problem) {
        try checkOpen()
        try checkNotPoisoned()
        guard chain.merge == nil else {
            throw Problem(
                .refused, "a merge runs on volume “\(record.name)”",
                hint: "let it end first: \(.mergeResume(record.name))")
        }
        try drainWriteBack()
        if let base { try requireRestorable(base) }
        let note = ReceiveNote(
            volume: volume, snapshot: snapshot, base: base?.ordinal,
            newest: base == nil ? nil : chain.newest, begunAt: options.clock.now())
        // First, so that nobody who does not know of the note finds one, writes, and leaves it behind.
        try mark(isReceiving: true)
        try store.writeReceiveNote(note)
        withShared { $0.halfReceived = note }
    }

    /// Has programs that know of no streams refuse the volume, or use it again.
    private func mark(isReceiving: Bool) throws(Problem) {
        var record = record
        guard (record.isReceiving == true) != isReceiving else { return }
        record.isReceiving = isReceiving ? true : nil
        try store.writeVolume(record)
        withShared { $0.record.isReceiving = record.isReceiving }
    }

    /// The volume holds what it says. What stays of the mark when this fails, the next open removes.
    private func endReceiving() throws(Problem) {
        withShared { $0.halfReceived = nil }
        openLive()
        try store.removeReceiveNote()
        try? mark(isReceiving: false)
    }

    /// Notes that all of the stream up to a place in the volume is there, durably: what comes may be cut, and go on.
    package func markReceived(upTo offset: Int) throws(Problem) {
        guard var note = halfReceived, offset > note.mark ?? 0 else { return }
        try drainWriteBack()
        try syncOrigin()
        (note.mark, note.markedAt) = (offset, options.clock.now())
        try store.writeReceiveNote(note)
        withShared { [note] in $0.halfReceived = note }
    }

    /// Goes on with a stream of which the volume holds a part, from a place on up to which all is there.
    ///
    /// - Throws: `refused` when it does not hold as much of it.
    package func resumeReceiving(
        _ volume: String, _ snapshot: String, base: SnapshotManifest?, at offset: Int
    ) throws(Problem) {
        try checkOpen()
        try checkNotPoisoned()
        guard var note = halfReceived, note.volume == volume, note.snapshot == snapshot,
            note.base == base?.ordinal, let mark = note.mark, (1...mark).contains(offset),
            // Of a first copy all is compared, and nothing is given back that would have it begin anew.
            base == nil || !withShared({ $0.originWasChanged }), chain.merge == nil
        else { throw staleProblem(snapshot, offset) }
        if base != nil { try requirePreserving() }
        // What lies behind comes again, and may be cut before it has come as far.
        (note.mark, note.markedAt) = (offset, options.clock.now())
        try store.writeReceiveNote(note)
        withShared { [note] in $0.halfReceived = note }
        openLive()
    }

    private func staleProblem(_ snapshot: String, _ offset: Int) -> Problem {
        Problem(
            .refused,
            "the stream goes on from byte \(offset) of snapshot \(snapshot), and volume “\(record.name)” does not "
                + "hold what comes before that any more",
            hint: "send it from its beginning; a mirror does so when it is run again")
    }

    /// Reads what has come of a stream that may go on.
    ///
    /// - Throws: `refused` behind what is durable of it.
    package func readReceived(
        into buffer: inout MutableRawSpan, at offset: Int
    ) throws(Problem) {
        guard let mark = halfReceived?.mark, offset >= 0, offset <= mark,
            buffer.byteCount <= mark - offset
        else { throw partProblem }
        do throws(IOFailure) { try origin.read(into: &buffer, at: offset) } catch {
            throw originProblem(error)
        }
    }

    /// What a stream that is cut has changed must be there to be given back.
    private func requireRestorable(_ base: SnapshotManifest) throws(Problem) {
        guard !withShared({ $0.originWasChanged }) else {
            throw Problem(
                .refused,
                "somebody else has written to the origin of volume “\(record.name)” since it was closed: it may "
                    + "not read as snapshot \(base.id) any more",
                hint: "have it read as that again: \(.revert(base.id))")
        }
        try requirePreserving()
        guard try firstData(in: base.volumeBytes..<chain.geometry.volumeBytes) == nil else {
            throw Problem(
                .refused,
                "behind the end of snapshot \(base.id), volume “\(record.name)” holds data that the stream would "
                    + "overwrite",
                hint: "have it read as that again: \(.revert(base.id))")
        }
    }

    /// What a stream overwrites must go into the newest snapshot's area, whatever else is lost by that.
    private func requirePreserving() throws(Problem) {
        guard record.storeFullPolicy != .breakSnapshots else {
            throw Problem(
                .refused,
                "volume “\(record.name)” gives its snapshots up when its store is full, and no stream is worth them",
                hint: "have it refuse writes then, at least meanwhile: \(.help(["volume", "set"]))")
        }
        guard let active = chain.active, !active.isInvalid else {
            throw Problem(
                .refused, "the newest snapshot of volume “\(record.name)” is broken",
                hint: "run \(.check(record.name))")
        }
    }

    /// Takes the snapshot that a stream has brought: from its manifest on, it is there.
    package func takeReceived(_ request: SnapshotRequest) throws(Problem) -> SnapshotOutcome {
        let outcome = try takeSnapshot(request)
        // What stays of it when this fails says by its snapshot that it is over.
        try endReceiving()
        return outcome
    }

    /// Preserves at once what many writes to come will overwrite; of a range that shall become zeroes, what has
    /// data.
    package func preserveAhead(
        _ data: [Range<Int>], zeroes: [Range<Int>]
    ) throws(Problem) {
        gate.enter()
        defer { gate.leave() }
        let chain = chain
        try checkNotPoisoned()
        guard let active = chain.active, chain.hasLive else { return }
        var needed: [Range<ChunkIndex>] = []
        for range in data {
            try check(range, in: chain)
            needed.append(chain.preserved(of: chain.geometry.chunks(touching: range)))
        }
        for range in zeroes {
            try check(range, in: chain)
            needed += try dataChunks(in: range, chain)
        }
        let chunks = ChunkSet(unordered: needed.filter { !$0.isEmpty }).ranges
            .filter { !active.isPreserved($0) }
        guard !chunks.isEmpty else { return }
        do {
            try makingRoom { () throws(IOFailure) in
                _ = try active.preserve(chunks, of: origin, geometry: chain.geometry)
            }
        } catch {
            // Whatever the volume's policy is: what is received is never worth a snapshot.
            throw preservationProblem(error)
        }
    }

    private func dataChunks(
        in range: Range<Int>, _ chain: ChainState
    ) throws(Problem) -> [Range<ChunkIndex>] {
        var chunks: [Range<ChunkIndex>] = []
        var position = range.lowerBound
        do throws(IOFailure) {
            while let data = try origin.firstData(in: position..<range.upperBound) {
                chunks.append(chain.preserved(of: chain.geometry.chunks(touching: data)))
                position = data.upperBound
            }
        } catch { throw originProblem(error) }
        return chunks
    }

    /// Brings answered writes into the origin that are in the log alone.
    package func settleLog() throws(Problem) { try drainWriteBack() }

    /// Has written bytes begin to move to the disk, so that less is left when all of it must be there.
    package func startWriteback(of range: Range<Int>) { origin.startWriteback(of: range) }

    /// The first stretch of a range in which the origin may hold other bytes than zeroes; nil when there is none.
    package func firstData(in range: Range<Int>) throws(Problem) -> Range<Int>? {
        do throws(IOFailure) { return try origin.firstData(in: range) } catch {
            throw originProblem(error)
        }
    }

    /// Whether the volume reads as one of its snapshots, as far as that goes: what was written since is compared.
    package func isUnchanged(since manifest: SnapshotManifest) throws(Problem) -> Bool {
        try drainWriteBack()
        let chain = chain
        guard manifest.volumeBytes <= chain.geometry.volumeBytes else { return false }
        let geometry = Geometry(
            volumeBytes: manifest.volumeBytes, chunkBytes: chain.geometry.chunkBytes)
        var written = ChunkSet()
        for entry in chain.snapshots where entry.manifest.ordinal >= manifest.ordinal {
            written = written.union(try map(of: entry.manifest, in: chain).chunks)
        }
        guard !written.isEmpty else { return true }
        let view = try openView(of: manifest.id)
        defer { view.close() }
        for range in written.ranges.map({ geometry.bytes(of: $0) }) {
            guard try reads(range, as: view) else { return false }
        }
        return true
    }

    private func reads(_ range: Range<Int>, as view: SnapshotView) throws(Problem) -> Bool {
        var own = AlignedBuffer(count: Self.pieceBytes)
        var old = AlignedBuffer(count: Self.pieceBytes)
        for piece in Self.pieces(of: range) {
            var left = own.mutableBytes(in: 0..<piece.count)
            try read(into: &left, at: piece.lowerBound)
            var right = old.mutableBytes(in: 0..<piece.count)
            try view.read(into: &right, at: piece.lowerBound)
            guard own.bytes(in: 0..<piece.count).hasSameBytes(old.bytes(in: 0..<piece.count)) else {
                return false
            }
        }
        return true
    }

    private static let pieceBytes = 1 << 20

    /// As they are asked for: there may be very many.
    private static func pieces(of range: Range<Int>) -> some Sequence<Range<Int>> {
        stride(from: range.lowerBound, to: range.upperBound, by: pieceBytes).lazy.map {
            $0..<min(range.upperBound, $0 + pieceBytes)
        }
    }
}

// MARK: - Taking back

extension LiveEngine {
    /// Before anybody uses the volume: gives it back what it was before a stream that did not come to its end.
    func recoverReceiving() throws(Problem) {
        guard let note = try store.receiveNote() else {
            try? mark(isReceiving: false)
            return
        }
        let newest = chain.snapshots.last?.manifest
        // One that was deleted is an earlier copy of it: nobody deletes before this has been looked at.
        if let newest, newest.source?.snapshot == note.snapshot, newest.ordinal != note.newest,
            !newest.isDeleted
        {
            return try endReceiving()
        }
        guard let base = note.base else {
            withShared { $0.halfReceived = note }
            return warn(
                "volume “\(record.name)” holds a part of a stream that was cut: receive it again; it takes no "
                    + "snapshots, and is not served, before")
        }
        guard newest?.ordinal == note.newest, let active = chain.active, !active.isInvalid,
            chain.merge == nil,
            let manifest = volumeState.readable.first(where: { $0.ordinal == base })
        else {
            warn(
                "THE CONTENT OF VOLUME “\(record.name)” IS PARTLY THAT OF A STREAM THAT WAS CUT: it could not be "
                    + "taken back, because snapshot \(base) of its chain cannot be read, or another one was "
                    + "taken since; revert to a snapshot that is whole")
            return try endReceiving()
        }
        if options.keepsReceived, note.mark != nil, !withShared({ $0.originWasChanged }) {
            return keep(note)
        }
        do throws(Problem) {
            try giveBack(active, manifest, note)
            try endReceiving()
        } catch {
            return keepShut(note, manifest, because: error)
        }
        warn(
            "a stream that was cut had begun to change volume “\(record.name)”: it was given back what "
                + "snapshot \(manifest.id) holds")
    }

    /// What cannot be given back now, as on a full disk, is no reason to keep the snapshots from anybody.
    private func keepShut(
        _ note: ReceiveNote, _ base: SnapshotManifest, because problem: Problem
    ) {
        withShared { $0.halfReceived = note }
        let shut = Problem(
            problem.code,
            "volume “\(record.name)” is partly what a stream that was cut has brought, and could not be given "
                + "back what snapshot \(base.id) holds: \(problem.message)",
            hint:
                "look at the disks of its origin and its store, then run \(.snapshot(record.name)), which gives "
                + "it back first; while it is served, stop its server and start it again, which does so, too"
        )
        shutLive(because: shut)
        warn(
            "\(shut.message); until that can be done, its snapshots are there, and the volume itself is neither "
                + "read nor written; make room, then run \(.snapshot(record.name)), or, while it is served, stop its "
                + "server and start it again")
    }

    /// The stream may go on, and nobody has asked for the volume's own content yet.
    private func keep(_ note: ReceiveNote) {
        withShared { $0.halfReceived = note }
        shutLive(
            because: Problem(
                .refused,
                "volume “\(record.name)” is partly what a stream that was cut has brought, and which may go on",
                hint:
                    "let the mirror be run; or have the volume given back what it was: \(.snapshot(record.name))"
            ))
    }

    /// Gives the volume back what it was, when a part of a stream was left in it that might go on. To be called by
    /// whoever has the volume alone and needs its own content.
    package func takeBackKept() throws(Problem) {
        guard let note = halfReceived, note.base != nil, note.mark != nil else { return }
        do throws(Problem) { guard try takeBackReceived() else { return } } catch {
            // Nobody goes on with what is given back in part.
            if let left = halfReceived, left.mark == nil, let base = base(of: left) {
                keepShut(left, base, because: error)
            }
            throw error
        }
        warn(
            "a stream that was cut had begun to change volume “\(record.name)”, and might have gone on: it was given "
                + "back what it was, and comes from the beginning of the snapshot")
    }

    /// The same while the volume is open.
    ///
    /// - Returns: whether there was anything to be given back.
    @discardableResult
    package func takeBackReceived() throws(Problem) -> Bool {
        guard let note = halfReceived, let base = base(of: note), let active = chain.active else {
            return false
        }
        try giveBack(active, base, note)
        try endReceiving()
        return true
    }

    private func base(of note: ReceiveNote) -> SnapshotManifest? {
        guard let base = note.base else { return nil }
        return volumeState.readable.first { $0.ordinal == base }
    }

    /// Has the volume read as a snapshot again wherever anything was preserved since the newest one was taken: all
    /// that a stream has overwritten is among that. Of these chunks, the snapshot has none from the origin, so
    /// doing it again changes nothing. The area's exceptions stay.
    private func giveBack(
        _ active: GrowingArea, _ base: SnapshotManifest, _ note: ReceiveNote
    ) throws(Problem) {
        try checkNotPoisoned()
        try forgetMark(note)
        try markOriginOpen()
        let view = try openView(of: base.id)
        defer { view.close() }
        let geometry = geometry
        var buffer = AlignedBuffer(count: Self.pieceBytes)
        for run in active.chunkMap().runs {
            let whole = geometry.bytes(of: run.originRange).clamped(to: 0..<base.volumeBytes)
            for piece in Self.pieces(of: whole) {
                var bytes = buffer.mutableBytes(in: 0..<piece.count)
                try view.read(into: &bytes, at: piece.lowerBound)
                do throws(IOFailure) {
                    try put(buffer.bytes(in: 0..<piece.count), at: piece)
                } catch { throw originProblem(error) }
            }
        }
        // There was nothing behind its end.
        if base.volumeBytes < geometry.volumeBytes {
            do throws(IOFailure) {
                try origin.punch(base.volumeBytes..<geometry.volumeBytes)
            } catch { throw originProblem(error) }
        }
        try syncOrigin()
    }

    /// Nothing goes on from what is about to be taken back. A full disk is no reason not to: who goes on compares first.
    private func forgetMark(_ note: ReceiveNote) throws(Problem) {
        guard note.mark != nil else { return }
        var note = note
        (note.mark, note.markedAt) = (nil, nil)
        do throws(Problem) { try store.writeReceiveNote(note) } catch {
            guard error.code == .noSpace else { throw error }
        }
        withShared { [note] in $0.halfReceived = note }
    }

    /// What was a hole becomes one again.
    private func put(_ bytes: RawSpan, at range: Range<Int>) throws(IOFailure) {
        let unit = format.chunkBytes
        var position = 0
        while position < bytes.byteCount {
            let end = min(bytes.byteCount, position + unit)
            let part = bytes.extracting(position..<end)
            let start = range.lowerBound + position
            if part.isZero {
                try origin.punch(start..<start + part.byteCount)
            } else {
                try origin.write(part, at: start)
            }
            position = end
        }
    }

    /// - Throws: `refused` while the volume holds a part of a stream, but for the snapshot that this brings.
    func requireWhole(for description: SnapshotDescription) throws(Problem) {
        try checkLiveIsWhole()
        guard let note = halfReceived, description.source?.snapshot != note.snapshot else { return }
        throw partProblem
    }

    /// Why nobody is to use the volume's own content; nil when it is whole.
    package var contentProblem: Problem? {
        withShared { $0.giveBackProblem } ?? (halfReceived == nil ? nil : partProblem)
    }

    /// What a volume says that holds a part of a stream.
    var partProblem: Problem {
        Problem(
            .refused,
            "volume “\(record.name)” holds a part of a stream that was cut, and nothing that ever was a volume's "
                + "content",
            hint: "receive the stream again, or remove the volume: \(.volumeRemove(record.name))")
    }

    /// - Throws: `refused` for the snapshot that the volume is to be given back.
    func requireNotNeeded(_ manifests: [SnapshotManifest]) throws(Problem) {
        guard let base = halfReceived?.base,
            let needed = manifests.first(where: { $0.ordinal == base })
        else { return }
        throw Problem(
            .refused,
            "snapshot \(needed.id) is what volume “\(record.name)” is to be given back, which a stream that was "
                + "cut has changed",
            hint:
                "have that done first, which may need room: \(.snapshot(record.name))")
    }
}
