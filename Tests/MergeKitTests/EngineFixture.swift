import System
import MergeKit
import StoreFormat
import SnapshotModel
import TestKit
import Testing

/// A volume on a simulated disk, in chunks whose bytes are all alike.
final class EngineFixture: Sendable {
    static let chunkBytes = 4096
    let disk: SimulatedDisk
    let engine: LiveEngine

    /// Makes a volume and opens it.
    init(
        bytes: Int, policy: StoreFullPolicy = .breakWrites, chunkBytes: Int = chunkBytes,
        indexShape: IndexShape = .standard, indexReserve: Int = 0,
        areaBeginning: Int = AreaFormat.beginningBytes
    ) throws {
        disk = SimulatedDisk()
        try disk.origin().resize(to: bytes)
        try disk.origin().sync()
        try Store(folder: disk).create(Self.record(bytes, policy, chunkBytes))
        engine = try LiveEngine.open(
            store: disk, origin: disk.origin(),
            options: Self.options(indexShape, indexReserve, areaBeginning))
    }

    convenience init(
        chunks: Int, policy: StoreFullPolicy = .breakWrites, indexShape: IndexShape = .standard,
        indexReserve: Int = 0
    ) throws {
        try self.init(
            bytes: chunks * Self.chunkBytes, policy: policy, indexShape: indexShape,
            indexReserve: indexReserve)
    }

    /// Opens the volume that a disk holds.
    init(
        opening disk: SimulatedDisk, indexShape: IndexShape = .standard, writeBack: Int? = nil,
        clock: (any System.Clock)? = nil, keepsReceived: Bool = false
    ) throws {
        self.disk = disk
        var options = Self.options(indexShape, 0)
        options.keepsReceived = keepsReceived
        options.clock = clock ?? VirtualClock(bootID: disk.bootID)
        options.writeBackBytes = writeBack
        engine = try LiveEngine.open(store: disk, origin: disk.origin(), options: options)
    }

    /// A volume of chunks filled with 1, of which a snapshot was taken, with a log of first writes.
    static func withLog(
        chunks: Int, policy: StoreFullPolicy = .breakWrites, logBytes: Int = 1 << 20,
        clock: (any System.Clock)? = nil
    ) throws -> EngineFixture {
        let disk = SimulatedDisk()
        disk.isPrecise = true
        let origin = disk.origin()
        try origin.resize(to: chunks * chunkBytes)
        let bytes = [UInt8](repeating: 1, count: chunks * chunkBytes)
        try origin.write(bytes.span.bytes, at: 0)
        try origin.sync()
        try Store(folder: disk).create(record(chunks * chunkBytes, policy))
        let volume = try EngineFixture(opening: disk, writeBack: logBytes, clock: clock)
        try volume.snapshot(1)
        return volume
    }

    private static func options(
        _ indexShape: IndexShape, _ reserve: Int, _ areaBeginning: Int = AreaFormat.beginningBytes
    ) -> EngineOptions {
        EngineOptions(
            clock: VirtualClock(), copyOptions: CopyOptions(workerCount: 1), indexShape: indexShape,
            indexReserveBytes: reserve, areaBeginningBytes: areaBeginning)
    }

    static func record(
        _ bytes: Int, _ policy: StoreFullPolicy = .breakWrites, _ chunkBytes: Int = chunkBytes
    ) -> VolumeRecord {
        VolumeRecord(
            name: "vol", uuid: "u", driver: "image", originPath: "/simulated/origin.raw",
            geometry: Geometry(volumeBytes: bytes, chunkBytes: chunkBytes),
            storeFullPolicy: policy, createdAt: Timestamp(stored: VirtualClock.start))
    }

    var chunkBytes: Int { engine.geometry.chunkBytes }

    /// Closes nothing, as a killed process would not, and opens again what is on the disk.
    func reopened(indexShape: IndexShape = .standard) throws -> EngineFixture {
        try EngineFixture(opening: crashed(.keepAll), indexShape: indexShape)
    }

    func crashed(_ mode: CrashMode, seed: UInt64 = 1) -> SimulatedDisk {
        var random = SeededGenerator(seed: seed)
        return disk.crashImage(using: &random, mode: mode)
    }

    /// What a disk holds, on one of its own.
    static func copy(of disk: SimulatedDisk) -> SimulatedDisk {
        var random = SeededGenerator(seed: 1)
        return disk.crashImage(using: &random, mode: .keepAll)
    }

    // MARK: verbs

    /// Fills chunks, or as much of them as the volume has.
    func write(_ byte: UInt8, to chunks: Int...) throws {
        for chunk in chunks { try write(byte, to: chunk..<chunk + 1) }
    }

    func write(_ byte: UInt8, to chunks: Range<Int>) throws {
        let range = bytes(of: chunks)
        let bytes = [UInt8](repeating: byte, count: range.count)
        try engine.write(bytes.span.bytes, at: range.lowerBound)
    }

    private func bytes(of chunks: Range<Int>) -> Range<Int> {
        engine.geometry.bytes(of: ChunkIndex(chunks.lowerBound)..<ChunkIndex(chunks.upperBound))
    }

    @discardableResult
    func snapshot(_ id: Int64) throws -> SnapshotOutcome {
        try engine.takeSnapshot(Self.request(id))
    }

    static func request(_ id: Int64, _ kind: SnapshotKind = .manual) -> SnapshotRequest {
        SnapshotRequest(id: SnapshotID(rawValue: id), description: SnapshotDescription(kind: kind))
    }

    @discardableResult
    func revert(_ id: Int64, to target: Int64, safety: Int64?) throws -> RevertOutcome {
        try engine.revert(
            RevertRequest(
                id: RevertID(rawValue: id), target: SnapshotID(rawValue: target),
                safety: safety.map { Self.request($0, .safety) }))
    }

    func merge(chunksAtOnce: Int = 64) throws {
        while try engine.mergeStep(byteLimit: chunksAtOnce * chunkBytes) == .progressed {}
    }

    @discardableResult
    func delete(_ ids: Int64...) throws -> DeleteReport {
        try engine.delete(ids.map(SnapshotID.init(rawValue:)))
    }

    // MARK: looks

    /// The first byte of each chunk of the volume; nil where a chunk's bytes differ.
    func content() throws -> [UInt8?] {
        var buffer = AlignedBuffer(count: engine.geometry.volumeBytes)
        var bytes = buffer.mutableBytes
        try engine.read(into: &bytes, at: 0)
        return Self.summary(buffer.bytes.array, chunkBytes: chunkBytes)
    }

    /// As ``content()``, of a snapshot.
    func content(_ id: Int64) throws -> [UInt8?] {
        let view = try engine.openView(of: SnapshotID(rawValue: id))
        defer { view.close() }
        return try Self.content(of: view, chunkBytes: chunkBytes)
    }

    static func content(of view: SnapshotView, chunkBytes: Int = chunkBytes) throws -> [UInt8?] {
        var buffer = AlignedBuffer(count: view.byteCount)
        var bytes = buffer.mutableBytes
        try view.read(into: &bytes, at: 0)
        return summary(buffer.bytes.array, chunkBytes: chunkBytes)
    }

    private static func summary(_ bytes: [UInt8], chunkBytes: Int) -> [UInt8?] {
        stride(from: 0, to: bytes.count, by: chunkBytes).map { start in
            let chunk = bytes[start..<min(bytes.count, start + chunkBytes)]
            return chunk.allSatisfy { $0 == chunk.first } ? chunk.first : nil
        }
    }

    func check(
        readData: Bool = false, repair: Bool = false, indexShape: IndexShape = .standard
    ) throws -> [Finding] {
        try StoreVerifier.check(
            store: disk, origin: disk.origin(), readData: readData, repair: repair,
            indexShape: indexShape)
    }

    static func area(_ ordinal: Int) -> String {
        StoreLayout.area(SnapshotOrdinal(rawValue: ordinal))
    }
}

extension Monitored<Int> {
    /// Counts one more, wakes those who wait for it, and returns the number.
    func counted() -> Int {
        change { value in
            value += 1
            return value
        }
    }
}
