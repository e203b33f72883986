internal import System
internal import Glibc

/// One end of the connection between a caller and its watchdog: lines in both directions. Used by
/// one thread.
final class HookChannel {
    private let descriptor: OwnedDescriptor
    private var incoming = LineBuffer(limitBytes: HookWire.limitBytes)
    private var outgoing: [UInt8] = []
    private var space = [UInt8](repeating: 0, count: 64 << 10)
    /// The other end sends no more.
    private(set) var hasEnded = false

    init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

    /// What waiting for a line can come to.
    enum Event: Equatable {
        case line([UInt8])
        case ended
        /// Nothing came in time, or the line is too long.
        case timedOut
        case tooLong
    }

    /// The descriptor that can be read when something has come; -1 when nothing will any more.
    var pollDescriptor: Int32 { hasEnded ? -1 : descriptor.number }

    /// The next line without its line feed. What came before the end is given before the end.
    func next(_ deadline: Deadline?) -> Event {
        while true {
            receive()
            if let line = incoming.next() { return .line(line) }
            if incoming.isTooLong { return .tooLong }
            if hasEnded { return .ended }
            guard waitReadable(deadline) else { return .timedOut }
        }
    }

    /// Whether a whole line, or the end, has come: whatever it is, somebody wants something.
    func hasNews() -> Bool {
        receive()
        return hasEnded || incoming.hasLine() || incoming.isTooLong
    }

    /// Takes what is there, without waiting.
    private func receive() {
        while !hasEnded, !incoming.isTooLong {
            let count = recv(descriptor.number, &space, space.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                incoming.append(space[..<count])
            } else if count == 0 || (errno != EINTR && errno != EAGAIN) {
                hasEnded = true
            } else if errno == EAGAIN {
                return
            }
        }
    }

    /// False when the time is up. While it waits, what could not be sent yet is sent.
    private func waitReadable(_ deadline: Deadline?) -> Bool {
        if let deadline, deadline.hasPassed { return false }
        transmit()
        let wanted = outgoing.isEmpty ? POLLIN : POLLIN | POLLOUT
        var state = pollfd(fd: descriptor.number, events: Int16(wanted), revents: 0)
        let milliseconds = deadline.map { min($0.remainingMilliseconds, 60_000) } ?? 60_000
        poll(&state, 1, Int32(milliseconds))
        return true
    }

    /// Sends a line, or as much of it as the other end takes at once; never waits.
    func send(_ message: some Encodable) {
        guard let line = try? LineCodec.encode(message) else { return }
        outgoing += line
        transmit()
    }

    /// Waits until the other end has taken everything, or has gone.
    func flush() {
        transmit()
        while !outgoing.isEmpty {
            var state = pollfd(fd: descriptor.number, events: Int16(POLLOUT), revents: 0)
            poll(&state, 1, -1)
            transmit()
        }
    }

    private func transmit() {
        while !outgoing.isEmpty {
            let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
            let count = Glibc.send(descriptor.number, outgoing, outgoing.count, flags)
            if count > 0 {
                outgoing.removeFirst(count)
            } else if errno == EAGAIN {
                return
            } else if errno != EINTR {
                // Nobody listens. What they sent before can still be read.
                outgoing = []
            }
        }
    }
}
