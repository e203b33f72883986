internal import CTLS
internal import Glibc
package import SnapshotModel
internal import Synchronization
package import System

/// One end of an encrypted connection. One thread reads and writes, as the library wants it; any may end it.
package final class TLSSocket: ByteStream, @unchecked Sendable {
    private let socket: NetworkSocket
    private let session: OpaquePointer
    private let receiveLimit = Atomic(0)
    private let sendLimit = Atomic(0)

    /// Agrees with the client on keys.
    ///
    /// - Parameter milliseconds: for all of it.
    /// - Throws: EAGAIN when that takes the client too long, EPROTO when he speaks no TLS, or none that is good enough.
    package init(
        _ socket: NetworkSocket, _ identity: TLSIdentity, milliseconds: Int
    ) throws(IOFailure) {
        guard let session = snapmgr_tls_new(identity.identity, socket.number) else {
            throw IOFailure("encrypt", path: socket.path, code: ENOMEM)
        }
        self.socket = socket
        self.session = session
        guard snapmgr_tls_handshake(session, Self.limit(milliseconds)) == 0 else {
            throw IOFailure("encrypt", path: socket.path, code: errno)
        }
    }

    /// Agrees on keys with a server, and makes sure that it is the host's.
    ///
    /// - Parameters:
    ///   - host: its name, or its address in digits.
    ///   - milliseconds: for all of it.
    /// - Throws: `failed`, with what is wrong with its certificate.
    package init(
        _ socket: NetworkSocket, server host: String, _ trust: TLSTrust, milliseconds: Int
    ) throws(Problem) {
        guard let session = snapmgr_tls_new_client(trust.identity, socket.number, host) else {
            throw Problem(.failed, "\(host): TLS cannot be set up for that name")
        }
        self.socket = socket
        self.session = session
        guard snapmgr_tls_handshake(session, Self.limit(milliseconds)) == 0 else {
            let code = errno
            if let refusal = snapmgr_tls_refusal(session) {
                throw Problem(
                    .failed, "\(host): its certificate is refused: \(String(cString: refusal))",
                    hint: "ca-file names the certificate that signed it, as PEM")
            }
            let cause =
                switch code {
                case EAGAIN: "it has not answered in time"
                case EPROTO: "it speaks no TLS that is good enough"
                default: String(cString: strerror(code))
                }
            throw Problem(.failed, "\(host): \(cause)")
        }
    }

    deinit { snapmgr_tls_free(session) }

    private static func limit(_ milliseconds: Int) -> Int32 { Int32(clamping: milliseconds) }

    package func limitReceive(milliseconds: Int) {
        receiveLimit.store(milliseconds, ordering: .relaxed)
    }

    package func limitSend(milliseconds: Int) {
        sendLimit.store(milliseconds, ordering: .relaxed)
    }

    package func receive(into buffer: inout MutableRawSpan) throws(IOFailure) -> Int {
        let limit = Self.limit(receiveLimit.load(ordering: .relaxed))
        let count = buffer.withUnsafeMutableBytes {
            snapmgr_tls_read(session, $0.baseAddress, $0.count, limit)
        }
        guard count >= 0 else { throw IOFailure("read from", path: socket.path, code: errno) }
        return count
    }

    package func send(_ bytes: RawSpan) throws(IOFailure) {
        let limit = Self.limit(sendLimit.load(ordering: .relaxed))
        let isSent = bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
                let count = snapmgr_tls_write(session, rest.baseAddress, rest.count, limit)
                guard count > 0 else { return false }
                done += count
            }
            return true
        }
        guard isSent else { throw IOFailure("write to", path: socket.path, code: errno) }
    }

    package func finish() {
        snapmgr_tls_end(session)
        socket.finish()
    }

    package func shutDown() { socket.shutDown() }
}
