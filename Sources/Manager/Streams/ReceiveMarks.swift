internal import SnapshotModel
internal import System
internal import VolumeAccess

/// Has what comes of a snapshot be durable now and then, so that it goes on from there when it is cut.
struct ReceiveMarks {
    private let receiver: any VolumeReceiver
    /// Nil when nobody would go on from there.
    private let byteCount: Int?
    private var markedEnd: Int
    /// How much had been written when it was time to last.
    private var markedBytes = 0
    private var nextLook: Int64

    /// A slow link's part is durable after so long, in nanoseconds.
    private static let pauseNanoseconds: Int64 = 10_000_000_000

    /// - Parameters:
    ///   - byteCount: after so many bytes that were written at most; nil for never.
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
        guard batch.written - markedBytes >= byteCount || now >= nextLook else { return }
        try batch.flush()
        // A mark is for a cut only: a store without room for it is no reason not to go on.
        do { try mark(batch) } catch let problem as Problem where problem.code == .noSpace {}
        markedBytes = batch.written
        nextLook = SystemClock().monotonicNanoseconds().addingClamped(Self.pauseNanoseconds)
    }

    private mutating func mark(_ batch: ReceiveBatch) throws {
        guard batch.end > markedEnd else { return }
        try receiver.mark(upTo: batch.end)
        markedEnd = batch.end
    }

    /// Whether anything is durable from which the snapshot goes on.
    var hasMark: Bool { byteCount != nil && markedEnd > 0 }

    /// What has come of a stream that was cut is made durable.
    ///
    /// - Returns: whether there is anything from which it goes on; else it is to be taken back.
    mutating func keep(_ batch: inout ReceiveBatch) -> Bool {
        guard byteCount != nil else { return false }
        // What was marked before is there, whatever becomes of the rest, which comes again.
        try? markAll(&batch)
        return hasMark
    }

    private mutating func markAll(_ batch: inout ReceiveBatch) throws {
        try batch.flush()
        try mark(batch)
    }
}
