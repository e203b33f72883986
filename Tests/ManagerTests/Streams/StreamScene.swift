import ImageDriver
import MergeKit
import SnapshotModel
import Stream
import System
import Testing

@testable import Manager

/// Two volumes of one state: `a`, of which snapshots are sent, and `b`, into which they are received.
final class StreamScene {
    let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
    }

    var manager: Manager { fixture.manager }

    /// Fills chunks of `a` with a byte, and takes a snapshot.
    @discardableResult
    func snapshot(
        _ byte: UInt8, _ chunks: Range<Int>, name: String? = nil
    ) throws -> SnapshotID {
        try fixture.write(byte, to: chunks, of: "a")
        return try fixture.snapshot("a", name: name)[0]
    }

    /// The bytes of a stream.
    func send(
        _ id: SnapshotID, from base: SnapshotID? = nil, _ compression: StreamCompression = .none
    ) throws -> [UInt8] {
        let sink = MemoryStream()
        let report = try manager.sends.send(
            SendRequest("\(id)", base: base.map { "\($0)" }, compression: compression), to: sink)
        #expect(report.streamBytes == sink.bytes.count)
        return sink.bytes
    }

    @discardableResult
    func receive(
        _ bytes: [UInt8], into volume: String = "b", overwrites: Bool = false
    ) throws -> ReceiveReport {
        let isThere = try manager.volumes.list().contains { $0.record.name == volume }
        return try manager.receives.receive(
            ReceiveRequest(
                volume, originPath: isThere ? nil : "\(fixture.folder)/\(volume).img",
                overwrites: overwrites), from: MemoryStream(bytes))
    }

    /// Why a stream is not received.
    func refusal(
        _ bytes: [UInt8], into volume: String = "b", overwrites: Bool = false
    ) -> Problem? {
        do { try receive(bytes, into: volume, overwrites: overwrites) } catch {
            return Problem(error)
        }
        return nil
    }

    /// The first byte of each chunk of a snapshot.
    func content(of id: SnapshotID, in volume: String) throws -> [UInt8] {
        try fixture.withEngine(volume) { engine in
            let view = try engine.openView(of: id)
            defer { view.close() }
            var buffer = AlignedBuffer(count: view.byteCount)
            var bytes = buffer.mutableBytes
            try view.read(into: &bytes, at: 0)
            let all = buffer.bytes.array
            return stride(from: 0, to: all.count, by: ManagerFixture.chunkBytes).map { all[$0] }
        }
    }

    /// The ids of a volume's snapshots, oldest first.
    func ids(_ volume: String = "b") throws -> [SnapshotID] {
        try fixture.list().filter { $0.manifest.isDeleted == false && $0.volume == volume }
            .map(\.id)
    }

    /// Where the records of a stream begin, after its beginning and without its end.
    static func boundaries(_ bytes: [UInt8]) -> [Int] {
        var (position, result) = (16, [Int]())
        while position < bytes.count {
            result.append(position)
            let length = (8..<12).reversed().reduce(0) { $0 << 8 | Int(bytes[position + $1]) }
            position += 32 + length
        }
        return result
    }
}

/// A stream in memory.
final class MemoryStream: StreamSink, StreamSource {
    private(set) var bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8] = []) { self.bytes = bytes }

    func write(_ bytes: RawSpan) throws(Problem) {
        bytes.withUnsafeBytes { self.bytes += $0 }
    }

    func read(into buffer: inout MutableRawSpan) throws(Problem) -> Int {
        let count = min(buffer.byteCount, bytes.count - position)
        let start = position
        buffer.withUnsafeMutableBytes { $0.copyBytes(from: bytes[start..<start + count]) }
        position += count
        return count
    }
}
