import SnapshotModel
import VolumeAccess

/// What receives a stream, and fails from some write, read or mark on.
final class FaultyReceiver: VolumeReceiver {
    enum Call: Hashable, Sendable { case write, read, mark }

    private let real: any VolumeReceiver
    private let call: Call
    private let code: Problem.Code
    private var countdown: Int

    init(
        _ real: any VolumeReceiver, _ code: Problem.Code, in call: Call, after countdown: Int
    ) {
        self.real = real
        self.code = code
        self.call = call
        self.countdown = countdown
    }

    private func count(_ call: Call) throws(Problem) {
        guard call == self.call else { return }
        countdown -= 1
        guard countdown < 0 else { return }
        throw Problem(code, "injected into a \(call)")
    }

    func write(_ bytes: RawSpan, at offset: Int) throws(Problem) {
        try count(.write)
        try real.write(bytes, at: offset)
    }

    func mark(upTo offset: Int) throws(Problem) {
        try count(.mark)
        try real.mark(upTo: offset)
    }

    func readReceived(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        try count(.read)
        try real.readReceived(into: &buffer, at: offset)
    }
}

// What fails nowhere.
extension FaultyReceiver {
    var record: VolumeRecord { real.record }
    var snapshots: [SnapshotManifest] { real.snapshots }
    var warnings: [Advice] { real.warnings }
    var halfReceived: ReceiveNote? { real.halfReceived }

    func isBlank() throws(Problem) -> Bool { try real.isBlank() }
    func isUnchanged(since snapshot: SnapshotManifest) throws(Problem) -> Bool {
        try real.isUnchanged(since: snapshot)
    }
    func begin(volume: String, snapshot: String, base: SnapshotManifest?) throws(Problem) {
        try real.begin(volume: volume, snapshot: snapshot, base: base)
    }
    func resume(
        volume: String, snapshot: String, base: SnapshotManifest?, at offset: Int
    ) throws(Problem) {
        try real.resume(volume: volume, snapshot: snapshot, base: base, at: offset)
    }
    func firstReceived(in range: Range<Int>) throws(Problem) -> Range<Int>? {
        try real.firstReceived(in: range)
    }
    func prepare(data: [Range<Int>], zeroes: [Range<Int>]) throws(Problem) {
        try real.prepare(data: data, zeroes: zeroes)
    }
    func zero(_ range: Range<Int>) throws(Problem) { try real.zero(range) }
    func take(_ request: SnapshotRequest) throws(Problem) -> SnapshotOutcome {
        try real.take(request)
    }
    func takeBack() throws(Problem) { try real.takeBack() }
    func close() { real.close() }
}
