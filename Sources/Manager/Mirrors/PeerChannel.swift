internal import Glibc
internal import SnapshotModel
internal import Stream
internal import System

/// The two ends of a connection with the other site. All goes in frames, each with its length before it: a message of
/// JSON is one, a stream is many and one of length 0 behind them.
final class PeerChannel {
    private let input: PipeEnd
    private let output: PipeEnd

    /// A list of many thousand snapshots is a message, too.
    private static let messageBytesMaximum = 16 << 20
    static let frameBytesMaximum = 4 << 20
    private static let headingBytes = 4
    private static let pieceBytes = 64 << 10

    init(input: PipeEnd, output: PipeEnd) {
        self.input = input
        self.output = output
    }

    /// Is called when a wait for the other site to read is not over in a moment.
    var beforeWaiting: (() -> Void)? {
        get { output.beforeWaiting }
        set { output.beforeWaiting = newValue }
    }

    /// Is called when a wait for what the other site sends is not over in a moment.
    var beforeIdling: (() -> Void)? {
        get { input.beforeWaiting }
        set { input.beforeWaiting = newValue }
    }

    /// Whether a wait for what the other site sends is to end, which is asked each moment.
    var isUnwanted: (() -> Bool)? {
        get { input.isUnwanted }
        set { input.isUnwanted = newValue }
    }

    // MARK: Messages

    func send(_ message: some Encodable, wording: Wording = .plain) throws {
        try write(frame: LineCodec.encode(message, wording: wording))
    }

    /// - Throws: `failed` when the connection ends, `corrupt` when something else comes.
    func receive<Message: Decodable>(_ type: Message.Type) throws -> Message {
        let bytes = try receiveFrame(atMost: Self.messageBytesMaximum)
        do { return try LineCodec.decode(type, bytes) } catch { throw Self.stranger }
    }

    static let ended = Problem(
        .failed, "the connection with the other site has ended",
        hint: "nothing is lost: run it again")

    private static let stranger = Problem(
        .corrupt, "the other site does not speak as snapmgr does",
        hint:
            "see that snapmgr is what is run there, and that nothing else is printed when one logs in"
    )

    // MARK: Frames

    /// The next frame as a whole. Memory is taken for what has come.
    ///
    /// - Throws: `failed` when the connection ends, `corrupt` when it is longer.
    func receiveFrame(atMost limit: Int) throws -> [UInt8] {
        guard let length = try frameLength(), length <= limit else { throw Self.stranger }
        var bytes: [UInt8] = []
        while bytes.count < length {
            var piece = [UInt8](
                repeating: 0, count: min(Self.pieceBytes, length - bytes.count))
            let count = try fill(&piece)
            bytes += piece[..<count]
            guard count == piece.count else { throw Self.ended }
        }
        return bytes
    }

    func write(frame bytes: [UInt8]) throws {
        let length = UInt32(clamping: bytes.count)
        let heading = (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * UInt32($0))) }
        do throws(IOFailure) {
            try output.write(heading.span.bytes)
            if !bytes.isEmpty { try output.write(bytes.span.bytes) }
        } catch { throw Self.problem(error) }
    }

    /// How long the next frame is; nil when it is longer than any.
    ///
    /// - Throws: `ended` when there is none.
    func frameLength() throws -> Int? {
        var heading = [UInt8](repeating: 0, count: Self.headingBytes)
        guard try fill(&heading) == Self.headingBytes else { throw Self.ended }
        let length: UInt32 = heading.span.bytes.littleEndian(at: 0)
        return length <= UInt32(Self.messageBytesMaximum) ? Int(length) : nil
    }

    /// The next answer; what only says that the other site is at work is none.
    func answer() throws -> PeerAnswer {
        while true {
            let answer = try receive(PeerAnswer.self)
            if answer.isWorking != true { return answer }
        }
    }

    /// Fills all of a buffer; fewer bytes at the end.
    private func fill(_ bytes: inout [UInt8]) throws -> Int {
        let wanted = bytes.count
        var done = 0
        while done < wanted {
            var elements = bytes.mutableSpan
            var span = elements.mutableBytes
            var rest = span.part(done..<wanted)
            let count = try read(into: &rest)
            guard count > 0 else { break }
            done += count
        }
        return done
    }

    /// Fills a buffer from its beginning on with what there is; 0 at the end.
    func read(into target: inout MutableRawSpan) throws -> Int {
        do throws(IOFailure) { return try input.read(into: &target) } catch {
            throw Self.problem(error)
        }
    }

    private static func problem(_ failure: IOFailure) -> Problem {
        switch failure.code {
        case ECANCELED: Cancellation.problem
        case ETIMEDOUT:
            Problem(
                .failed, "the other site has done nothing for too long",
                hint: "nothing is lost: see what it does, then run it again")
        case EPIPE, ECONNRESET: ended
        default: Problem(failure)
        }
    }
}

/// Writes a stream as frames, not faster than it may be.
final class FrameSink: SlowStreamSink {
    private let channel: PeerChannel
    private let limit: RateLimit?
    private var waiting: [UInt8] = []

    private static let frameBytes = 256 << 10

    init(_ channel: PeerChannel, _ limit: RateLimit?) {
        self.channel = channel
        self.limit = limit
    }

    var beforeWaiting: (() -> Void)? {
        get { channel.beforeWaiting }
        set { channel.beforeWaiting = newValue }
    }

    func write(_ bytes: RawSpan) throws(Problem) {
        bytes.withUnsafeBytes { waiting += $0 }
        if waiting.count >= Self.frameBytes { try flush() }
    }

    /// The stream's end.
    func finish() throws(Problem) {
        try flush()
        try frame([])
    }

    private func flush() throws(Problem) {
        guard !waiting.isEmpty else { return }
        try limit?.admit(waiting.count, beforeWaiting)
        try frame(waiting)
        waiting.removeAll(keepingCapacity: true)
    }

    private func frame(_ bytes: [UInt8]) throws(Problem) {
        do { try channel.write(frame: bytes) } catch { throw Problem(error) }
    }
}

/// Reads a stream that comes in frames.
final class FrameSource: StreamSource {
    private let channel: PeerChannel
    /// Bytes of the frame that has begun.
    private var left = 0
    private var hasEnded = false
    /// Is called when all of the stream has come.
    var atEnd: (() -> Void)?

    init(_ channel: PeerChannel) { self.channel = channel }

    func read(into buffer: inout MutableRawSpan) throws(Problem) -> Int {
        do {
            if left == 0, !hasEnded { try begin() }
            guard !hasEnded else { return 0 }
            var part = buffer.part(0..<min(left, buffer.byteCount))
            let count = try channel.read(into: &part)
            left -= count
            if count == 0 { hasEnded = true }
            return count
        } catch { throw Problem(error) }
    }

    private func begin() throws {
        do {
            guard let length = try channel.frameLength(),
                length <= PeerChannel.frameBytesMaximum
            else {
                throw Problem(.corrupt, "a frame of the other site is longer than any can be")
            }
            left = length
            hasEnded = length == 0
            if hasEnded { atEnd?() }
        } catch let problem as Problem where problem == PeerChannel.ended {
            // The stream itself knows that this is not its end.
            hasEnded = true
        }
    }
}
