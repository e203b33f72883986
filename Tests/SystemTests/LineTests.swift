import Testing

@testable import System

@Suite("Lines on a connection")
struct LineTests {
    @Test("lines are the same however their bytes come in")
    func pieces() {
        let bytes = Array("one\n\nthree\nfo".utf8)
        for size in 1...bytes.count {
            var buffer = LineBuffer(limitBytes: 100)
            var lines: [String] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                buffer.append(bytes[start..<min(start + size, bytes.count)])
                // Asking changes nothing.
                while buffer.hasLine(), buffer.hasLine(), let line = buffer.next() {
                    lines.append(String(decoding: line, as: UTF8.self))
                }
                #expect(buffer.next() == nil)
            }
            #expect(lines == ["one", "", "three"], "\(size)")
            buffer.append(Array("ur\n".utf8)[...])
            #expect(buffer.next() == Array("four".utf8))
        }
    }

    @Test("what is longer than a line may be is told, and whole lines before it are given")
    func tooLong() {
        var buffer = LineBuffer(limitBytes: 4)
        buffer.append(Array("ab\nabcd".utf8)[...])
        #expect(buffer.isTooLong && buffer.next() == Array("ab".utf8) && !buffer.isTooLong)
        buffer.append(Array("e".utf8)[...])
        #expect(buffer.next() == nil && buffer.isTooLong)
    }

    @Test("a message is one line, whatever its texts hold")
    func codec() throws {
        let message = ["b": "line\nfeed/\u{2028}", "a": ""]
        let line = try LineCodec.encode(message)
        #expect(String(decoding: line, as: UTF8.self).hasPrefix(#"{"a":"","b":"line\nfeed/"#))
        #expect(line.firstIndex(of: UInt8(ascii: "\n")) == line.count - 1)
        #expect(try LineCodec.decode([String: String].self, line.dropLast()) == message)
    }
}
