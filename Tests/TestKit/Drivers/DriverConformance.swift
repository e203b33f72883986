internal import System
internal import SnapshotModel
package import VolumeAccess

/// What a driver's conformance is tried on.
package protocol ConformanceRig: AnyObject {
    var driver: any VolumeDriver { get }
    /// Where a test may write files.
    var scratchPath: String { get }

    /// A volume of ``DriverConformance/byteCount`` bytes that reads as zeroes, and is up; it can grow
    /// to twice that.
    func makeVolume() throws -> VolumePlace
}

/// What every driver must do, whatever it is made of: a case for each promise of the interface.
package struct DriverConformance {
    package static let byteCount = 1 << 20
    package static let chunkBytes = 4096

    let rig: any ConformanceRig
    let place: VolumePlace
    let served: any ServedVolume
    /// How often the server was told to let the volume go.
    let letGoCount: Monitored<Int>

    package struct Case: Sendable, CustomStringConvertible {
        package let name: String
        let body: @Sendable (DriverConformance) throws -> Void
        package var description: String { name }
    }

    /// A promise that was not kept.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// Runs a case on a volume of its own, which is served meanwhile.
    package static func run(_ test: Case, on rig: any ConformanceRig) throws {
        let place = try rig.makeVolume()
        try rig.driver.requireServable(place)
        try rig.driver.requirePresent(place)
        let letGoCount = Monitored(0)
        let served = try rig.driver.serve(
            place, report: { _ in }, letGo: { letGoCount.change { $0 += 1 } })
        defer { served.stop() }
        try test.body(
            DriverConformance(rig: rig, place: place, served: served, letGoCount: letGoCount))
    }
}

// MARK: - Tools

extension DriverConformance {
    func expect(_ isKept: Bool, _ promise: String, line: Int = #line) throws {
        guard isKept else { throw Failure(description: "line \(line): \(promise)") }
    }

    func expectProblem(
        _ code: Problem.Code, _ what: String, line: Int = #line, _ body: () throws -> Void
    ) throws {
        do { try body() } catch let problem as Problem {
            try expect(
                problem.code == code && !problem.message.isEmpty,
                "\(what): \(code) was expected, not \(problem.code): \(problem.message)", line: line
            )
            return
        }
        try expect(false, "\(what) must fail", line: line)
    }

    func withSession<Value>(_ body: (any VolumeSession) throws -> Value) throws -> Value {
        let session = try rig.driver.open(place)
        defer { session.close() }
        return try body(session)
    }

    func write(_ byte: UInt8, chunk: Int, count: Int = 1) throws {
        try Self.write(byte, chunk: chunk, count: count, to: served)
    }

    static func write(
        _ byte: UInt8, chunk: Int, count: Int = 1, to served: any ServedVolume
    ) throws {
        let content = try served.openVolume(readOnly: false)
        defer { content.close() }
        let bytes = [UInt8](repeating: byte, count: count * Self.chunkBytes)
        try content.write(bytes.span.bytes, at: chunk * Self.chunkBytes, isDurable: false)
        try content.flush()
    }

    /// The byte that fills a chunk of the volume.
    func read(_ chunk: Int) throws -> UInt8 {
        try Self.byte(of: try served.openVolume(readOnly: true), chunk)
    }

    /// The byte that fills a chunk of a snapshot.
    func read(_ chunk: Int, of id: SnapshotID) throws -> UInt8 {
        try Self.byte(of: try served.openSnapshot(try manifest(id)), chunk)
    }

    func manifest(_ id: SnapshotID) throws -> SnapshotManifest {
        guard let manifest = try manifests().first(where: { $0.id == id }) else {
            throw Failure(description: "snapshot \(id) is not in the status")
        }
        return manifest
    }

    func manifests() throws -> [SnapshotManifest] {
        try withSession { try $0.status().snapshots.map(\.manifest).filter { !$0.isDeleted } }
    }

    /// An export of changes reads as the newer snapshot, and tells of all but some chunks that they are as before,
    /// however few stretches are asked for at once. It is opened once: where devices are made for it, that takes long.
    func expectChanges(
        _ reference: String, _ chunks: [Range<Int>], of newer: SnapshotID, line: Int = #line
    ) throws {
        let content = try served.openSnapshot(reference)
        defer { content.close() }
        for limit in [1, 2, 100] {
            let changed = try changedChunks(content, limit: limit)
            try expect(changed == chunks, "\(reference): \(changed), not \(chunks)", line: line)
        }
        let snapshot = try served.openSnapshot(try manifest(newer))
        defer { snapshot.close() }
        try expect(
            try Self.bytes(of: content) == Self.bytes(of: snapshot), "it reads as the newer one",
            line: line)
    }

    private func changedChunks(
        _ content: any ExportContent, limit: Int
    ) throws -> [Range<Int>] {
        var changed: [Range<Int>] = []
        var position = 0
        while position < content.byteCount {
            let stretches = try content.stretches(in: position..<content.byteCount, limit: limit)
            try expect((1...limit).contains(stretches.count), "as many as asked for")
            for stretch in stretches {
                try expect(stretch.range.lowerBound == position, "one after the other")
                position = stretch.range.upperBound
                guard stretch.kind != .unchanged else { continue }
                let first = stretch.range.lowerBound / Self.chunkBytes
                let end = position / Self.chunkBytes
                if let last = changed.last, last.upperBound == first {
                    changed[changed.count - 1] = last.lowerBound..<end
                } else {
                    changed.append(first..<end)
                }
            }
        }
        return changed
    }

    private static func bytes(of content: any ExportContent) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: content.byteCount)
        var elements = bytes.mutableSpan
        var span = elements.mutableBytes
        try content.read(into: &span, at: 0)
        return bytes
    }

    static func byte(of content: any ExportContent, _ chunk: Int) throws -> UInt8 {
        defer { content.close() }
        var bytes = [UInt8](repeating: 0, count: Self.chunkBytes)
        var elements = bytes.mutableSpan
        var span = elements.mutableBytes
        try content.read(into: &span, at: chunk * Self.chunkBytes)
        guard bytes.allSatisfy({ $0 == bytes[0] }) else {
            throw Failure(description: "chunk \(chunk) is torn")
        }
        return bytes[0]
    }

    @discardableResult
    func snapshot(_ number: Int64) throws -> SnapshotID {
        let request = Self.request(number)
        let outcome = try withSession { try $0.takeSnapshot(request) }
        try expect(outcome.manifest.id == request.id, "the snapshot that was asked for is taken")
        return request.id
    }

    static func request(_ number: Int64, _ kind: SnapshotKind = .manual) -> SnapshotRequest {
        SnapshotRequest(
            id: SnapshotID(rawValue: number), description: SnapshotDescription(kind: kind))
    }

    static func revert(_ number: Int64, to target: SnapshotID, safety: Int64) -> RevertRequest {
        RevertRequest(
            id: RevertID(rawValue: number), target: target, safety: request(safety, .safety))
    }
}
