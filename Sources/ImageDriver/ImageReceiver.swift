internal import Control
internal import MergeKit
internal import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// An image that a stream is written into.
final class ImageReceiver: VolumeReceiver {
    private let host: VolumeHost

    private init(_ host: VolumeHost) { self.host = host }

    /// Opens the volume, unless another process has it open.
    ///
    /// - Throws: `refused` when it is served, `locked` when a command has it open.
    static func open(
        _ place: VolumePlace, _ options: VolumeHost.Options
    ) throws(Problem) -> ImageReceiver {
        try StoreHolder.waiting(for: place.storePath) { () throws(Problem) -> ImageReceiver? in
            if let host = try VolumeHost.openUnlessHeld(
                storePath: place.storePath, options: options)
            {
                return ImageReceiver(host)
            }
            guard let server = try RemoteSession.connect(storePath: place.storePath) else {
                return nil
            }
            server.close()
            throw Problem(
                .refused,
                "volume \(place.name) is served: whoever uses it would see it change under him",
                hint: "end its mounts and stop its server, then receive the stream again")
        }
    }

    private var engine: LiveEngine { host.engine }

    var record: VolumeRecord { engine.record }
    var snapshots: [SnapshotManifest] { engine.volumeState.readable }
    var warnings: [Advice] { engine.warnings }
    var halfReceived: ReceiveNote? { engine.halfReceived }

    func isBlank() throws(Problem) -> Bool {
        try engine.settleLog()
        return try engine.firstData(in: 0..<record.geometry.volumeBytes) == nil
    }

    func isUnchanged(since snapshot: SnapshotManifest) throws(Problem) -> Bool {
        try engine.isUnchanged(since: snapshot)
    }

    func begin(volume: String, snapshot: String, base: SnapshotManifest?) throws(Problem) {
        try engine.beginReceiving(volume, snapshot, base: base)
    }

    func resume(
        volume: String, snapshot: String, base: SnapshotManifest?, at offset: Int
    ) throws(Problem) {
        try engine.resumeReceiving(volume, snapshot, base: base, at: offset)
    }

    func mark(upTo offset: Int) throws(Problem) { try engine.markReceived(upTo: offset) }

    func readReceived(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        try engine.readReceived(into: &buffer, at: offset)
    }

    func firstReceived(in range: Range<Int>) throws(Problem) -> Range<Int>? {
        try engine.firstData(in: range)
    }

    func prepare(data: [Range<Int>], zeroes: [Range<Int>]) throws(Problem) {
        try engine.preserveAhead(data, zeroes: zeroes)
    }

    func write(_ bytes: RawSpan, at offset: Int) throws(Problem) {
        try engine.write(bytes, at: offset)
        engine.startWriteback(of: offset..<offset + bytes.byteCount)
    }

    /// So much is preserved, and becomes a hole, at once at most.
    private static let zeroBytes = 64 << 20

    /// Holes stay as they are: the time follows what there is.
    func zero(_ range: Range<Int>) throws(Problem) {
        var position = range.lowerBound
        while let data = try engine.firstData(in: position..<range.upperBound) {
            let end = min(data.upperBound, data.lowerBound + Self.zeroBytes)
            try engine.zero(data.lowerBound..<end)
            position = end
        }
    }

    func take(_ request: SnapshotRequest) throws(Problem) -> SnapshotOutcome {
        try engine.takeReceived(request)
    }

    func takeBack() throws(Problem) { try engine.takeBackReceived() }

    /// So much is read at once at most.
    private static let sealBytes = 16 << 20

    func sealStep() throws(Problem) -> Bool { try engine.sealStep(byteLimit: Self.sealBytes) }

    /// What could not be flushed is found by the next open, which recovers.
    func close() { try? host.close() }
}
