internal import Glibc
internal import SnapshotModel
internal import StoreFormat
package import System

// How an area ends that still takes exceptions.
extension GrowingArea {
    // MARK: Emptying

    /// Forgets all exceptions and frees their space, when no snapshot is left that needs any; needs
    /// none itself. EBUSY while somebody preserves something.
    package func empty() throws(IOFailure) {
        try order.withLock { (order) throws(IOFailure) in
            try monitor.withLock { () throws(IOFailure) in
                guard state.queue.isEmpty, !state.isCommitting else {
                    throw IOFailure("empty", path: device.path, code: EBUSY)
                }
                order = EntryOrder()
                state.forgetExceptions(format: format)
                // The entries and what they name go together: whatever a power cut leaves of them is
                // a list of exceptions that nobody reads.
                let start = format.offset(of: format.metadataChunk(0))
                try device.punch(start..<max(start, device.byteCount()))
                try device.sync()
                state.needsScrub = false
            }
        }
    }

    /// Whether it occupies no more than a new one.
    package func isEmpty() throws(IOFailure) -> Bool {
        guard entryCount == 0 else { return false }
        // Filesystems give whole pages, however small a chunk is.
        let newBytes = max(4096, format.offset(of: AreaFormat.firstDataChunk))
        return try device.allocatedBytes() <= newBytes
    }

    // MARK: Giving up

    /// Marks the area, and all snapshots that depend on it, as lost for ever; durable when it
    /// returns. It overwrites a sector in place and so needs no space.
    package func invalidate() throws(IOFailure) {
        try Self.writeHeader(on: device, format: format, isValid: false)
        try device.sync()
        monitor.withLock { state.isInvalid = true }
        monitor.broadcast()
    }
}
