import System
import MergeKit
import SnapshotModel
import Synchronization
import TestKit

/// What the threads of a stress share, and what they check.
final class StressRun: Sendable {
    let layout: StressLayout
    let engine: LiveEngine
    /// Owners share it while they write; a revert holds it alone, so that they can begin anew.
    let reverting = SharedLock()
    private let deadline: Int64
    private let state = Guarded(State())
    private let version = Atomic<Int32>(0)

    private struct State {
        var lastID: Int64 = 0
        /// The live snapshots, with what they were first read as.
        var snapshots: [SnapshotID: [ChunkPattern.Version]?] = [:]
        var epoch = 0
        var failure: String?
        var counts: [String: Int] = [:]
    }

    init(layout: StressLayout, engine: LiveEngine, seconds: Int) {
        self.layout = layout
        self.engine = engine
        deadline = SystemClock().monotonicNanoseconds() + Int64(seconds) * 1_000_000_000
    }

    // MARK: state

    var failure: String? { state.withLock { $0.failure } }
    var epoch: Int { state.withLock { $0.epoch } }
    var snapshotIDs: [SnapshotID] { state.withLock { $0.snapshots.keys.sorted() } }

    var summary: String {
        state.withLock { state in
            state.counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
                .joined(separator: ", ")
        }
    }

    func newVersion() -> ChunkPattern.Version {
        version.wrappingAdd(1, ordering: .relaxed).newValue
    }

    func newID() -> Int64 {
        state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
    }

    func count(_ what: String) { state.withLock { $0.counts[what, default: 0] += 1 } }
    func fail(_ message: String) {
        state.withLock { if $0.failure == nil { $0.failure = message } }
    }

    func note(_ id: SnapshotID) { state.withLock { $0.snapshots[id] = .some(nil) } }
    func forget(_ id: SnapshotID) { state.withLock { $0.snapshots[id] = nil } }
    func beginEpoch() { state.withLock { $0.epoch += 1 } }

    /// Repeats `body` until the time is over or something failed.
    func `repeat`(_ what: String, _ body: () throws -> Void) {
        while SystemClock().monotonicNanoseconds() < deadline, failure == nil {
            do { try body() } catch { fail("\(what): \(error)") }
        }
    }

    /// Calls the engine where others may have been faster; false when it refused.
    func permits(_ body: () throws -> Void) throws -> Bool {
        do {
            try body()
            return true
        } catch let problem as Problem where [.refused, .notFound].contains(problem.code) {
            return false
        }
    }

    // MARK: checks

    func cells(_ cells: Range<Int>) throws -> [ChunkPattern.Version] {
        try self.cells(cells) { try engine.read(into: &$0, at: $1) }
    }

    private func cells(
        _ cells: Range<Int>, _ read: (inout MutableRawSpan, Int) throws -> Void
    ) throws -> [ChunkPattern.Version] {
        var buffer = AlignedBuffer(count: cells.count * layout.cellBytes)
        var bytes = buffer.mutableBytes
        try read(&bytes, cells.lowerBound * layout.cellBytes)
        return buffer.bytes.withUnsafeBytes {
            layout.pattern.versions(of: $0, firstCell: cells.lowerBound)
        }
    }

    func cells(of view: SnapshotView) throws -> [ChunkPattern.Version] {
        try cells(0..<layout.cellCount) { try view.read(into: &$0, at: $1) }
    }

    /// Reads a snapshot: it must be of one instant, and what it was when it was read before.
    func checkSnapshot(_ id: SnapshotID) throws {
        var opened: SnapshotView?
        guard try permits({ opened = try engine.openView(of: id) }), let view = opened else {
            // It may only be gone when it was deleted.
            guard !snapshotIDs.contains(id) else {
                throw TortureFailure("snapshot \(id) cannot be opened")
            }
            return
        }
        defer { view.close() }
        let found = try cells(of: view)
        if let contradiction = layout.contradiction(in: found) {
            throw TortureFailure("snapshot \(id): \(contradiction)")
        }
        let before = state.withLock { state -> [ChunkPattern.Version]? in
            guard let known = state.snapshots[id] else { return nil }
            if known == nil { state.snapshots[id] = found }
            return known
        }
        guard before == nil || before == found else {
            let cell = zip(before ?? [], found).enumerated().first { $1.0 != $1.1 }?.offset ?? -1
            throw TortureFailure("snapshot \(id) changed: cell \(cell)")
        }
        count("snapshot reads")
    }
}
