internal import SnapshotModel
internal import StoreFormat
internal import System

/// What a log notes of the origin in its header, and how old that is: by it the next open tells whether
/// somebody else has written to the origin. The log's monitor guards it.
struct WriteBackNotes {
    /// As it stands in the file, but perhaps for the start of the machine and for the origin of a log that
    /// was found, which the next note brings there.
    var header: WriteBackHeader
    /// How many write to the origin now.
    var writerCount = 0
    private let clock: any Clock
    /// When the last note was made.
    private(set) var latest: Moment?
    /// The same of the last one that a power cut leaves; nil when nobody knows.
    private var durable: Moment?

    /// An instant by two clocks: one stands still while the machine is suspended, and the other, by which
    /// files are dated, is set now and then.
    struct Moment: Sendable {
        fileprivate var monotonic: Int64
        fileprivate var wall: Int64

        /// In nanoseconds; never negative.
        fileprivate func age(at now: Moment) -> Int64 {
            let passed = now.monotonic.subtractingClamped(monotonic)
            let ahead = now.wall.subtractingClamped(wall)
            return max(passed, ahead, Int64(0).subtractingClamped(ahead))
        }
    }

    /// - Parameter isDurable: whether the header is in the file as it is, durably, and of now.
    init(_ header: WriteBackHeader, clock: any Clock, isDurable: Bool) {
        self.header = header
        self.clock = clock
        guard isDurable else { return }
        latest = now()
        durable = latest
    }

    private func now() -> Moment {
        Moment(monotonic: clock.monotonicNanoseconds(), wall: clock.now().stored)
    }

    /// Whether a process that died now would leave a note that says too little of what it has written.
    var isOld: Bool { latest.map { $0.age(at: now()) > Self.oldNanoseconds } ?? true }

    /// Whether a power cut now would.
    var isOldOnDisk: Bool {
        durable.map { $0.age(at: now()) > Self.oldOnDiskNanoseconds } ?? true
    }

    /// Much less than what ``WriteBackRecovery`` allows a write after the last note.
    private static let oldNanoseconds: Int64 = 250_000_000
    private static let oldOnDiskNanoseconds: Int64 = 20_000_000_000

    /// Writes the header, with the origin as it is; the time of its change says nothing while somebody
    /// writes to it, and stays.
    mutating func write(to log: any BlockDevice, of origin: any BlockDevice) throws(IOFailure) {
        let moment = now()
        var header = self.header
        header.isWriting = writerCount > 0
        if var stamp = try origin.stamp() {
            if header.isWriting { stamp.modifiedNanoseconds = header.origin.modifiedNanoseconds }
            header.origin = stamp
        }
        if let before = try log.stamp() {
            header.notedNanoseconds = max(
                before.modifiedNanoseconds, header.origin.modifiedNanoseconds)
        }
        try header.write(to: log)
        // Both may be of long ago; the note is of now.
        if let after = try log.stamp(),
            after.modifiedNanoseconds
                > header.notedNanoseconds.addingClamped(Self.inexactNanoseconds)
        {
            header.notedNanoseconds = after.modifiedNanoseconds
            try header.write(to: log)
        }
        self.header = header
        latest = moment
    }

    /// By how much a note may be dated too early.
    private static let inexactNanoseconds: Int64 = 1_000_000_000

    /// The log was synced.
    ///
    /// - Parameter noted: ``latest`` as it was before.
    mutating func synced(_ noted: Moment?) {
        guard let noted, durable.map({ $0.monotonic < noted.monotonic }) ?? true else { return }
        durable = noted
    }
}
