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
    package let record: CloneRecord
    private let engine: LiveEngine
    private let view: SnapshotView
    private let source: ViewDevice
    private let area: GrowingArea
    private let device: CloneDevice
    private let geometry: Geometry
    /// Whether something was written in place since the last sync.
    private let isDirty = Atomic<Bool>(false)
    /// Whether a merge copies from it.
    private let isFrozen: Atomic<Bool>
    /// Is closed to end what is under way.
    private let gate = Gate()

    init(
        _ record: CloneRecord, engine: LiveEngine, view: SnapshotView, area: GrowingArea,
        device: CloneDevice, isFrozen: Bool
    ) {
        self.isFrozen = Atomic(isFrozen)
        self.record = record
        self.engine = engine
        self.view = view
        self.area = area
        self.device = device
        source = ViewDevice(view)
        geometry = Geometry(
            volumeBytes: record.volumeBytes, chunkBytes: engine.format.chunkBytes)
    }

    /// The size in bytes: that of the snapshot.
    package var byteCount: Int { record.volumeBytes }
    /// How messages call it.
    package var title: String { engine.title(of: record) }
    /// The number of chunks that were written to.
    package var exceptionCount: Int { area.entryCount }
    /// Whether it takes no writes any more, until the volume is opened anew.
    var isInDoubt: Bool { device.isInDoubt }

    // MARK: Reading

    /// Reads the clone's bytes from `offset` on.
    package func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        gate.enter()
        defer { gate.leave() }
        let range = offset..<offset + buffer.byteCount
        try check(range)
        var position = offset
        while position < range.upperBound {
            let (place, bytes) = stretch(at: position, upTo: range.upperBound)
            var part = buffer.part(bytes.lowerBound - offset..<bytes.upperBound - offset)
            if let place {
                do { try device.read(into: &part, at: place) } catch { throw Problem(error) }
            } else {
                try view.read(into: &part, at: bytes.lowerBound)
            }
            position = bytes.upperBound
        }
    }

    /// Consecutive extents from the range's start on, as of ``LiveEngine/extents(in:limit:)``.
    package func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent] {
        gate.enter()
        defer { gate.leave() }
        try check(range)
        var list = ExtentList(limit: limit)
        var position = range.lowerBound
        while position < range.upperBound {
            let (place, bytes) = stretch(at: position, upTo: range.upperBound)
            let end = try append(bytes, at: place, to: &list, limit: limit)
            guard end == bytes.upperBound else { break }
            position = end
        }
        return list.extents
    }

    /// - Returns: how far the list reaches.
    private func append(
        _ bytes: Range<Int>, at place: Int?, to list: inout ExtentList, limit: Int
    ) throws(Problem) -> Int {
        if let place {
            let stretch = DeviceStretch(device: device, offset: place, range: bytes)
            return try list.append(stretch) ? bytes.upperBound : list.end(from: bytes.lowerBound)
        }
        var position = bytes.lowerBound
        while position < bytes.upperBound {
            for extent in try view.extents(in: position..<bytes.upperBound, limit: limit) {
                guard list.append(extent.range, isHole: extent.isHole) else { return position }
                position = extent.range.upperBound
            }
        }
        return position
    }

    /// The longest stretch from `position` on that lies in one piece of the area, with its offset there, or
    /// nowhere in it.
    private func stretch(at position: Int, upTo end: Int) -> (place: Int?, bytes: Range<Int>) {
        let chunks = geometry.chunks(touching: position..<end)
        let (chunk, count) = area.stretch(from: chunks.lowerBound, upTo: chunks.upperBound)
        let first = chunks.lowerBound
        let last = first.advanced(by: count).rawValue * geometry.chunkBytes
        let within = position - first.rawValue * geometry.chunkBytes
        let place = chunk.map { engine.format.offset(of: $0) + within }
        return (place, position..<min(end, last))
    }

    // MARK: Writing

    /// Overwrites the clone's bytes from `offset` on. With `forceUnitAccess` durable when it returns, else
    /// after the next ``flush()``. `.noSpace` when the store is full: nothing else suffers.
    package func write(
        _ bytes: RawSpan, at offset: Int, forceUnitAccess: Bool = false
    ) throws(Problem) {
        let range = offset..<offset + bytes.byteCount
        try change(range, forceUnitAccess) { (part, place) throws(IOFailure) in
            try device.write(
                bytes.extracting(part.lowerBound - offset..<part.upperBound - offset), at: place)
        } first: { (part) throws(Problem) in
            try take([geometry.chunks(touching: part)]) { entries, isRecycled throws(IOFailure) in
                let fill = CloneFill(
                    geometry: geometry, format: engine.format, view: source, area: device,
                    part: part, isRecycled: isRecycled)
                try fill.write(bytes, at: offset, entries)
            }
        }
    }

    /// Makes a range read as zeroes and frees its space; what is a hole in the snapshot takes none.
    package func zero(_ range: Range<Int>, forceUnitAccess: Bool = false) throws(Problem) {
        try change(range, forceUnitAccess) { (part, place) throws(IOFailure) in
            try device.punch(place..<place + part.count)
        } first: { (part) throws(Problem) in
            try take(dataChunks(in: part)) { entries, isRecycled throws(IOFailure) in
                let fill = CloneFill(
                    geometry: geometry, format: engine.format, view: source, area: device,
                    part: part, isRecycled: isRecycled)
                try fill.zero(entries)
            }
        }
    }

    /// Returns when all writes that were done before are durable.
    package func flush() throws(Problem) {
        gate.enter()
        defer { gate.leave() }
        try check(0..<0)
        try sync()
    }

    /// - Parameters:
    ///   - inPlace: changes bytes that lie in the area, from an offset there on.
    ///   - first: has those of a stretch's chunks changed that are not in the area, and returns which it
    ///     has; the others need no change, or somebody else has put them there meanwhile.
    private func change(
        _ range: Range<Int>, _ forceUnitAccess: Bool,
        inPlace: (_ bytes: Range<Int>, _ place: Int) throws(IOFailure) -> Void,
        first: (_ bytes: Range<Int>) throws(Problem) -> Set<ChunkIndex>
    ) throws(Problem) {
        gate.enter()
        defer { gate.leave() }
        try check(range)
        guard !isFrozen.load(ordering: .acquiring) else { throw engine.frozenProblem(record) }
        var position = range.lowerBound
        while position < range.upperBound {
            let (place, bytes) = stretch(at: position, upTo: range.upperBound)
            if let place {
                try changeInPlace(bytes, place, inPlace)
            } else {
                let taken = try first(bytes)
                try changeRest(of: bytes, without: taken, inPlace)
            }
            position = bytes.upperBound
        }
        if forceUnitAccess { try sync() }
    }

    /// What somebody else has put into the area since it was looked at.
    private func changeRest(
        of bytes: Range<Int>, without taken: Set<ChunkIndex>,
        _ inPlace: (_ bytes: Range<Int>, _ place: Int) throws(IOFailure) -> Void
    ) throws(Problem) {
        let chunks = geometry.chunks(touching: bytes)
        guard taken.count < chunks.count else { return }
        for chunk in chunks where !taken.contains(chunk) {
            let whole = geometry.bytes(of: chunk..<chunk.advanced(by: 1))
            let part = whole.clamped(to: bytes)
            guard let place = area.areaChunk(for: chunk) else { continue }
            let offset = engine.format.offset(of: place) + part.lowerBound - whole.lowerBound
            try changeInPlace(part, offset, inPlace)
        }
    }

    private func changeInPlace(
        _ bytes: Range<Int>, _ place: Int,
        _ change: (_ bytes: Range<Int>, _ place: Int) throws(IOFailure) -> Void
    ) throws(Problem) {
        isDirty.store(true, ordering: .releasing)
        do { try change(bytes, place) } catch { throw problem(error) }
    }

    /// Fills chunks of the area, and returns which. What the snapshot's view answers is told as it is.
    private func take(
        _ chunks: [Range<ChunkIndex>],
        by fill: (_ entries: [AreaEntry], _ isRecycled: Bool) throws(IOFailure) -> Void
    ) throws(Problem) -> Set<ChunkIndex> {
        guard !chunks.isEmpty else { return [] }
        let taken: [AreaEntry]
        do throws(IOFailure) {
            taken = try engine.makingRoom { () throws(IOFailure) in
                try area.take(chunks, by: fill)
            }
        } catch {
            // What the disk may have of it must not come to life later: the client is told that it failed.
            try? area.settle()
            throw problem(error)
        }
        guard !area.isInvalid else { throw engine.invalidProblem(record) }
        return Set(taken.lazy.map(\.origin))
    }

    private func problem(_ failure: IOFailure) -> Problem {
        if failure.path == source.path, let problem = source.problem { return problem }
        var problem = Problem(failure)
        if failure.isNoSpace {
            problem.message = "a write to \(title) was refused, for its store is full: \(failure)"
        }
        return problem
    }

    /// The chunks of a range in which the snapshot has data there.
    private func dataChunks(in range: Range<Int>) throws(Problem) -> [Range<ChunkIndex>] {
        var result: [Range<ChunkIndex>] = []
        var position = range.lowerBound
        do throws(IOFailure) {
            while let data = try source.firstData(in: position..<range.upperBound) {
                position = data.upperBound
                let chunks = geometry.chunks(touching: data)
                // Two stretches may lie in one chunk.
                if let last = result.last, last.upperBound >= chunks.lowerBound {
                    result[result.count - 1] = last.lowerBound..<chunks.upperBound
                } else {
                    result.append(chunks)
                }
            }
        } catch { throw problem(error) }
        return result
    }

    private func sync() throws(Problem) {
        isDirty.store(false, ordering: .releasing)
        do { try device.sync() } catch { throw Problem(error) }
    }

    // MARK: Merging

    /// Ends all writing: when it returns, none is under way, and all that was written is durable.
    ///
    /// - Returns: what of it is not as in its snapshot.
    func freeze() throws(Problem) -> ChunkMap {
        isFrozen.store(true, ordering: .sequentiallyConsistent)
        drain()
        try check(0..<0)
        // Whoever wrote it before may have been killed, with some of it in the page cache alone.
        try sync()
        return area.chunkMap()
    }

    /// Lets it be written to again.
    func thaw() { isFrozen.store(false, ordering: .sequentiallyConsistent) }

    // MARK: Ending

    /// Makes durable what was written, for the volume is about to be closed.
    func settle() throws(Problem) {
        guard isDirty.load(ordering: .acquiring), !isInDoubt else { return }
        try sync()
    }

    /// Returns when what is under way has ended.
    func drain() {
        gate.close()
        gate.open()
    }

    private func check(_ range: Range<Int>) throws(Problem) {
        try engine.checkOpen()
        guard !engine.chain.isBroken(record.snapshot) else { throw engine.brokenProblem(record) }
        guard !area.isInvalid else { throw engine.invalidProblem(record) }
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
