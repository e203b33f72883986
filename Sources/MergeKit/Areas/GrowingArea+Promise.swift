internal import Glibc
internal import SnapshotModel
internal import StoreFormat
internal import System

/// Room in an area for chunks that will be preserved later: a write that was answered may not fail for
/// want of it.
struct AreaPromise: Sendable {
    /// So many chunks will be preserved, and must find room.
    var chunkCount = 0
    /// Up to here the file has all of its space, in bytes; nothing is said of what is used already.
    var reservedBytes = 0
    /// Whether the filesystem gave no space when it was asked to reserve some.
    var isRefused = false
}

extension GrowingArea {
    /// What is reserved at once beyond what is needed, in bytes.
    private static let aheadBytes = 4 << 20

    /// Reserves room for so many chunks more; false when there is none, or nobody knows.
    func promise(_ count: Int) -> Bool {
        monitor.withLock {
            guard !state.isInvalid, !state.needsScrub,
                reserve(state.promise.chunkCount + count)
            else { return false }
            state.promise.chunkCount += count
            return true
        }
    }

    /// So many chunks that were promised are preserved, or need not be.
    func redeem(_ count: Int) {
        monitor.withLock { state.promise.chunkCount = max(0, state.promise.chunkCount - count) }
    }

    /// Gives back what was reserved and is not used, when nothing is promised any more.
    func dropReservation() throws(IOFailure) {
        try monitor.withLock { () throws(IOFailure) in
            let promise = state.promise
            guard promise.chunkCount == 0, promise.reservedBytes > 0, state.queue.isEmpty,
                !state.isCommitting
            else { return }
            let start = format.offset(of: state.nextFree)
            if start < promise.reservedBytes {
                try device.punch(start..<promise.reservedBytes)
            }
            state.promise.reservedBytes = 0
        }
    }

    /// With the monitor held: has room left for what is promised when others preserve some chunks first.
    func keepPromise(beside chunks: [Range<ChunkIndex>]) -> IOFailure? {
        guard state.promise.chunkCount > 0 else { return nil }
        let others = chunks.joined().count(where: {
            !state.committed.contains($0) && state.reserved[$0] == nil
        })
        guard others > 0, !reserve(state.promise.chunkCount + others) else { return nil }
        return IOFailure("reserve space in", path: device.path, code: ENOSPC)
    }

    /// With the monitor held: has the file's space up to where so many chunks more, and the metadata
    /// block behind them, end.
    private func reserve(_ count: Int) -> Bool {
        let needed = min(
            state.room.fullBytes, bytesUsed(afterTaking: count) + format.chunkBytes)
        guard needed > state.promise.reservedBytes else { return true }
        guard !state.promise.isRefused else { return false }
        do throws(IOFailure) {
            // Space behind a file's end would not be given back.
            try state.room.grow(to: needed, device)
            let start = max(state.promise.reservedBytes, format.offset(of: state.nextFree))
            let ahead = min(state.room.byteCount, needed + Self.aheadBytes)
            if try allocate(start..<max(needed, ahead)) { return true }
            return try allocate(start..<needed)
        } catch { return false }
    }

    /// False when there is no space. A filesystem that cannot reserve any may say nothing of it.
    private func allocate(_ range: Range<Int>) throws(IOFailure) -> Bool {
        guard !range.isEmpty else { return true }
        let before = try device.allocatedBytes()
        do throws(IOFailure) { try device.allocate(range) } catch {
            guard error.isNoSpace else { throw error }
            return false
        }
        guard try device.allocatedBytes() - before >= range.count / 2 else {
            state.promise.isRefused = true
            return false
        }
        state.promise.reservedBytes = range.upperBound
        return true
    }
}
