internal import System
package import SnapshotModel
package import VolumeAccess

/// A driver made of memory: what the interface asks of one, and nothing of the other two. Its reverts
/// are done at once, and it has no store, no area and no device.
package final class MemoryDriver: VolumeDriver {
    package static let driverName: DriverName = "memory"

    private let volumes = Monitored<[String: MemoryVolume]>([:])

    package init() {}

    package func add(_ place: VolumePlace) {
        volumes.withLock { $0[place.storePath] = MemoryVolume(place.record) }
    }

    private func volume(_ place: VolumePlace) throws(Problem) -> MemoryVolume {
        guard let volume = volumes.withLock({ $0[place.storePath] }) else {
            throw Problem(.missing, "volume \(place.name) is not in memory")
        }
        return volume
    }

    package var name: DriverName { Self.driverName }
    package var devices: (any DeviceAbility)? { nil }
    package var traits: DriverTraits {
        DriverTraits(
            noun: "in memory", storeFullPolicy: .breakWrites, lossCause: nil,
            opensOriginByPath: false, tellsMergeRate: true, throttleNote: nil,
            mergesByItself: true, areasGrow: true, hasClones: false)
    }

    package func requireMachine() throws(Problem) {}
    package func check(_ wish: NewVolume) throws(Problem) {}
    package func lastingPath(_ path: String, note: (String) -> Void) -> String? { path }
    package func requireKind(isBlockDevice: Bool, path: String, volume: String?) throws(Problem) {}
    package func requireUsable(_ path: String, byteCount: Int, chunkBytes: Int) throws(Problem) {}
    package func claimOrigin(
        _ path: String, volume: String, recorded: OriginIdentity?
    ) throws(Problem) -> (any OriginClaim)? { nil }
    package func setOrigin(
        _ path: String, of place: VolumePlace
    ) throws(Problem) -> any OriginClaim {
        throw Problem(.refused, "volume \(place.name) has no origin but memory")
    }
    package func originProblem(_ place: VolumePlace) throws(Problem) -> Problem? { nil }
    package func server(of place: VolumePlace) throws(Problem) -> (any VolumeSession)? { nil }
    package func requireServable(_ place: VolumePlace) throws(Problem) { _ = try volume(place) }
    package func requirePresent(_ place: VolumePlace) throws(Problem) { _ = try volume(place) }

    package func inspector(at place: VolumePlace) -> any VolumeInspector {
        MemoryInspector(volume: try? volume(place))
    }

    package func open(_ place: VolumePlace) throws(Problem) -> any VolumeSession {
        MemorySession(try volume(place))
    }

    package func serve(
        _ place: VolumePlace, report: @escaping @Sendable (Advice) -> Void,
        letGo: @escaping @Sendable () -> Void
    ) throws(Problem) -> any ServedVolume {
        let volume = try volume(place)
        volume.look {
            $0.isServed = true
            $0.letGo = letGo
        }
        return ServedMemory(place: place, volume: volume)
    }
}

private struct MemoryInspector: VolumeInspector {
    let volume: MemoryVolume?

    var isInUse: Bool { volume?.look(\.isServed) ?? false }
    func state(isMerging: Bool) throws(Problem) -> VolumeCondition { isInUse ? .served : .idle }
    var devicePath: String? { nil }
    var hasDevices: Bool { false }
    func openProblem() throws(Problem) -> Problem? { nil }
    func suspensionProblem() throws(Problem) -> Problem? { nil }

    func lostSnapshots() throws(Problem) -> [SnapshotOrdinal] { [] }
    func mergeProgress(at now: Timestamp) throws(Problem) -> MergeProgress? { nil }
    func serverWarnings() throws(Problem) -> [Advice] { [] }
}

private struct ServedMemory: ServedVolume {
    let place: VolumePlace
    let volume: MemoryVolume

    var name: String { place.name }
    var storePath: String { place.storePath }
    var clients: ClientPresence? { nil }

    func openVolume(readOnly: Bool) throws(Problem) -> any ExportContent {
        if !readOnly { volume.look { $0.writers += 1 } }
        return MemoryContent(volume: volume, snapshot: nil, isWritable: !readOnly)
    }

    func readableSnapshots() throws(Problem) -> [SnapshotManifest] {
        volume.look { $0.snapshots.map(\.manifest) }
    }

    func openSnapshot(_ manifest: SnapshotManifest) throws(Problem) -> any ExportContent {
        let id = manifest.id
        let found = try volume.change { state throws(Problem) in try state.live(id) }
        return MemoryContent(volume: volume, snapshot: found.content, isWritable: false)
    }

    /// Each chunk whose bytes differ.
    func changedRanges(_ pair: SnapshotPair) throws(Problem) -> [Range<Int>] {
        let (old, new) = try volume.change { state throws(Problem) in
            (try state.live(pair.older.id).content, try state.live(pair.newer.id).content)
        }
        let chunkBytes = place.record.geometry.chunkBytes
        let chunks = stride(from: 0, to: new.count, by: chunkBytes)
            .map { $0..<min(new.count, $0 + chunkBytes) }
            .filter { $0.upperBound > old.count || old[$0] != new[$0] }
        return chunks.reduce(into: []) { ranges, chunk in
            if let last = ranges.last, last.upperBound == chunk.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<chunk.upperBound
            } else {
                ranges.append(chunk)
            }
        }
    }

    func stop() { volume.look { $0.isServed = false } }
}

private struct MemoryContent: ExportContent {
    let volume: MemoryVolume
    let snapshot: [UInt8]?
    let isWritable: Bool

    var byteCount: Int { snapshot?.count ?? volume.look(\.content.count) }
    var description: String { "memory" }
    var preferredBytes: Int { 1 }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        let content = snapshot ?? volume.look(\.content)
        for index in 0..<buffer.byteCount {
            buffer.storeBytes(of: content[offset + index], toByteOffset: index, as: UInt8.self)
        }
    }

    func write(_ bytes: RawSpan, at offset: Int, isDurable: Bool) throws(Problem) {
        guard isWritable else { throw readOnlyProblem }
        volume.write(
            (0..<bytes.byteCount).map { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) },
            at: offset)
    }

    func zero(_ range: Range<Int>, isDurable: Bool) throws(Problem) {
        guard isWritable else { throw readOnlyProblem }
        volume.write([UInt8](repeating: 0, count: range.count), at: range.lowerBound)
    }

    func flush() throws(Problem) {}

    func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent] {
        [Extent(range: range, isHole: false)]
    }

    func close() { if isWritable { volume.look { $0.writers -= 1 } } }
}
