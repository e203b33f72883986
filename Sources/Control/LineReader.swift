internal import System
internal import Glibc
internal import SnapshotModel

/// Waits for the lines that come in on a socket.
struct LineReader {
    private let socket: LocalSocket
    private var pending: LineBuffer
    private var space = [UInt8](repeating: 0, count: 16 << 10)

    /// A line longer than `limitBytes` is an error.
    init(_ socket: LocalSocket, limitBytes: Int) {
        self.socket = socket
        pending = LineBuffer(limitBytes: limitBytes)
    }

    /// What can go wrong with a line.
    enum Failure: Error {
        case socket(IOFailure)
        case tooLong
    }

    /// How long to wait for a line.
    struct Limit {
        /// For its next bytes, in milliseconds.
        var silence: Int
        /// For the whole of it.
        var deadline: Deadline
    }

    /// The next line without its line feed; nil at the end. Half a line at the end is none.
    ///
    /// - Parameter limit: EAGAIN after so long a silence, ETIMEDOUT after the deadline; nil waits for
    ///   ever.
    mutating func next(within limit: Limit? = nil) throws(Failure) -> [UInt8]? {
        while true {
            if let line = pending.next() { return line }
            guard !pending.isTooLong else { throw .tooLong }
            var isShort = false
            if let limit { isShort = try apply(limit) }
            do throws(Failure) {
                guard try receive() else { return nil }
            } catch {
                guard case .socket(let failure) = error, failure.code == EAGAIN, isShort else {
                    throw error
                }
                throw timeout
            }
        }
    }

    /// Whether the deadline comes before a silence would be too long.
    private func apply(_ limit: Limit) throws(Failure) -> Bool {
        let left = limit.deadline.remainingMilliseconds
        guard left > 0 else { throw timeout }
        socket.limitReceive(milliseconds: min(limit.silence, left))
        return left < limit.silence
    }

    private var timeout: Failure {
        .socket(IOFailure("read from", path: socket.path, code: ETIMEDOUT))
    }

    /// Waits for more; false at the end.
    private mutating func receive() throws(Failure) -> Bool {
        do throws(IOFailure) {
            let count = try Self.receive(from: socket, into: &space)
            pending.append(space[..<count])
            return count > 0
        } catch {
            throw .socket(error)
        }
    }

    private static func receive(
        from socket: LocalSocket, into space: inout [UInt8]
    ) throws(IOFailure) -> Int {
        var elements = space.mutableSpan
        var bytes = elements.mutableBytes
        return try socket.receive(into: &bytes)
    }
}
