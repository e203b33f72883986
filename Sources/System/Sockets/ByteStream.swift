internal import Glibc

/// A connection on which bytes come and go. One thread reads and writes; any thread may end it.
package protocol ByteStream: AnyObject, Sendable {
    /// Limits how long a ``receive(into:)`` waits, in milliseconds; 0 lifts the limit.
    func limitReceive(milliseconds: Int)

    /// Limits how long the other end may take nothing of what is sent, in milliseconds; 0 lifts the limit.
    func limitSend(milliseconds: Int)

    /// Waits for bytes and returns how many came; 0 when the other end sends no more. EAGAIN when none came within the
    /// limit.
    func receive(into buffer: inout MutableRawSpan) throws(IOFailure) -> Int

    /// Sends all the bytes. EPIPE when the other end has gone, EAGAIN when it does not read.
    func send(_ bytes: RawSpan) throws(IOFailure)

    /// Ends it so that the other end gets all that was sent.
    func finish()

    /// Ends it for both ends at once; calls that wait in it return.
    func shutDown()
}

extension LocalSocket: ByteStream {
    /// The kernel keeps what was sent for the other end.
    package func finish() { shutDown() }
}

/// What all sockets do in the same way.
enum SocketCalls {
    static func limit(_ number: Int32, _ option: Int32, milliseconds: Int) {
        var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        setsockopt(number, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    static func receive(
        _ number: Int32, into buffer: inout MutableRawSpan, path: String
    ) throws(IOFailure) -> Int {
        let count = buffer.withUnsafeMutableBytes { bytes in
            retryingInterrupts { recv(number, bytes.baseAddress, bytes.count, 0) }
        }
        guard count >= 0 else { throw .last("read from", path: path) }
        return count
    }

    static func send(_ number: Int32, _ bytes: RawSpan, path: String) throws(IOFailure) {
        let succeeded = bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
                let count = retryingInterrupts {
                    Glibc.send(number, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
                }
                if count < 0 { return false }
                done += count
            }
            return true
        }
        guard succeeded else { throw .last("write to", path: path) }
    }
}
