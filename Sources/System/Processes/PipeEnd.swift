internal import Glibc
internal import SnapshotModel

/// An end of a pipe or a socket at whose other end somebody may do nothing for as long as he likes. He is waited for so
/// long, and no longer. What is a file is read and written as such.
package final class PipeEnd {
    private let number: Int32
    private let path: String
    private let patienceMilliseconds: Int
    private let isOver: @Sendable () -> Bool
    /// What is written to: of a pipe, a description of its own, which does not block and nobody else has.
    private let target: Int32
    private let isSocket: Bool
    /// Is called when a wait is not over in a moment, each time.
    package var beforeWaiting: (() -> Void)?
    /// Whether a wait is to end for what only who waits just now knows of; asked when something comes, too, and no more
    /// often than `isOver`.
    package var isUnwanted: (() -> Bool)?

    /// How long a wait goes on before it is asked whether it is over.
    private static let sliceMilliseconds = 100
    /// When it is asked next whether it is unwanted, on the clock that is never set.
    private var nextAsk: Int64 = 0

    /// - Parameters:
    ///   - number: open for as long as this is used, and not closed by it.
    ///   - path: names it in errors.
    ///   - isOver: whether the wait is to end although nothing has come.
    package init(
        _ number: Int32, path: String, patienceMilliseconds: Int,
        isOver: @escaping @Sendable () -> Bool
    ) {
        self.path = path
        self.patienceMilliseconds = patienceMilliseconds
        self.isOver = isOver
        self.number = number
        var status = stat()
        let kind = fstat(number, &status) == 0 ? status.st_mode & S_IFMT : 0
        isSocket = kind == S_IFSOCK
        // Of what others have open as well, nothing is changed.
        let isPipe = kind == S_IFIFO && fcntl(number, F_GETFL) & O_ACCMODE == O_WRONLY
        let own = isPipe ? open("/proc/self/fd/\(number)", O_WRONLY | O_NONBLOCK | O_CLOEXEC) : -1
        target = own >= 0 ? own : number
    }

    deinit { if target != number { close(target) } }

    /// Fills a buffer from its beginning on, with what there is.
    ///
    /// - Returns: how many bytes; 0 at the end.
    /// - Throws: ETIMEDOUT when nothing came for so long, ECANCELED when the wait is over.
    package func read(into buffer: inout MutableRawSpan) throws(IOFailure) -> Int {
        while true {
            try wait(for: POLLIN, "read")
            let count = buffer.withUnsafeMutableBytes {
                Glibc.read(number, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count >= 0 else { throw .last("read", path: path) }
            return count
        }
    }

    /// Writes all bytes.
    ///
    /// - Throws: EPIPE when nobody reads any more, ETIMEDOUT when nobody has read for so long, ECANCELED when the
    ///   wait is over.
    package func write(_ bytes: RawSpan) throws(IOFailure) {
        var done = 0
        while done < bytes.byteCount {
            try wait(for: POLLOUT, "write")
            let count = bytes.extracting(done..<bytes.byteCount).withUnsafeBytes { write($0) }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else { throw .last("write", path: path) }
            done += count
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer) -> Int {
        if isSocket {
            return send(
                number, bytes.baseAddress, bytes.count,
                Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        }
        return Glibc.write(target, bytes.baseAddress, bytes.count)
    }

    /// Whether it was not asked just now.
    private func asksNow() -> Bool {
        guard isUnwanted != nil else { return false }
        let now = SystemClock().monotonicNanoseconds()
        guard now >= nextAsk else { return false }
        nextAsk = now.addingClamped(Int64(Self.sliceMilliseconds) * 1_000_000)
        return true
    }

    private func wait(for events: Int32, _ operation: String) throws(IOFailure) {
        var waited = 0
        while true {
            var state = pollfd(fd: number, events: Int16(events), revents: 0)
            let ready = poll(&state, 1, Int32(Self.sliceMilliseconds))
            guard ready >= 0 || errno == EINTR else { throw .last(operation, path: path) }
            // Whoever sends without a rest is to end, too.
            if asksNow(), isUnwanted?() == true {
                throw IOFailure(operation, path: path, code: ECANCELED)
            }
            if ready > 0 { return }
            if isOver() { throw IOFailure(operation, path: path, code: ECANCELED) }
            if waited == 0 { beforeWaiting?() }
            waited += Self.sliceMilliseconds
            guard waited < patienceMilliseconds else {
                throw IOFailure(operation, path: path, code: ETIMEDOUT)
            }
        }
    }
}
