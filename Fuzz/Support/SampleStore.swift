internal import System
internal import MergeKit
internal import StoreFormat
package import SnapshotModel

/// A small store with a merge in its middle, made by the engine itself: what the targets damage, and
/// where their first samples come from.
package struct SampleStore {
    package var folder: MemoryFolder
    package var origin: MemoryDevice

    /// A chunk, in bytes; small, so that samples are.
    package static let chunkBytes = 512
    package static let volumeBytes = 32 * chunkBytes
    package static let area = StoreLayout.area(SnapshotOrdinal(rawValue: 2))
    package static let journal = StoreLayout.journal(RevertID(rawValue: 1))

    private static let step = 4 * chunkBytes

    /// Three snapshots, the last of them a revert's safety snapshot, with the merge half done.
    package static func make() throws(Problem) -> SampleStore {
        let folder = MemoryFolder()
        let origin = MemoryDevice(
            path: "origin", Array(repeating: 7, count: Self.volumeBytes))
        let record = VolumeRecord(
            name: "sample", uuid: "00000000-0000-4000-8000-000000000001", driver: "image",
            originPath: "/origin",
            geometry: Geometry(volumeBytes: volumeBytes, chunkBytes: chunkBytes),
            storeFullPolicy: .breakWrites, createdAt: Timestamp(stored: 1))
        try Store(folder: folder).create(record)
        let engine = try LiveEngine.open(store: folder, origin: origin)
        for id in 1...2 {
            _ = try engine.takeSnapshot(
                request(id, SnapshotDescription(name: "s\(id)", tags: ["a"])))
            try write(UInt8(id), to: engine, at: id * step)
            try write(UInt8(id), to: engine, at: 6 * step)
        }
        _ = try engine.revert(
            RevertRequest(
                id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1),
                safety: request(3, SnapshotDescription(kind: .safety))))
        _ = try engine.mergeStep(byteLimit: step)
        try engine.throttleMerge(bytesPerSecond: 1 << 20)
        return SampleStore(folder: folder, origin: origin)
    }

    private static func request(_ id: Int, _ description: SnapshotDescription) -> SnapshotRequest {
        SnapshotRequest(id: SnapshotID(rawValue: Int64(id)), description: description)
    }

    private static func write(
        _ value: UInt8, to engine: LiveEngine, at offset: Int
    ) throws(Problem) {
        try engine.write([UInt8](repeating: value, count: step).span.bytes, at: offset)
    }

    /// The same store with one file replaced.
    package func replacing(_ name: String, by bytes: [UInt8]) -> SampleStore {
        let copy = SampleStore(
            folder: folder.copy(), origin: MemoryDevice(path: "origin", origin.bytes))
        copy.folder[name] = bytes
        return copy
    }

    /// Does to the store what commands do: checks it, opens it, reads, merges, collects. Every one
    /// of them may refuse; none may trap or hang.
    package func exercise() {
        _ = try? StoreVerifier.check(store: folder, origin: origin, readData: false, repair: false)
        if let reader = try? StoreReader(folder: folder) { Self.read(reader) }
        if let engine = try? LiveEngine.open(store: folder, origin: origin) { Self.use(engine) }
        _ = try? StoreVerifier.check(store: folder, origin: origin, readData: true, repair: true)
        _ = try? LiveEngine.open(store: folder, origin: origin)
    }

    /// Whether an input is one of those, one in 32, that are worth the milliseconds of
    /// ``exercise()``; chosen by its content, so that a replay chooses alike.
    package static func isChosen(_ input: [UInt8]) -> Bool { CRC32C.checksum(input) & 31 == 0 }

    private static func read(_ reader: StoreReader) {
        _ = try? reader.state()
        _ = try? reader.unmergedChunks()
        for manifest in (try? reader.manifests()) ?? [] {
            _ = try? reader.chunkMap(of: manifest.ordinal)
        }
    }

    private static func use(_ engine: LiveEngine) {
        var buffer = AlignedBuffer(count: 2 * step)
        var bytes = buffer.mutableBytes
        try? engine.read(into: &bytes, at: 0)
        for status in engine.snapshots() {
            guard let view = try? engine.openView(of: status.manifest.id) else { continue }
            try? view.read(into: &bytes, at: 0)
            _ = try? view.extents(in: 0..<min(view.byteCount, volumeBytes), limit: 8)
            view.close()
            _ = try? engine.previewRevert(to: status.manifest.id)
        }
        try? write(9, to: engine, at: 0)
        try? engine.throttleMerge(bytesPerSecond: nil)
        for _ in 0..<8 { _ = try? engine.mergeStep(byteLimit: step) }
        _ = try? engine.delete([SnapshotID(rawValue: 1)])
        _ = try? engine.collect()
        try? engine.close()
    }
}
