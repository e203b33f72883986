internal import CSystem
internal import Glibc

/// One end of a connection between two processes of this machine. All calls may come from any
/// thread; the descriptor is closed when the last owner goes.
package final class LocalSocket: Sendable {
    private let descriptor: OwnedDescriptor
    /// The socket's path, for messages.
    package let path: String

    init(_ descriptor: consuming OwnedDescriptor, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Connects to a listening socket. ENOENT and ECONNREFUSED mean that nobody listens there;
    /// EAGAIN that nobody took the connection within the time limit, in milliseconds.
    package static func connect(
        folder: String, name: String, milliseconds: Int
    ) throws(IOFailure) -> LocalSocket {
        let address = try SocketAddress(folder: folder, name: name)
        let connection = LocalSocket(try makeDescriptor(path: address.path), path: address.path)
        connection.limit(SO_SNDTIMEO, milliseconds: milliseconds)
        let number = connection.descriptor.number
        let result = try address.withSystemAddress { address, length in
            retryingInterrupts { Glibc.connect(number, address, length) }
        }
        guard result == 0 else { throw .last("connect to", path: address.path) }
        return connection
    }

    /// Two connected ends.
    package static func pair() throws(IOFailure) -> (LocalSocket, LocalSocket) {
        var numbers: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &numbers) == 0 else {
            throw .last("make", path: "socket pair")
        }
        return (
            LocalSocket(OwnedDescriptor(owning: numbers[0]), path: "socket pair"),
            LocalSocket(OwnedDescriptor(owning: numbers[1]), path: "socket pair")
        )
    }

    static func makeDescriptor(path: String) throws(IOFailure) -> OwnedDescriptor {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let number = socket(AF_UNIX, kind, 0)
        guard number >= 0 else { throw .last("make", path: path) }
        return OwnedDescriptor(owning: number)
    }

    /// Limits how long a ``receive(into:)`` waits, in milliseconds; 0 lifts the limit.
    package func limitReceive(milliseconds: Int) { limit(SO_RCVTIMEO, milliseconds: milliseconds) }

    /// Limits how long a ``send(_:)`` waits for the other end to read, in milliseconds; 0 lifts it.
    package func limitSend(milliseconds: Int) { limit(SO_SNDTIMEO, milliseconds: milliseconds) }

    private func limit(_ option: Int32, milliseconds: Int) {
        SocketCalls.limit(descriptor.number, option, milliseconds: milliseconds)
    }

    /// Waits for bytes and returns how many came; 0 when the other end sends no more. EAGAIN when
    /// none came within the limit.
    package func receive(into buffer: inout MutableRawSpan) throws(IOFailure) -> Int {
        try SocketCalls.receive(descriptor.number, into: &buffer, path: path)
    }

    /// Sends all the bytes. EPIPE when the other end has gone, EAGAIN when it does not read.
    package func send(_ bytes: RawSpan) throws(IOFailure) {
        try SocketCalls.send(descriptor.number, bytes, path: path)
    }

    /// Sends all the bytes, and a descriptor with them: the other end gets one of its own for what is open here.
    package func send(_ bytes: RawSpan, passing passed: Int32) throws(IOFailure) {
        let number = descriptor.number
        let count = bytes.withUnsafeBytes {
            snapmgr_send_descriptor(number, $0.baseAddress, $0.count, passed)
        }
        guard count > 0 else { throw .last("write to", path: path) }
        try send(bytes.extracting(count..<bytes.byteCount))
    }

    /// Sends a few bytes if that needs no waiting, all of them or none; false when the connection is
    /// of no use any more.
    package func sendAtOnce(_ bytes: RawSpan) -> Bool {
        let number = descriptor.number
        let count = bytes.withUnsafeBytes { bytes in
            let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
            return retryingInterrupts {
                Glibc.send(number, bytes.baseAddress, bytes.count, flags)
            }
        }
        return count == bytes.byteCount || (count < 0 && errno == EAGAIN)
    }

    /// Ends the connection for both ends at once; calls that wait in it return.
    package func shutDown() { shutdown(descriptor.number, Int32(SHUT_RDWR)) }

    /// Says that nothing more will be sent; what the other end sends can still be read.
    package func endSending() { shutdown(descriptor.number, Int32(SHUT_WR)) }

    /// Whether the other end was closed. One that only ended its sending still listens.
    package var isPeerGone: Bool {
        var state = pollfd(fd: descriptor.number, events: 0, revents: 0)
        guard poll(&state, 1, 0) > 0 else { return false }
        return Int32(state.revents) & (POLLHUP | POLLERR) != 0
    }

    /// The user id of the process at the other end.
    package func peerUser() throws(IOFailure) -> UInt32 {
        var user: UInt32 = 0
        guard snapmgr_peer_user(descriptor.number, &user) == 0 else {
            throw .last("ask for the user of", path: path)
        }
        return user
    }

    /// The process at the other end, of a server the one that began to listen; nil when the kernel
    /// does not tell.
    package var peerProcess: Int32? {
        var process: pid_t = 0
        guard snapmgr_peer_process(descriptor.number, &process) == 0, process > 0 else {
            return nil
        }
        return process
    }

    /// The user id under which this process acts.
    package static var ownUser: UInt32 { geteuid() }
}
