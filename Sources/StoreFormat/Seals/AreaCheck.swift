internal import SnapshotModel
internal import System

/// An exception that is not what was sealed, or cannot be read.
struct ScrubSuspect: Hashable {
    /// The volume's chunk.
    var origin: ChunkIndex
    /// Whether its bytes can be read.
    var isReadable: Bool
}

/// The comparison of one area with its seal.
struct AreaCheck {
    let manifest: SnapshotManifest
    private let map: ChunkMap
    private let seal: AreaSeal
    private var sums: AreaSums
    private var expected: [UInt64] = []
    private var suspects: [(index: Int, isReadable: Bool)] = []
    /// Why the seal's sums could not be read: the comparison has ended there.
    private(set) var failure: IOFailure?

    /// More of a window are not told one by one.
    private static let suspectsMaximum = 1 << 14

    /// - Parameters:
    ///   - map: the exceptions that are sealed.
    ///   - needed: the volume's chunks whose exceptions somebody needs; nil for all.
    init(
        _ manifest: SnapshotManifest, _ area: any BlockDevice, _ map: ChunkMap, _ seal: AreaSeal,
        _ format: AreaFormat, needed: ChunkSet?
    ) {
        self.manifest = manifest
        self.map = map
        self.seal = seal
        sums = AreaSums(area, format, map, needed: needed)
    }

    /// Tells this seal from others of the same area.
    var key: UInt64 {
        seal.header.root.prefix(8).reduce(0) { $0 << 8 | UInt64($1) } | 1
    }

    var sealedAt: Timestamp { seal.header.sealedAt }
    var window: Int { sums.window.lowerBound }
    var place: Int? { sums.place }
    /// Whether something was found since the last time.
    var hasSuspects: Bool { !suspects.isEmpty }

    /// Goes on to the next window; with a position, to that one's.
    mutating func beginWindow(_ position: ScrubPosition?) -> Bool {
        sums.beginWindow(position) && readSums()
    }

    private mutating func readSums() -> Bool {
        do throws(IOFailure) { expected = try seal.sums(sums.window) } catch {
            failure = error
            return false
        }
        return true
    }

    /// Reads and compares some exceptions; returns the bytes that were looked at.
    mutating func step() -> Int {
        let start = sums.window.lowerBound
        var found: [(index: Int, isReadable: Bool)] = []
        let expected = expected
        let count = sums.step { index, sum in
            if sum != expected[index - start] { found.append((index, sum != nil)) }
        }
        suspects += found.prefix(max(0, Self.suspectsMaximum - suspects.count))
        return count
    }

    /// What was found since the last time, by the volume's chunks.
    mutating func takeSuspects() -> [ScrubSuspect] {
        guard !suspects.isEmpty else { return [] }
        defer { suspects = [] }
        var rest = suspects.sorted { $0.index < $1.index }[...]
        var result: [ScrubSuspect] = []
        var start = 0
        for run in map.runs {
            while let next = rest.first, next.index < start + run.count {
                result.append(
                    ScrubSuspect(
                        origin: run.origin.advanced(by: next.index - start),
                        isReadable: next.isReadable))
                rest = rest.dropFirst()
            }
            start += run.count
            if rest.isEmpty { break }
        }
        return result
    }
}
