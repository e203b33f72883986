internal import Glibc
internal import SnapshotModel
internal import System

/// Lines on a connection, with a time for each. Used by one thread.
final class LineConnection {
    private let socket: LocalSocket
    private var buffer: LineBuffer
    private var space = [UInt8](repeating: 0, count: 4096)

    init(_ socket: LocalSocket, limitBytes: Int) {
        self.socket = socket
        buffer = LineBuffer(limitBytes: limitBytes)
    }

    /// What came instead of a line.
    enum Absence: Error { case ended, timedOut }

    func next(by deadline: Deadline) throws(Absence) -> [UInt8] {
        while true {
            if let line = buffer.next() { return line }
            guard !buffer.isTooLong else { throw .ended }
            guard !deadline.hasPassed else { throw .timedOut }
            socket.limitReceive(milliseconds: max(1, deadline.remainingMilliseconds))
            do throws(IOFailure) {
                guard try receive() > 0 else { throw IOFailure("read", path: "", code: EPIPE) }
            } catch {
                guard error.code == EAGAIN else { throw .ended }
            }
        }
    }

    private func receive() throws(IOFailure) -> Int {
        let count = try Self.receive(from: socket, into: &space)
        buffer.append(space[..<count])
        return count
    }

    private static func receive(
        from socket: LocalSocket, into space: inout [UInt8]
    ) throws(IOFailure) -> Int {
        var elements = space.mutableSpan
        var bytes = elements.mutableBytes
        return try socket.receive(into: &bytes)
    }

    /// Sends a message; false when the other end has gone or does not read.
    func send(_ message: some Encodable, milliseconds: Int) -> Bool {
        guard let line = try? LineCodec.encode(message) else { return false }
        socket.limitSend(milliseconds: milliseconds)
        return (try? socket.send(line.span.bytes)) != nil
    }
}
