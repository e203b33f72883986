import System
import Testing

// Spans and buffers cannot enter #expect, which keeps what it is given: their contents can.
@Suite("Aligned buffers and spans")
struct AlignedBufferTests {
    @Test("a buffer is aligned, and begins as zeroes")
    func alignment() {
        let buffer = AlignedBuffer(count: 10_000)
        let remainder = buffer.bytes.withUnsafeBytes {
            Int(bitPattern: $0.baseAddress) % AlignedBuffer.alignment
        }
        let (count, isZero) = (buffer.count, buffer.bytes.isZero)
        #expect(remainder == 0)
        #expect(count == 10_000)
        #expect(isZero)
    }

    @Test("a buffer of no bytes is one")
    func empty() {
        let buffer = AlignedBuffer(count: 0)
        let (isZero, content) = (buffer.bytes.isZero, buffer.bytes.array)
        #expect(isZero)
        #expect(content.isEmpty)
    }

    @Test("one byte anywhere makes a span not zero", arguments: [0, 1, 4095, 9999])
    func isZero(position: Int) {
        var buffer = AlignedBuffer(count: 10_000)
        var bytes = buffer.mutableBytes
        bytes.store(littleEndian: UInt8(1), at: position)
        let isZeroWithIt = buffer.bytes.isZero
        var again = buffer.mutableBytes
        again.zero()
        let isZeroWithoutIt = buffer.bytes.isZero
        #expect(!isZeroWithIt)
        #expect(isZeroWithoutIt)
    }

    @Test("integers are little-endian, at any offset")
    func littleEndian() {
        var buffer = AlignedBuffer(count: 16)
        var bytes = buffer.mutableBytes
        bytes.store(littleEndian: UInt32(0x7041_6e53), at: 3)
        let content = buffer.bytes.array
        let number = buffer.bytes.littleEndian(UInt32.self, at: 3)
        #expect(content[3..<7] == [0x53, 0x6e, 0x41, 0x70])
        #expect(number == 0x7041_6e53)
    }

    @Test("parts are the buffer's own bytes")
    func parts() {
        var buffer = AlignedBuffer(count: 8)
        let source: [UInt8] = [1, 2, 3]
        var part = buffer.mutableBytes(in: 2..<5)
        part.copy(from: source.span.bytes)
        let (content, middle) = (buffer.bytes.array, buffer.bytes(in: 3..<5).array)
        #expect(content == [0, 0, 1, 2, 3, 0, 0, 0])
        #expect(middle == [2, 3])
    }
}
