internal import System
package import SnapshotModel
internal import Synchronization
internal import StoreFormat

/// A snapshot's content, for reading; it stays the same whatever happens to the volume. While a
/// view is open its snapshot cannot be deleted.
package final class SnapshotView: Sendable {
    package let manifest: SnapshotManifest
    private let engine: LiveEngine
    private let isOpen = Atomic<Bool>(true)
    private let known: Monitored<Known?>
    private let geometry: Geometry
    private let lookUps = Atomic<Int>(0)

    /// Where chunks are looked for in a chain; nil before the first look.
    private struct Known {
        var chain: ChainState
        var resolver: Resolver
    }

    init(engine: LiveEngine, manifest: SnapshotManifest) {
        self.engine = engine
        self.manifest = manifest
        geometry = Geometry(
            volumeBytes: manifest.volumeBytes, chunkBytes: engine.format.chunkBytes)
        known = Monitored(nil)
    }

    deinit { close() }

    /// The volume's size when the snapshot was taken, in bytes.
    package var byteCount: Int { manifest.volumeBytes }

    /// How often a stretch of chunks was looked up so far: what the view's cost follows.
    package var lookUpCount: Int { lookUps.load(ordering: .relaxed) }

    /// Ends the view; reading fails afterwards.
    package func close() {
        guard isOpen.exchange(false, ordering: .relaxed) else { return }
        engine.viewClosed(manifest.ordinal)
    }

    // MARK: Reading

    /// Reads the snapshot's bytes from `offset` on.
    package func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        engine.gate.enter()
        defer { engine.gate.leave() }
        let range = offset..<offset + buffer.byteCount
        var resolver = try resolver(for: range)
        var position = offset
        while position < range.upperBound {
            let (source, bytes) = stretch(resolver, at: position, upTo: range.upperBound)
            if let source, try !holds(source, resolver) {
                resolver = try self.resolver(for: range)
                continue
            }
            var part = buffer.part(bytes.lowerBound - offset..<bytes.upperBound - offset)
            if let source {
                try engine.read(into: &part, from: source, at: bytes.lowerBound, geometry: geometry)
            } else {
                try readOrigin(into: &part, at: bytes.lowerBound)
                // I6: a writer preserves a chunk before it overwrites it. If the chunks still have
                // no exception now, they had not been overwritten while they were read.
                let again = stretch(resolver, at: position, upTo: bytes.upperBound)
                guard again.source == nil, again.bytes == bytes else { continue }
                try checkWhole(resolver)
            }
            position = bytes.upperBound
        }
    }

    /// Writes are preserved no more once an area is given up.
    private func checkWhole(_ resolver: Resolver) throws(Problem) {
        for case .growing(let area) in resolver.stack.layers where area.isInvalid {
            throw engine.brokenProblem(manifest)
        }
    }

    private func readOrigin(
        into buffer: inout MutableRawSpan, at offset: Int
    ) throws(Problem) {
        do { try engine.origin.read(into: &buffer, at: offset) } catch { throw Problem(error) }
    }

    /// Consecutive extents from the range's start on, as of ``LiveEngine/extents(in:limit:)``.
    package func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent] {
        engine.gate.enter()
        defer { engine.gate.leave() }
        var resolver = try resolver(for: range)
        var list = ExtentList(limit: limit)
        var position = range.lowerBound
        while position < range.upperBound {
            let (source, bytes) = stretch(resolver, at: position, upTo: range.upperBound)
            if let source, try !holds(source, resolver) {
                resolver = try self.resolver(for: range)
                continue
            }
            let stretch =
                try source.map { source throws(Problem) in
                    try engine.stretch(source, bytes, geometry: geometry)
                }
                ?? DeviceStretch(device: engine.origin, offset: bytes.lowerBound, range: bytes)
            // The origin may lose a hole between this and the client's reading, or gain one.
            var attempt = list
            let isTaken = try attempt.append(stretch)
            if source == nil {
                let again = self.stretch(resolver, at: position, upTo: bytes.upperBound)
                guard again.source == nil, again.bytes == bytes else { continue }
                try checkWhole(resolver)
            }
            list = attempt
            guard isTaken else { break }
            position = bytes.upperBound
        }
        return list.extents
    }

    /// Has a file share the snapshot's bytes, as far as it can.
    func share(_ range: Range<Int>, by sharing: ExtentSharing) throws(Problem) {
        engine.gate.enter()
        defer { engine.gate.leave() }
        var resolver = try resolver(for: range)
        var position = range.lowerBound
        while position < range.upperBound {
            let (source, bytes) = stretch(resolver, at: position, upTo: range.upperBound)
            if let source, try !holds(source, resolver) {
                resolver = try self.resolver(for: range)
                continue
            }
            let stretch =
                try source.map { source throws(Problem) in
                    try engine.stretch(source, bytes, geometry: geometry)
                }
                ?? DeviceStretch(device: engine.origin, offset: bytes.lowerBound, range: bytes)
            // Where writes are answered from a log, the origin's space is what they were promised: shared, it would
            // have to be found once more.
            let shared =
                source == nil && engine.hasWriteBack
                ? bytes.lowerBound..<bytes.lowerBound
                : try doing { () throws(IOFailure) in try sharing.share(stretch) }
            if source == nil {
                // As in reading: what was overwritten meanwhile lies in an area now.
                let again = self.stretch(resolver, at: position, upTo: bytes.upperBound)
                guard again.source == nil, again.bytes == bytes else {
                    sharing.taint()
                    continue
                }
                try checkWhole(resolver)
            }
            sharing.note(bytes, shared: shared)
            position = bytes.upperBound
        }
    }

    // MARK: Resolving

    /// Areas that come one after the other in the chain.
    fileprivate enum Layer: ChunkLayer {
        /// Frozen ones together.
        case frozen(FrozenLayer)
        case growing(GrowingArea)
    }

    /// What serves chunks.
    private struct Resolver {
        var stack: LayerStack<Layer>
        /// For snapshots later than the safety snapshot: what they fall through to.
        var merge: RunningMerge?

        /// The maps of the index that it asks.
        var maps: [IndexBlock: IndexMap] {
            var maps: [IndexBlock: IndexMap] = [:]
            for case .frozen(let layer) in stack.layers {
                if let map = layer.map { maps[map.block] = map }
            }
            return maps
        }
    }

    private func resolver(for range: Range<Int>) throws(Problem) -> Resolver {
        guard isOpen.load(ordering: .relaxed) else { throw engine.notFound(manifest.id) }
        try engine.checkOpen()
        let chain = engine.chain
        guard !chain.isBroken(manifest.ordinal) else { throw engine.brokenProblem(manifest) }
        guard range.lowerBound >= 0, range.upperBound <= byteCount else {
            throw Problem(
                .usage,
                "bytes \(range.lowerBound) to \(range.upperBound) reach beyond snapshot "
                    + "\(manifest.id) of \(byteCount) bytes")
        }
        let known = known.withLock { $0 }
        if let known, known.chain === chain { return known.resolver }
        let made = try resolver(in: chain, former: known?.resolver.maps ?? [:])
        // What the former chain alone had open is closed when the lock is given back.
        var former: Known? = Known(chain: chain, resolver: made)
        self.known.withLock { swap(&$0, &former) }
        withExtendedLifetime(former) {}
        return made
    }

    /// What serves chunks in a chain; made anew when it has changed.
    private func resolver(
        in chain: ChainState, former: [IndexBlock: IndexMap]
    ) throws(Problem) -> Resolver {
        let (start, end) = (chain.index(from: manifest.ordinal), chain.snapshots.count)
        let first = chain.firstGrowing(from: start)?.index ?? end
        // Areas from the snapshot's own up to, without, the first that grows.
        var layers = try engine.frozenLayers(start..<first, of: chain, former: former)
            .map(Layer.frozen)
        let merge = chain.merge
        let isOlder = merge.map { manifest.ordinal <= $0.record.safety } ?? false
        guard let merge, isOlder else {
            if let active = chain.active { layers.append(.growing(active)) }
            return Resolver(stack: LayerStack(layers: layers), merge: merge)
        }
        if let safety = merge.safetyArea { layers.append(.growing(safety)) }
        if chain.secondGrowing != nil, let active = chain.active {
            // In mid-merge with later snapshots: the areas between the two that grow.
            let upper = first + 1..<chain.index(from: active.ordinal)
            layers += try engine.frozenLayers(upper, of: chain).map(Layer.frozen)
            layers.append(.growing(active))
        }
        return Resolver(stack: LayerStack(layers: layers), merge: nil)
    }

    /// Whether an area that a map of the index leads to is what that says. False when there is no such
    /// area: the maps that name it have been given up, and the view is to be resolved again.
    private func holds(_ source: SourceRun, _ resolver: Resolver) throws(Problem) -> Bool {
        for case .frozen(let layer) in resolver.stack.layers
        where layer.overlay.member(source.ordinal) != nil {
            if try engine.holds(source.ordinal, of: layer) { return true }
            // In a view that was closed meanwhile nothing is wrong: the area may go then.
            guard isOpen.load(ordering: .relaxed) else { throw engine.notFound(manifest.id) }
            engine.index?.forget(naming: source.ordinal)
            var former: Known?
            known.withLock { swap(&$0, &former) }
            withExtendedLifetime(former) {}
            return false
        }
        return true
    }

    /// The longest stretch from `position` on that lies in one area, or falls through (nil).
    private func stretch(
        _ resolver: Resolver, at position: Int, upTo end: Int
    ) -> (source: SourceRun?, bytes: Range<Int>) {
        let chunks = geometry.chunks(touching: position..<end)
        let first = resolve(chunks.lowerBound, resolver, upTo: chunks.upperBound)
        var last = chunks.lowerBound.advanced(by: first.count)
        var source = first.source
        // Joins what continues, so that one read serves many chunks.
        while last < chunks.upperBound {
            let next = resolve(last, resolver, upTo: chunks.upperBound)
            guard let joined = Self.join(source, next.source) else { break }
            source = joined
            last = last.advanced(by: next.count)
        }
        return (source, position..<min(end, last.rawValue * geometry.chunkBytes))
    }

    /// Two neighbours as one; the outer nil: they do not continue each other.
    private static func join(_ first: SourceRun?, _ next: SourceRun?) -> SourceRun?? {
        switch (first, next) {
        case (nil, nil): return .some(nil)
        case (let first?, let next?):
            guard first.ordinal == next.ordinal,
                first.area.rawValue + first.count == next.area.rawValue
            else { return nil }
            var joined = first
            joined.count += next.count
            return .some(joined)
        default: return nil
        }
    }

    /// What serves a chunk, and how many from it on.
    private func resolve(
        _ chunk: ChunkIndex, _ resolver: Resolver, upTo end: ChunkIndex
    ) -> (source: SourceRun?, count: Int) {
        lookUps.add(1, ordering: .relaxed)
        let (run, count) = resolver.stack.firstRun(at: chunk, upTo: end)
        guard run == nil, let merge = resolver.merge else { return (run, count) }
        let segment = merge.segment(in: chunk..<chunk.advanced(by: count))
        return (segment.source, segment.count)
    }
}

extension SnapshotView.Layer {
    fileprivate var grows: Bool {
        switch self {
        case .frozen: false
        case .growing: true
        }
    }

    fileprivate func firstRun(in range: Range<ChunkIndex>) -> SourceRun? {
        switch self {
        case .frozen(let layer):
            let map = layer.chunks
            let index = map.firstRun(endingAfter: range.lowerBound)
            guard index < map.runs.count, map.runs[index].origin < range.upperBound else {
                return nil
            }
            return map.runs[index].clamped(to: range)
        case .growing(let area):
            return area.firstRun(in: range).map {
                SourceRun(
                    origin: $0.origin, count: $0.count, ordinal: area.ordinal, area: $0.area)
            }
        }
    }
}

// Views of a volume's snapshots.
extension LiveEngine {
    /// Opens a snapshot for reading.
    package func openView(of id: SnapshotID) throws(Problem) -> SnapshotView {
        // A turn is not needed, but deletion must not come between the look and the count.
        try chainLock.during { () throws(Problem) in
            let chain = chain
            guard let manifest = chain.live(id) else { throw notFound(id) }
            guard !chain.isBroken(manifest.ordinal) else { throw brokenProblem(manifest) }
            return view(of: manifest)
        }
    }

    /// A view of a snapshot that stays; the caller has the chain's lock.
    func view(of manifest: SnapshotManifest) -> SnapshotView {
        withShared { $0.readers[manifest.ordinal, default: 0] += 1 }
        return SnapshotView(engine: self, manifest: manifest)
    }

    func viewClosed(_ ordinal: SnapshotOrdinal) {
        withShared { shared in
            let count = shared.readers[ordinal, default: 0] - 1
            shared.readers[ordinal] = count > 0 ? count : nil
        }
    }

    func brokenProblem(_ manifest: SnapshotManifest) -> Problem {
        Problem(
            .broken,
            "snapshot \(manifest.id) of volume “\(record.name)” is broken: exceptions were lost",
            hint: "choose a newer snapshot; see \(.list(record.name))")
    }
}
