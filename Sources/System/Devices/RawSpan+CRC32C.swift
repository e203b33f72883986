internal import CSystem

extension RawSpan {
    /// The CRC-32C of the bytes behind others, whose own is `before`; 0 for none. As ``CRC32C`` says, at the
    /// speed of memory.
    package func crc32c(after before: UInt32 = 0) -> UInt32 {
        withUnsafeBytes { snapmgr_crc32c(before, $0.baseAddress, $0.count) }
    }

    /// The same as every processor can do it.
    func crc32cByTables(after before: UInt32 = 0) -> UInt32 {
        withUnsafeBytes { snapmgr_crc32c_by_tables(before, $0.baseAddress, $0.count) }
    }
}
