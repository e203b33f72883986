internal import Glibc

/// One end of a TCP connection. Any thread may call; the descriptor is closed when the last owner goes.
package final class NetworkSocket: ByteStream {
    private let descriptor: OwnedDescriptor
    package let peer: NetworkPeer

    /// A peer that answers nothing at all is given up after so many milliseconds, once there is something to answer.
    private static let silentMilliseconds: Int32 = 30_000
    /// What the other end still sends is read away for so long, and so much of it, when all was said: what lies unread
    /// would have the kernel take back what was sent.
    private static let drainMilliseconds = 1_000
    private static let drainBytes = 256 << 10

    init(_ descriptor: consuming OwnedDescriptor, peer: NetworkPeer) {
        self.descriptor = descriptor
        self.peer = peer
        set(Int32(IPPROTO_TCP), TCP_NODELAY, to: 1)
        set(SOL_SOCKET, SO_KEEPALIVE, to: 1)
        set(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, to: Self.silentMilliseconds)
    }

    private func set(_ level: Int32, _ option: Int32, to value: Int32) {
        var value = value
        setsockopt(
            descriptor.number, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// For a library that reads and writes itself, as long as this is there.
    package var number: Int32 { descriptor.number }

    /// For messages.
    package var path: String { peer.text }

    package func limitReceive(milliseconds: Int) {
        SocketCalls.limit(number, SO_RCVTIMEO, milliseconds: milliseconds)
    }

    package func limitSend(milliseconds: Int) {
        SocketCalls.limit(number, SO_SNDTIMEO, milliseconds: milliseconds)
    }

    package func receive(into buffer: inout MutableRawSpan) throws(IOFailure) -> Int {
        try SocketCalls.receive(number, into: &buffer, path: path)
    }

    package func send(_ bytes: RawSpan) throws(IOFailure) {
        try SocketCalls.send(number, bytes, path: path)
    }

    package func finish() {
        shutdown(number, Int32(SHUT_WR))
        drain()
        shutDown()
    }

    private func drain() {
        let deadline = Deadline(milliseconds: Self.drainMilliseconds)
        var (bytes, left) = ([UInt8](repeating: 0, count: 16 << 10), Self.drainBytes)
        while left > 0 {
            // Asked once: a limit of 0 is none.
            let rest = deadline.remainingMilliseconds
            guard rest > 0 else { return }
            limitReceive(milliseconds: rest)
            var elements = bytes.mutableSpan
            var space = elements.mutableBytes
            guard let count = try? receive(into: &space), count > 0 else { return }
            left -= count
        }
    }

    package func shutDown() { shutdown(number, Int32(SHUT_RDWR)) }
}

/// Who is at the other end of a TCP connection, as far as the network says.
package struct NetworkPeer: Hashable, Sendable {
    /// Its address, in digits.
    package var text: String
    /// What tells it from others: an IPv4 address, or the half of an IPv6 address that a network is given, of which one
    /// machine may use all.
    package var network: String

    /// Whether it is this machine.
    package var isLoopback: Bool { text == "::1" || text.hasPrefix("127.") }

    package init(text: String, network: String) {
        self.text = text
        self.network = network
    }

    init?(of descriptor: Int32) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let isTold = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                getpeername(descriptor, address, &length) == 0
                    && getnameinfo(
                        address, length, &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST)
                        == 0
            }
        }
        guard isTold else { return nil }
        text = String(
            decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard Int32(storage.ss_family) == AF_INET6 else {
            network = text
            return
        }
        // The address is 16 bytes behind family, port and flow.
        let half = withUnsafeBytes(of: &storage) { Array($0[8..<16]) }
        network = half.map { String($0, radix: 16) }.joined(separator: ":") + "/64"
    }
}
