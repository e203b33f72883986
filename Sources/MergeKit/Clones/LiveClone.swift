internal import System
package import SnapshotModel
internal import StoreFormat
internal import Synchronization

/// A clone in use: its snapshot's content, with what was written to it in the place of that. Any number of
/// clients share it; every method blocks and may be called from any thread.
///
/// Its area has the format of a snapshot's, and holds new content instead of old. The first write to a
/// chunk copies the rest of the chunk from the snapshot, and is answered when data and entry are durable, in
/// this order: an entry must never lead to less than the chunk. All later ones go to the area in place,
/// and are durable after ``flush()``, as those of a volume.
package final class LiveClone: Sendable {
    private let engine: LiveEngine
    /// Another one takes its place only while nothing is under way.
    private let content: Monitored<CloneContent>
    /// The size in bytes.
    package let byteCount: Int
    /// Whether something was written in place since the last sync.
    private let isDirty = Atomic<Bool>(false)
    /// Whether a merge copies from it.
    private let isFrozen: Atomic<Bool>
    /// Is closed to end what is under way.
    private let gate = Gate()

    init(_ content: CloneContent, engine: LiveEngine, isFrozen: Bool) {
        self.isFrozen = Atomic(isFrozen)
        self.engine = engine
        self.content = Monitored(content)
        byteCount = content.record.volumeBytes
    }

    private var present: CloneContent { content.withLock { $0 } }
    /// Its record as it is now: it may go on in another folder.
    package var record: CloneRecord { present.record }
    /// How messages call it.
    package var title: String { engine.title(of: record) }
    /// The number of chunks that its own area has.
    package var exceptionCount: Int { present.area.entryCount }
    /// Whether it takes no writes any more, until the volume is opened anew.
    var isInDoubt: Bool { present.device.isInDoubt }

    // MARK: Reading

    /// Reads the clone's bytes from `offset` on.
    package func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        gate.enter()
        defer { gate.leave() }
        let range = offset..<offset + buffer.byteCount
        let content = present
        try check(range, content)
        var position = offset
        while position < range.upperBound {
            let (place, bytes) = content.stretch(at: position, upTo: range.upperBound)
            var part = buffer.part(bytes.lowerBound - offset..<bytes.upperBound - offset)
            if let place {
                let device = content.device
                do { try device.read(into: &part, at: place) } catch { throw Problem(error) }
            } else {
                try content.base.read(into: &part, at: bytes.lowerBound)
            }
            position = bytes.upperBound
        }
    }

    /// Consecutive extents from the range's start on, as of ``LiveEngine/extents(in:limit:)``.
    package func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent] {
        gate.enter()
        defer { gate.leave() }
        let content = present
        try check(range, content)
        var list = ExtentList(limit: limit)
        var position = range.lowerBound
        while position < range.upperBound {
            let (place, bytes) = content.stretch(at: position, upTo: range.upperBound)
            let end = try append(bytes, of: content, at: place, to: &list, limit: limit)
            guard end == bytes.upperBound else { break }
            position = end
        }
        return list.extents
    }

    /// Has a file share the clone's bytes, as far as it can; nobody writes to the clone meanwhile.
    func share(_ range: Range<Int>, by sharing: ExtentSharing) throws(Problem) {
        gate.enter()
        defer { gate.leave() }
        let content = present
        try check(range, content)
        var position = range.lowerBound
        while position < range.upperBound {
            let (place, bytes) = content.stretch(at: position, upTo: range.upperBound)
            if let place {
                try sharing.take(
                    DeviceStretch(device: content.device, offset: place, range: bytes))
            } else {
                try content.base.share(bytes, by: sharing)
            }
            position = bytes.upperBound
        }
    }

    /// - Returns: how far the list reaches.
    private func append(
        _ bytes: Range<Int>, of content: CloneContent, at place: Int?,
        to list: inout ExtentList, limit: Int
    ) throws(Problem) -> Int {
        if let place {
            let stretch = DeviceStretch(device: content.device, offset: place, range: bytes)
            return try list.append(stretch) ? bytes.upperBound : list.end(from: bytes.lowerBound)
        }
        var position = bytes.lowerBound
        while position < bytes.upperBound {
            for extent in try content.base.extents(in: position..<bytes.upperBound, limit: limit) {
                guard list.append(extent.range, isHole: extent.isHole) else { return position }
                position = extent.range.upperBound
            }
        }
        return position
    }

    // MARK: Writing

    /// Overwrites the clone's bytes from `offset` on. With `forceUnitAccess` durable when it returns, else
    /// after the next ``flush()``. `.noSpace` when the store is full: nothing else suffers.
    package func write(
        _ bytes: RawSpan, at offset: Int, forceUnitAccess: Bool = false
    ) throws(Problem) {
        let range = offset..<offset + bytes.byteCount
        try change(range, forceUnitAccess) { (content, part, place) throws(IOFailure) in
            try content.device.write(
                bytes.extracting(part.lowerBound - offset..<part.upperBound - offset), at: place)
        } first: { (content, part) throws(Problem) in
            let chunks = content.geometry.chunks(touching: part)
            return try take([chunks], of: content) { entries, isRecycled throws(IOFailure) in
                try content.fill(part, isRecycled: isRecycled).write(bytes, at: offset, entries)
            }
        }
    }

    /// Makes a range read as zeroes and frees its space; what is a hole in the snapshot takes none.
    package func zero(_ range: Range<Int>, forceUnitAccess: Bool = false) throws(Problem) {
        try change(range, forceUnitAccess) { (content, part, place) throws(IOFailure) in
            try content.device.punch(place..<place + part.count)
        } first: { (content, part) throws(Problem) in
            let chunks = try dataChunks(in: part, of: content)
            return try take(chunks, of: content) { entries, isRecycled throws(IOFailure) in
                try content.fill(part, isRecycled: isRecycled).zero(entries)
            }
        }
    }

    /// Returns when all writes that were done before are durable.
    package func flush() throws(Problem) {
        gate.enter()
        defer { gate.leave() }
        let content = present
        try check(0..<0, content)
        try sync(content)
    }

    /// - Parameters:
    ///   - inPlace: changes bytes that lie in the area, from an offset there on.
    ///   - first: has those of a stretch's chunks changed that are not in the area, and returns which it
    ///     has; the others need no change, or somebody else has put them there meanwhile.
    private func change(
        _ range: Range<Int>, _ forceUnitAccess: Bool,
        inPlace: (CloneContent, _ bytes: Range<Int>, _ place: Int) throws(IOFailure) -> Void,
        first: (CloneContent, _ bytes: Range<Int>) throws(Problem) -> Set<ChunkIndex>
    ) throws(Problem) {
        gate.enter()
        defer { gate.leave() }
        let content = present
        try check(range, content)
        guard !content.record.isReadOnly else { throw engine.readOnlyProblem(content.record) }
        guard !isFrozen.load(ordering: .acquiring) else {
            throw engine.frozenProblem(content.record)
        }
        var position = range.lowerBound
        while position < range.upperBound {
            let (place, bytes) = content.stretch(at: position, upTo: range.upperBound)
            if let place {
                try changeInPlace(content, bytes, place, inPlace)
            } else {
                let taken = try first(content, bytes)
                try changeRest(of: bytes, content, without: taken, inPlace)
            }
            position = bytes.upperBound
        }
        if forceUnitAccess { try sync(content) }
    }

    /// What somebody else has put into the area since it was looked at.
    private func changeRest(
        of bytes: Range<Int>, _ content: CloneContent, without taken: Set<ChunkIndex>,
        _ inPlace: (CloneContent, _ bytes: Range<Int>, _ place: Int) throws(IOFailure) -> Void
    ) throws(Problem) {
        let geometry = content.geometry
        let chunks = geometry.chunks(touching: bytes)
        guard taken.count < chunks.count else { return }
        for chunk in chunks where !taken.contains(chunk) {
            let whole = geometry.bytes(of: chunk..<chunk.advanced(by: 1))
            let part = whole.clamped(to: bytes)
            guard let place = content.area.areaChunk(for: chunk) else { continue }
            let offset = engine.format.offset(of: place) + part.lowerBound - whole.lowerBound
            try changeInPlace(content, part, offset, inPlace)
        }
    }

    private func changeInPlace(
        _ content: CloneContent, _ bytes: Range<Int>, _ place: Int,
        _ change: (CloneContent, _ bytes: Range<Int>, _ place: Int) throws(IOFailure) -> Void
    ) throws(Problem) {
        isDirty.store(true, ordering: .releasing)
        do { try change(content, bytes, place) } catch { throw problem(error, content) }
    }

    /// Fills chunks of the area, and returns which. What the snapshot's view answers is told as it is.
    private func take(
        _ chunks: [Range<ChunkIndex>], of content: CloneContent,
        by fill: (_ entries: [AreaEntry], _ isRecycled: Bool) throws(IOFailure) -> Void
    ) throws(Problem) -> Set<ChunkIndex> {
        guard !chunks.isEmpty else { return [] }
        let (area, record) = (content.area, content.record)
        let taken: [AreaEntry]
        do throws(IOFailure) {
            taken = try engine.makingRoom { () throws(IOFailure) in
                try area.take(chunks, by: fill)
            }
        } catch {
            // What the disk may have of it must not come to life later: the client is told that it failed.
            try? area.settle()
            throw problem(error, content)
        }
        guard !area.isInvalid else { throw engine.invalidProblem(record) }
        return Set(taken.lazy.map(\.origin))
    }

    private func problem(_ failure: IOFailure, _ content: CloneContent) -> Problem {
        let source = content.source
        if failure.path == source.path, let problem = source.problem { return problem }
        var problem = Problem(failure)
        if failure.isNoSpace {
            problem.message = "a write to \(title) was refused, for its store is full: \(failure)"
        }
        return problem
    }

    /// The chunks of a range in which what it began as has data there.
    private func dataChunks(
        in range: Range<Int>, of content: CloneContent
    ) throws(Problem) -> [Range<ChunkIndex>] {
        var result: [Range<ChunkIndex>] = []
        var position = range.lowerBound
        do throws(IOFailure) {
            while let data = try content.source.firstData(in: position..<range.upperBound) {
                position = data.upperBound
                let chunks = content.geometry.chunks(touching: data)
                // Two stretches may lie in one chunk.
                if let last = result.last, last.upperBound >= chunks.lowerBound {
                    result[result.count - 1] = last.lowerBound..<chunks.upperBound
                } else {
                    result.append(chunks)
                }
            }
        } catch { throw problem(error, content) }
        return result
    }

    private func sync(_ content: CloneContent) throws(Problem) {
        isDirty.store(false, ordering: .releasing)
        do { try content.device.sync() } catch { throw Problem(error) }
    }

    // MARK: Merging

    /// Ends all writing: when it returns, none is under way, and all that was written is durable.
    ///
    /// - Returns: what its own area has.
    func freeze() throws(Problem) -> ChunkMap {
        isFrozen.store(true, ordering: .sequentiallyConsistent)
        drain()
        let content = present
        try check(0..<0, content)
        // Whoever wrote it before may have been killed, with some of it in the page cache alone.
        try sync(content)
        return content.area.chunkMap()
    }

    /// Lets it be written to again.
    func thaw() { isFrozen.store(false, ordering: .sequentiallyConsistent) }

    // MARK: Going on elsewhere

    /// Has the clone go on in another folder, over what its area has now: whoever has it open waits for a moment.
    /// When it fails, it goes on where it was, unless `record` says that it does elsewhere.
    ///
    /// - Parameters:
    ///   - area: an empty one in a folder that does not count yet.
    ///   - commit: makes the folder count, with all that the area has durable.
    /// - Returns: whether there was anything to leave behind; else nothing was done.
    func goOn(
        _ next: CloneRecord, in area: GrowingArea, on device: CloneDevice,
        commit: () throws(Problem) -> Void
    ) throws(Problem) -> Bool {
        // Most of what is to be durable is, before anybody waits.
        try sync(present)
        gate.close()
        defer { gate.open() }
        let content = present
        try check(0..<0, content)
        try doing { () throws(IOFailure) in try content.area.settle() }
        try sync(content)
        let own = content.area.chunkMap()
        guard own.count > 0 else { return false }
        try commit()
        let base = content.base.below(
            next, layer: content.record.ordinal, own: own, device: content.device)
        let successor = CloneContent(
            next, base: base, area: area, device: device, format: engine.format)
        self.content.withLock { $0 = successor }
        return true
    }

    // MARK: Ending

    /// Makes durable what was written, for the volume is about to be closed.
    func settle() throws(Problem) {
        let content = present
        guard isDirty.load(ordering: .acquiring), !content.device.isInDoubt else { return }
        try sync(content)
    }

    /// Returns when what is under way has ended.
    func drain() {
        gate.close()
        gate.open()
    }

    private func check(_ range: Range<Int>, _ content: CloneContent) throws(Problem) {
        let record = content.record
        try engine.checkOpen()
        guard !engine.chain.isBroken(record.snapshot) else { throw engine.brokenProblem(record) }
        guard !content.area.isInvalid else { throw engine.invalidProblem(record) }
        guard range.lowerBound >= 0, range.upperBound <= byteCount else {
            throw Problem(
                .usage,
                "bytes \(range.lowerBound) to \(range.upperBound) reach beyond \(title) of "
                    + "\(byteCount) bytes")
        }
    }
}

extension ExtentList {
    /// How far it reaches; `start` when it is empty.
    fileprivate func end(from start: Int) -> Int { extents.last?.range.upperBound ?? start }
}
