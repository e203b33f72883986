import BlockIO
import Testing

@Suite("Aligned buffers and spans")
struct AlignedBufferTests {
    @Test("a buffer is aligned, and begins as zeroes")
    func alignment() {
        let buffer = AlignedBuffer(count: 10_000)
        let remainder = buffer.bytes.withUnsafeBytes {
            Int(bitPattern: $0.baseAddress) % AlignedBuffer.alignment
        }
        #expect(remainder == 0)
        #expect(buffer.count == 10_000)
        #expect(buffer.bytes.isZero)
    }

    @Test("a buffer of no bytes is one")
    func empty() {
        let buffer = AlignedBuffer(count: 0)
        #expect(buffer.bytes.isZero)
        #expect(buffer.bytes.array == [])
    }

    @Test("one byte anywhere makes a span not zero", arguments: [0, 1, 4095, 9999])
    func isZero(position: Int) {
        var buffer = AlignedBuffer(count: 10_000)
        var bytes = buffer.mutableBytes
        bytes.store(littleEndian: UInt8(1), at: position)
        #expect(!buffer.bytes.isZero)
        var again = buffer.mutableBytes
        again.zero()
        #expect(buffer.bytes.isZero)
    }

    @Test("integers are little-endian, at any offset")
    func littleEndian() {
        var buffer = AlignedBuffer(count: 16)
        var bytes = buffer.mutableBytes
        bytes.store(littleEndian: UInt32(0x7041_6e53), at: 3)
        #expect(buffer.bytes.array[3..<7] == [0x53, 0x6e, 0x41, 0x70])
        #expect(buffer.bytes.littleEndian(UInt32.self, at: 3) == 0x7041_6e53)
    }

    @Test("parts are the buffer's own bytes")
    func parts() {
        var buffer = AlignedBuffer(count: 8)
        let source: [UInt8] = [1, 2, 3]
        var part = buffer.mutableBytes(in: 2..<5)
        part.copy(from: source.span.bytes)
        #expect(buffer.bytes.array == [0, 0, 1, 2, 3, 0, 0, 0])
        #expect(buffer.bytes(in: 3..<5).array == [2, 3])
    }
}
