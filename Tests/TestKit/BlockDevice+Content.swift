package import System

// For tests: a device's content as arrays.
extension BlockDevice {
    package func write(_ bytes: [UInt8], at offset: Int) throws {
        try write(bytes.span.bytes, at: offset)
    }

    package func content(_ range: Range<Int>) throws -> [UInt8] {
        var buffer = AlignedBuffer(count: range.count)
        var bytes = buffer.mutableBytes
        try read(into: &bytes, at: range.lowerBound)
        return buffer.bytes.array
    }
}
