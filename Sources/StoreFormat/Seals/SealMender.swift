package import SnapshotModel
package import System

/// Puts right what the frozen areas of a store hold, where their seals tell what that was. Nothing is written but
/// exceptions that are not what was sealed, and nothing but what was: whoever is killed meanwhile leaves one that is
/// damaged still.
package final class SealMender {
    /// An exception that is not what was sealed, or cannot be read.
    package struct Damage: Hashable, Sendable {
        /// The snapshot in whose area it lies.
        package var area: SnapshotOrdinal
        /// The volume's chunk.
        package var chunk: ChunkIndex
        /// The bytes of the volume that it is.
        package var bytes: Range<Int>
        /// The snapshots that read it, oldest first.
        package var readers: [SnapshotID]
        fileprivate var sum: UInt64
    }

    /// What the seals say of some chunks as a snapshot reads them.
    package struct Look: Sendable {
        /// They are not, or cannot be read.
        package var damaged: [Damage] = []
        /// They are what was sealed.
        package var sound = ChunkSet()
        /// Nothing says what they should be: they lie in the origin, or in an area without a seal.
        package var unproven = ChunkSet()
    }

    private let store: Store
    private let record: VolumeRecord
    private let chain: ScrubChain
    private var sealed: [SnapshotOrdinal: Sealed?] = [:]

    /// So many seals are kept open.
    private static let sealedMaximum = 64
    /// More places are not found at once.
    package static let damageMaximum = 1 << 16

    /// An area's seal, and the exceptions that it is of.
    private struct Sealed {
        var seal: AreaSeal
        var map: ChunkMap
    }

    /// An exception that is not what was sealed, and what it should be.
    private struct Suspect {
        var chunk: ChunkIndex
        var sum: UInt64
    }

    package init(_ folder: any Folder) throws(Problem) {
        store = Store(folder: folder)
        record = try store.volume()
        chain = try ScrubChain(store, record)
    }

    /// The size of the volume's chunks.
    package var chunkBytes: Int { chain.format.chunkBytes }

    // MARK: Looking

    /// Reads what a snapshot has of some chunks, as far as it is sealed.
    package func look(
        at chunks: ChunkSet, of id: SnapshotID
    ) throws(Problem) -> Look {
        var (look, rest) = (Look(), chunks)
        let view = chain.manifests.last { $0.id == id && !$0.isDeleted }
        for manifest in chain.manifests {
            guard let view, manifest.ordinal >= view.ordinal, !rest.isEmpty else { continue }
            let own = rest.intersection(try chain.map(manifest).chunks)
            guard !own.isEmpty else { continue }
            rest = rest.subtracting(own)
            try compare(own, in: manifest, of: view, &look)
        }
        look.unproven = look.unproven.union(rest)
        return look
    }

    /// As ``look(at:of:)``, of a volume that may be served: what a fold or a collection has moved since the chain was
    /// read is not taken for damage.
    package func look(
        confirmed chunks: ChunkSet, of id: SnapshotID
    ) throws(Problem) -> Look {
        let first = try look(at: chunks, of: id)
        guard !first.damaged.isEmpty else { return first }
        return try SealMender(store.folder).look(at: chunks, of: id)
    }

    private func compare(
        _ own: ChunkSet, in manifest: SnapshotManifest, of view: SnapshotManifest,
        _ look: inout Look
    ) throws(Problem) {
        let sealed = sealed(manifest)
        let proven = sealed.map { own.intersection($0.map.chunks) } ?? ChunkSet()
        look.unproven = look.unproven.union(own.subtracting(proven))
        guard let sealed, !proven.isEmpty else { return }
        let suspects = try suspects(in: manifest, sealed, proven)
        look.damaged += suspects.map {
            damage($0, in: manifest, volumeBytes: view.volumeBytes, [view.id])
        }
        look.sound = look.sound.union(proven.subtracting(Self.set(suspects)))
    }

    /// All that is not what was sealed and somebody needs.
    ///
    /// - Parameter proceed: asked before each area is read; what it throws ends the search.
    package func findAll(
        _ proceed: () throws(Problem) -> Void
    ) throws(Problem) -> [Damage] {
        var found: [Damage] = []
        for manifest in chain.manifests {
            guard found.count < Self.damageMaximum, let sealed = sealed(manifest) else { continue }
            try proceed()
            // An area that cannot be looked at is the check's to tell, and keeps no other one from being mended.
            if let damage = try? damage(of: manifest, sealed) { found += damage }
        }
        return Array(found.prefix(Self.damageMaximum))
    }

    /// What is not what was sealed in an area and somebody needs.
    private func damage(
        of manifest: SnapshotManifest, _ sealed: Sealed
    ) throws(Problem) -> [Damage] {
        let needed = try chain.needed(of: manifest)
        let chunks = needed.map { $0.intersection(sealed.map.chunks) } ?? sealed.map.chunks
        return read(try suspects(in: manifest, sealed, chunks), in: manifest)
    }

    private func read(_ suspects: [Suspect], in manifest: SnapshotManifest) -> [Damage] {
        guard !suspects.isEmpty else { return [] }
        return chain.grouped(suspects.map(\.chunk), manifest).flatMap { group in
            suspects.filter { group.chunks.contains($0.chunk) }.map {
                damage($0, in: manifest, volumeBytes: manifest.volumeBytes, group.readers)
            }
        }
    }

    private func damage(
        _ suspect: Suspect, in manifest: SnapshotManifest, volumeBytes: Int, _ readers: [SnapshotID]
    ) -> Damage {
        let geometry = Geometry(volumeBytes: volumeBytes, chunkBytes: chunkBytes)
        return Damage(
            area: manifest.ordinal, chunk: suspect.chunk,
            bytes: geometry.bytes(of: suspect.chunk..<suspect.chunk.advanced(by: 1)),
            readers: readers, sum: suspect.sum)
    }

    private static func set(_ suspects: [Suspect]) -> ChunkSet {
        ChunkSet(unordered: suspects.map { $0.chunk..<$0.chunk.advanced(by: 1) })
    }

    // MARK: Seals

    /// Nil of an area that grows, and where there is no seal that says what it should hold.
    private func sealed(_ manifest: SnapshotManifest) -> Sealed? {
        if let known = sealed[manifest.ordinal] { return known }
        if sealed.count >= Self.sealedMaximum { sealed = [:] }
        let found = manifest.ordinal < chain.limit ? (try? read(manifest)) : nil
        sealed[manifest.ordinal] = .some(found)
        return found
    }

    private func read(_ manifest: SnapshotManifest) throws -> Sealed? {
        guard let seal = try store.seal(manifest.ordinal, of: record),
            seal.descent(of: manifest, next: chain.next(after: manifest)) != .foreign
        else { return nil }
        let map = try chain.map(manifest)
        guard
            let sealed = try chain.firstExceptions(seal.header.count, of: manifest, map, store),
            AreaDigest(sealed) == seal.header.digest,
            seal.header.isGrowing || sealed.count == map.count, try seal.hasItsRoot(sealed)
        else { return nil }
        return Sealed(seal: seal, map: sealed)
    }

    private func suspects(
        in manifest: SnapshotManifest, _ sealed: Sealed, _ chunks: ChunkSet
    ) throws(Problem) -> [Suspect] {
        let area = try store.openArea(manifest.ordinal, writable: false)
        var sums = AreaSums(area, chain.format, sealed.map, needed: chunks)
        var places: [(place: Int, sum: UInt64)] = []
        while sums.beginWindow() {
            let window = sums.window
            guard sums.place != nil else { continue }
            let expected = try doing { () throws(IOFailure) in try sealed.seal.sums(window) }
            while sums.place != nil {
                _ = sums.step { place, sum in
                    let wanted = expected[place - window.lowerBound]
                    if sum != wanted { places.append((place, wanted)) }
                }
            }
        }
        return Self.suspects(places.sorted { $0.place < $1.place }, sealed.map)
    }

    /// - Parameter places: in the map, ascending.
    private static func suspects(
        _ places: [(place: Int, sum: UInt64)], _ map: ChunkMap
    ) -> [Suspect] {
        var (rest, start, result) = (places[...], 0, [Suspect]())
        for run in map.runs where !rest.isEmpty {
            while let next = rest.first, next.place < start + run.count {
                result.append(
                    Suspect(chunk: run.origin.advanced(by: next.place - start), sum: next.sum))
                rest = rest.dropFirst()
            }
            start += run.count
        }
        return result
    }

    // MARK: Mending

    /// Writes what an exception was, durably. The caller holds the store's lock, and nobody has the volume open.
    ///
    /// - Parameters:
    ///   - content: the bytes of the volume; behind the volume's end, what the area has stays.
    ///   - isDryRun: then nothing is written.
    /// - Returns: whether it is what was sealed; else nothing is written.
    /// - Throws: `io` when it cannot be written, or reads as something else afterwards.
    package func mend(
        _ damage: Damage, with content: RawSpan, isDryRun: Bool
    ) throws(Problem) -> Bool {
        guard content.byteCount <= chunkBytes,
            let manifest = chain.manifests.last(where: { $0.ordinal == damage.area }),
            let place = try chain.map(manifest).areaChunk(for: damage.chunk)
        else { return false }
        let area = try store.openArea(damage.area, writable: !isDryRun)
        let offset = chain.format.offset(of: place)
        var buffer = AlignedBuffer(count: chunkBytes)
        if content.byteCount < chunkBytes {
            var all = buffer.mutableBytes
            try? area.read(into: &all, at: offset)
        }
        var head = buffer.mutableBytes(in: 0..<content.byteCount)
        head.copy(from: content)
        if buffer.bytes.xxh3 != damage.sum {
            var tail = buffer.mutableBytes(in: content.byteCount..<chunkBytes)
            tail.zero()
        }
        guard buffer.bytes.xxh3 == damage.sum else { return false }
        if !isDryRun { try write(buffer.bytes, at: offset, of: area, damage) }
        return true
    }

    private func write(
        _ bytes: RawSpan, at offset: Int, of area: any BlockDevice, _ damage: Damage
    ) throws(Problem) {
        var buffer = AlignedBuffer(count: bytes.byteCount)
        do throws(IOFailure) {
            try area.write(bytes, at: offset)
            try area.sync()
            var all = buffer.mutableBytes
            try area.read(into: &all, at: offset)
        } catch { throw Problem(error) }
        guard buffer.bytes.xxh3 == damage.sum else {
            throw Problem(
                .inputOutput, "\(area.path) does not keep what is written to it",
                hint: "check the disk")
        }
    }
}
