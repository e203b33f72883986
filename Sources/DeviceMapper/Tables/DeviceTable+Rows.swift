// The kernel's form of a table, <linux/dm-ioctl.h>: for each segment a `struct dm_target_spec`, the
// arguments with a zero at their end, and a gap up to a multiple of 8 bytes.
//
//     bytes    0  the first sector
//              8  the number of sectors
//             16  status, unused
//             20  where the next row begins: when loading, from this one's beginning; when reading,
//                 from the first one's
//             24  the target's name, with zeroes at its end
//             40  the arguments
enum TargetSpecification {
    static let nextOffset = 20
    static let kindOffset = 24
    static let kindBytes = 16
    static let byteCount = 40
}

extension DeviceTable {
    /// The rows for a load.
    var rows: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(segments.count * 64)
        for segment in segments {
            let start = bytes.count
            bytes.append(native: UInt64(segment.startSector))
            bytes.append(native: UInt64(segment.sectorCount))
            bytes.append(native: UInt64(0))
            bytes.append(contentsOf: segment.target.kind.utf8.prefix(TargetSpecification.kindBytes))
            bytes.appendZeroes(upTo: start + TargetSpecification.byteCount)
            segment.target.appendArguments(to: &bytes)
            bytes.append(0)
            bytes.appendZeroes(upTo: (bytes.count + 7) & ~7)
            bytes.replace(
                native: UInt32(bytes.count - start), at: start + TargetSpecification.nextOffset)
        }
        return bytes
    }
}

extension [UInt8] {
    fileprivate mutating func append(native number: UInt64) {
        Swift.withUnsafeBytes(of: number) { append(contentsOf: $0) }
    }

    fileprivate mutating func appendZeroes(upTo end: Int) {
        while count < end { append(0) }
    }

    fileprivate mutating func replace(native number: UInt32, at offset: Int) {
        withUnsafeMutableBytes { $0.storeBytes(of: number, toByteOffset: offset, as: UInt32.self) }
    }
}
