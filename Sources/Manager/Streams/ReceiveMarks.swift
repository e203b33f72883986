internal import SnapshotModel
internal import System
internal import VolumeAccess

/// Has what comes of a snapshot be durable now and then, so that it goes on from there when it is cut.
struct ReceiveMarks {
    private let receiver: any VolumeReceiver
    /// Nil when nobody would go on from there.
    private let byteCount: Int?
    private var markedEnd: Int
    private var nextLook: Int64

    /// A slow link's part is durable after so long, in nanoseconds.
    private static let pauseNanoseconds: Int64 = 10_000_000_000

    /// - Parameters:
    ///   - byteCount: after so many bytes of the volume at most; nil for never.
    ///   - offset: where the snapshot goes on.
    init(_ receiver: any VolumeReceiver, every byteCount: Int?, from offset: Int) {
        self.receiver = receiver
        self.byteCount = byteCount
        markedEnd = offset
        nextLook = SystemClock().monotonicNanoseconds().addingClamped(Self.pauseNanoseconds)
    }

    /// Writes what has come, and notes that it is there, when it is time to.
    mutating func look(_ batch: inout ReceiveBatch) throws {
        guard let byteCount, batch.end > markedEnd else { return }
        let now = SystemClock().monotonicNanoseconds()
        guard batch.end - markedEnd >= byteCount || now >= nextLook else { return }
        try mark(&batch)
        nextLook = SystemClock().monotonicNanoseconds().addingClamped(Self.pauseNanoseconds)
    }

    private mutating func mark(_ batch: inout ReceiveBatch) throws {
        try batch.flush()
        guard batch.end > markedEnd else { return }
        try receiver.mark(upTo: batch.end)
        markedEnd = batch.end
    }

    /// What has come of a stream that was cut is made durable.
    ///
    /// - Returns: whether there is anything from which it goes on; else it is to be taken back.
    mutating func keep(_ batch: inout ReceiveBatch) -> Bool {
        guard byteCount != nil else { return false }
        do { try mark(&batch) } catch { return false }
        return markedEnd > 0
    }
}
