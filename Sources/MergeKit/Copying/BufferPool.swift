internal import System

/// Buffers that are used again, so that copying a chunk allocates nothing.
final class BufferPool: Sendable {
    private let bufferBytes: Int
    private let free = Monitored<[PooledBuffer]>([])

    /// More than this many idle buffers are given back to the system.
    private static let idleMaximum = 16

    init(bufferBytes: Int) { self.bufferBytes = bufferBytes }

    func withBuffer<Result, Failure: Error>(
        _ body: (inout AlignedBuffer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let pooled = free.withLock { $0.popLast() } ?? PooledBuffer(bufferBytes)
        defer {
            free.withLock { idle in
                if idle.count < Self.idleMaximum { idle.append(pooled) }
            }
        }
        return try body(&pooled.buffer)
    }
}

/// A buffer that one borrower at a time has.
private final class PooledBuffer: @unchecked Sendable {
    var buffer: AlignedBuffer

    init(_ count: Int) { buffer = AlignedBuffer(count: count) }
}
