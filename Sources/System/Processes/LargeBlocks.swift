internal import CSystem

/// What a process keeps of memory that it does not use any more.
package enum LargeBlocks {
    private static let bytes: Int32 = 256 << 10

    /// Has large blocks given back to the kernel as soon as they are free. A server lives for months: what
    /// the map of a million chunks took once would stay with it, in pieces between smaller blocks.
    ///
    /// - Returns: whether the C library agreed.
    @discardableResult
    package static func giveBack() -> Bool { snapmgr_return_blocks_from(bytes) == 0 }
}
