import System
import MergeKit
import StoreFormat
import SnapshotModel
import TestKit

/// An engine on a simulated disk, and beside it what it must be: carries out the steps of a history.
///
/// A step throws ``TortureFailure`` when the engine broke a promise, and the engine's own `Problem`
/// when an operation failed that should not have; the suite decides what that means.
final class HistoryRun {
    let history: History
    let disk: SimulatedDisk
    let reader: EngineReader
    private(set) var engine: LiveEngine
    /// Whether the engine was closed, or failed in it, and may not be asked any more.
    private(set) var isEngineClosed = false
    var oracle: OracleVolume
    /// The mechanism that the engine must follow exchange for exchange; nil when an accident left
    /// its state unknown: then refusals are accepted as they come.
    var chain: ChainModel?
    /// Whether something failed since the engine was opened: what a creation that failed has left may
    /// stay until it is opened anew.
    var mayHaveLeftOvers = false
    /// The ordinal of each snapshot in the chain model.
    var ordinals: [SnapshotID: Int] = [:]
    /// What the store calls an ordinal of the chain model: it may leave numbers out.
    var storeOrdinals: [Int: SnapshotOrdinal] = [:]
    /// What the engine is doing, for those who crash it meanwhile.
    var inFlight = InFlight.nothing
    /// Clones that may end with the merge that runs, in whatever the engine is doing.
    var endingClones: Set<String> = []
    /// Clones whose end has begun and failed, as they were.
    var unfinishedEnds: [String: OracleVolume] = [:]
    /// Views that are held open, with what they must read.
    var views: [(id: SnapshotID, view: SnapshotView, content: [ChunkPattern.Version])] = []
    /// Clones that are held open.
    var openClones: [String: OpenClone] = [:]
    /// What killed processes had open: no such thing is closed.
    private var killed: [OpenClone] = []
    private var lastVersion: ChunkPattern.Version
    private var lastID: Int64

    /// Makes a volume with some content, and opens it.
    init(history: History, prepare: (SimulatedDisk) -> Void = { _ in }) throws {
        self.history = history
        let random = SeededGenerator(seed: history.seed)
        reader = EngineReader(pattern: history.pattern, random: random.forked(2))
        disk = SimulatedDisk()
        disk.isPrecise = history.hasWriteBack
        disk.sharesExtents = history.seed.isMultiple(of: 3)
        lastVersion = 1
        lastID = 0
        oracle = OracleVolume(cellCount: history.cellCount)
        let empty = [ChunkPattern.Version](repeating: 0, count: history.cellsPerChunk)
        var chain = ChainModel(chunkCount: history.chunkCount, empty: empty)
        try Self.fill(disk, history, random.forked(3), &oracle, &chain)
        self.chain = chain
        try Store(folder: disk).create(Self.record(of: history))
        prepare(disk)
        engine = try Self.open(disk)
    }

    /// Goes on with a disk that a crash left, as it was found.
    init(
        history: History, disk: SimulatedDisk, engine: LiveEngine, found: Observation,
        continuing other: HistoryRun
    ) {
        self.history = history
        self.disk = disk
        self.engine = engine
        reader = other.reader
        oracle = OracleVolume(found: found)
        chain = nil
        lastVersion = other.lastVersion
        lastID = other.lastID
    }

    deinit { for (_, view, _) in views { view.close() } }

    private static func record(of history: History) -> VolumeRecord {
        VolumeRecord(
            name: "torture", uuid: "00000000-0000-4000-8000-000000000001", driver: "image",
            originPath: "/simulated/origin.raw",
            geometry: Geometry(volumeBytes: history.volumeBytes, chunkBytes: history.chunkBytes),
            storeFullPolicy: .breakWrites, createdAt: Timestamp(stored: VirtualClock.start))
    }

    /// Gives the origin its first content: version 1 in most places, holes in others.
    private static func fill(
        _ disk: SimulatedDisk, _ history: History, _ generator: SeededGenerator,
        _ oracle: inout OracleVolume, _ chain: inout ChainModel
    ) throws {
        var random = generator
        let origin = disk.origin()
        try origin.resize(to: history.volumeBytes)
        for chunk in 0..<history.chunkCount where !random.oneIn(4) {
            let first = chunk * history.cellsPerChunk
            let cells = first..<min(first + history.cellsPerChunk, history.cellCount)
            let bytes = history.pattern.bytes(version: 1, cells: cells)
            try origin.write(bytes.span.bytes, at: first * history.cellBytes)
            oracle.write(cells, version: 1, isDurable: true)
            chain.write(chunk) { content in
                for cell in cells { content[cell - first] = 1 }
            }
        }
        try origin.sync()
    }

    var volumeBytes: Int { oracle.cellCount * history.cellBytes }

    // MARK: the engine

    /// A map for each two areas, for each two of these, and so on: a few snapshots make a deep index.
    static let indexShape = IndexShape(fanOut: 2)

    static func open(_ disk: SimulatedDisk) throws -> LiveEngine {
        var options = EngineOptions()
        options.clock = VirtualClock(bootID: disk.bootID)
        // So short that it is full all the time; and now and then there is none to be.
        if disk.isPrecise, !disk.operations.isMultiple(of: 4) { options.writeBackBytes = 16 << 10 }
        // Everything on the calling thread, so that a history repeats itself.
        options.copyOptions.workerCount = 0
        options.indexShape = indexShape
        // As short as may be, so that they grow all the time.
        options.areaBeginningBytes = 0
        // A full disk meets the index, too.
        options.indexReserveBytes = 0
        return try LiveEngine.open(store: disk, origin: disk.origin(), options: options)
    }

    /// Opens the engine again; the old one is closed, or just dropped as a killed process drops it.
    func reopen(cleanly: Bool) throws {
        closeViews()
        isEngineClosed = true
        if cleanly {
            try engine.close()
            for name in openClones.keys { oracle.clones[name]?.flush() }
        }
        killed += openClones.values
        openClones = [:]
        engine = try Self.open(disk)
        isEngineClosed = false
        mayHaveLeftOvers = false
    }

    func closeViews() {
        for (_, view, _) in views { view.close() }
        views = []
    }

    func newVersion() -> ChunkPattern.Version {
        lastVersion += 1
        return lastVersion
    }

    func newID() -> Int64 {
        lastID += 1
        return lastID
    }

    /// The live snapshot that a pick chooses; nil when there is none.
    func snapshot(_ pick: Int) -> SnapshotID? {
        let ids = oracle.snapshots.keys.sorted()
        return ids.isEmpty ? nil : ids[pick % ids.count]
    }

    /// Calls the engine where it may have to refuse. True when it did what was asked; false when it
    /// refused as it had to. `mustRefuse` is nil when only the engine can know.
    func permits(
        _ what: String, mustRefuse: Bool?, _ body: () throws -> Void
    ) throws -> Bool {
        do {
            try body()
        } catch let problem as Problem where [.refused, .notFound].contains(problem.code) {
            guard mustRefuse != false else {
                throw TortureFailure("\(what) was refused: \(problem.message)")
            }
            inFlight = .nothing
            return false
        }
        guard mustRefuse != true else { throw TortureFailure("\(what) was not refused") }
        return true
    }
}
