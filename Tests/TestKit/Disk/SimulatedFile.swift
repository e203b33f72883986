/// The state of one file of a simulated disk: what reads see, what a power cut leaves, and the
/// changes between the two.
struct SimulatedFile {
    let path: String
    private(set) var byteCount = 0
    private(set) var latest = SparseBytes()
    private var durable = SparseBytes()
    private var durableByteCount = 0
    private var unsynced: [Change] = []
    /// Whether a name leads to it, so that its pages count as used.
    var isLinked = true
    /// The time of its last change, which a power cut leaves: the count of all changes then.
    var changedAt: Int64 = 0

    /// The unit that is written wholly or not at all, in bytes.
    static let sectorBytes = 512

    /// A change that is not durable yet. Writes hold whole sectors, as the page cache does: the
    /// sector's content at the moment of the write.
    private enum Change {
        case write(offset: Int, bytes: [UInt8])
        case punch(Range<Int>)
        case resize(Int)

        /// What of it lies within a range of whole sectors; none of a change of the size.
        func parts(in range: Range<Int>) -> [Change] {
            switch self {
            case .write(let offset, let bytes):
                let part = (offset..<offset + bytes.count).clamped(to: range)
                guard !part.isEmpty else { return [] }
                return [
                    .write(
                        offset: part.lowerBound,
                        bytes: Array(bytes[part.lowerBound - offset..<part.upperBound - offset]))
                ]
            case .punch(let punched):
                let part = punched.clamped(to: range)
                return part.isEmpty ? [] : [.punch(part)]
            case .resize: return []
            }
        }
    }

    init(path: String) { self.path = path }

    /// Whether a sync was lost: what is read is not durable, and no later sync makes it so.
    private var hasLost = false

    /// Whether a power cut would change the file.
    var isDirty: Bool { hasLost || !unsynced.isEmpty }

    // MARK: changes

    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        guard !bytes.isEmpty else { return }
        let end = offset + bytes.count
        if end > byteCount { resize(to: end) }
        latest.write(bytes, at: offset)
        noteSectors(touching: offset..<end)
    }

    mutating func punch(_ range: Range<Int>) {
        let range = range.clamped(to: 0..<byteCount)
        guard !range.isEmpty else { return }
        latest.zero(range)
        let first = (range.lowerBound + Self.sectorBytes - 1) / Self.sectorBytes * Self.sectorBytes
        let end = range.upperBound / Self.sectorBytes * Self.sectorBytes
        guard first < end else {
            noteSectors(touching: range)
            return
        }
        unsynced.append(.punch(first..<end))
        if range.lowerBound < first { noteSectors(touching: range.lowerBound..<first) }
        if end < range.upperBound { noteSectors(touching: end..<range.upperBound) }
    }

    /// Gives pages that are not there their room; what they read as stays, and a power cut takes them.
    mutating func reserve(_ range: Range<Int>) { latest.reserve(range) }

    mutating func resize(to count: Int) {
        guard count != byteCount else { return }
        if count < byteCount { latest.zero(count..<byteCount) }
        byteCount = count
        unsynced.append(.resize(count))
    }

    private mutating func noteSectors(touching range: Range<Int>) {
        let first = range.lowerBound / Self.sectorBytes * Self.sectorBytes
        let end = (range.upperBound + Self.sectorBytes - 1) / Self.sectorBytes * Self.sectorBytes
        let content = latest
        let bytes = [UInt8](unsafeUninitializedCapacity: end - first) { buffer, count in
            content.read(into: UnsafeMutableRawBufferPointer(buffer), at: first)
            count = end - first
        }
        unsynced.append(.write(offset: first, bytes: bytes))
    }

    // MARK: durability

    mutating func sync() {
        applyUnsynced(sector: { true }, whole: { true })
        unsynced = []
    }

    /// Makes a range durable, and nothing else; with it the size, where that has changed, and then all.
    mutating func sync(_ range: Range<Int>) {
        let isResized = unsynced.contains { if case .resize = $0 { true } else { false } }
        guard !isResized else { return sync() }
        let all = unsynced
        unsynced = all.flatMap { $0.parts(in: range) }
        applyUnsynced(sector: { true }, whole: { true })
        unsynced = all.flatMap {
            $0.parts(in: 0..<range.lowerBound) + $0.parts(in: range.upperBound..<Int.max)
        }
    }

    /// A sync that failed: no content became durable, and none is left to be made so. The size is
    /// the filesystem's own, and waits for the next sync.
    mutating func loseUnsynced() {
        hasLost = hasLost || !unsynced.isEmpty
        unsynced = unsynced.filter { if case .resize = $0 { true } else { false } }
    }

    /// Becomes the file that a power cut leaves. `keepsSector` is asked for every unsynced sector
    /// of every write, `keepsChange` for every change of the size.
    mutating func cutPower(keepsSector: () -> Bool, keepsChange: () -> Bool) {
        applyUnsynced(sector: keepsSector, whole: keepsChange)
        unsynced = []
        hasLost = false
        latest = durable
        byteCount = durableByteCount
    }

    private mutating func applyUnsynced(sector keepsSector: () -> Bool, whole: () -> Bool) {
        var lostGrowth = false
        for change in unsynced {
            switch change {
            case .write(let offset, let bytes):
                bytes.withUnsafeBytes { applyWrite($0, at: offset, keepsSector) }
            case .punch(let range):
                applyPunch(range, keepsSector)
            case .resize(let count):
                guard whole() else {
                    lostGrowth = true
                    continue
                }
                if count < durableByteCount { durable.zero(count..<durableByteCount) }
                durableByteCount = count
            }
        }
        // Sectors that reached the disk without the size that covers them are lost.
        if lostGrowth { durable.zero(durableByteCount..<Int.max / 2) }
    }

    private mutating func applyWrite(
        _ bytes: UnsafeRawBufferPointer, at offset: Int, _ keeps: () -> Bool
    ) {
        // Runs of sectors that share their fate are written at once.
        var start = 0
        while start < bytes.count {
            let isKept = keeps()
            var end = start + Self.sectorBytes
            if isKept {
                var next = end < bytes.count ? keeps() : false
                while next {
                    end += Self.sectorBytes
                    next = end < bytes.count ? keeps() : false
                }
                durable.write(
                    UnsafeRawBufferPointer(rebasing: bytes[start..<end]), at: offset + start)
                // The sector after the run was asked about, and is dropped.
                if end < bytes.count { end += Self.sectorBytes }
            }
            start = end
        }
    }

    private mutating func applyPunch(_ range: Range<Int>, _ keeps: () -> Bool) {
        var start = range.lowerBound
        while start < range.upperBound {
            var end = start
            while end < range.upperBound, keeps() { end += Self.sectorBytes }
            durable.zero(start..<end)
            start = end + Self.sectorBytes
        }
    }
}
