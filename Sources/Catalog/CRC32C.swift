/// The Castagnoli checksum (RFC 3720, appendix B.4), a byte at a time.
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { index in
        // 0x82F63B78 is the polynomial 0x1EDC6F41 with its bits reversed.
        (0..<8).reduce(UInt32(index)) { crc, _ in
            crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1
        }
    }

    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        let table = table
        return ~bytes.reduce(~UInt32(0)) { crc, byte in
            table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ crc >> 8
        }
    }
}
