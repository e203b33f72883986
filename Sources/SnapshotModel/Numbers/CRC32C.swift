/// CRC-32C (Castagnoli), as in iSCSI (RFC 3720, B.4): reflected, polynomial 0x1EDC6F41, initial
/// value and final mask all ones. The check value of "123456789" is 0xE3069283.
package struct CRC32C: Sendable {
    private var state: UInt32 = 0xFFFF_FFFF

    package init() {}

    /// The checksum of some bytes.
    package static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var checksum = CRC32C()
        checksum.update(bytes)
        return checksum.value
    }

    /// The same of an array, or a part of one, in a loop that calls nothing.
    package static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var checksum = CRC32C()
        checksum.update(bytes)
        return checksum.value
    }

    package static func checksum(_ bytes: [UInt8]) -> UInt32 { checksum(bytes[...]) }

    package mutating func update(_ bytes: ArraySlice<UInt8>) {
        let table = Self.table
        var state = state
        for byte in bytes {
            state = table[Int((state ^ UInt32(byte)) & 0xFF)] ^ (state >> 8)
        }
        self.state = state
    }

    package mutating func update(_ bytes: some Sequence<UInt8>) {
        let table = Self.table
        state = bytes.reduce(state) { state, byte in
            table[Int((state ^ UInt32(byte)) & 0xFF)] ^ (state >> 8)
        }
    }

    /// Adds the eight bytes of a number, the lowest first.
    package mutating func update(littleEndian number: UInt64) {
        let table = Self.table
        var rest = number
        for _ in 0..<8 {
            let byte = UInt32(truncatingIfNeeded: rest) & 0xFF
            state = table[Int((state & 0xFF) ^ byte)] ^ (state >> 8)
            rest >>= 8
        }
    }

    /// The checksum of what was added so far.
    package var value: UInt32 { ~state }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in
            // 0x82F63B78 is the polynomial with its bits reversed.
            value & 1 == 1 ? 0x82F6_3B78 ^ (value >> 1) : value >> 1
        }
    }
}
