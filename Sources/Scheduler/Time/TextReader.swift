/// Reads ASCII tokens from the front of a text and knows where it is, in UTF-8 bytes.
struct TextReader {
    private let bytes: [UInt8]
    private(set) var offset = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    var isAtEnd: Bool { offset == bytes.count }

    /// The byte that comes next.
    var peek: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    /// The byte after the one that comes next.
    var peekSecond: UInt8? { offset + 1 < bytes.count ? bytes[offset + 1] : nil }

    static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    static func isLetter(_ byte: UInt8) -> Bool {
        let lowercase = byte | 0x20
        return (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(lowercase)
    }

    func isNext(_ character: Unicode.Scalar) -> Bool { peek == UInt8(ascii: character) }

    /// Steps over the token if it comes next.
    mutating func skip(_ token: String) -> Bool {
        guard bytes[offset...].starts(with: token.utf8) else { return false }
        offset += token.utf8.count
        return true
    }

    mutating func skipSpaces() {
        while skip(" ") {}
    }

    /// A whole number; nil, and nothing read, when there is none or it is beyond 2^31.
    mutating func readNumber() -> Int? {
        var value = 0
        var end = offset
        while end < bytes.count, Self.isDigit(bytes[end]) {
            value = value * 10 + Int(bytes[end] - UInt8(ascii: "0"))
            guard value <= Int(Int32.max) else { return nil }
            end += 1
        }
        guard end > offset else { return nil }
        offset = end
        return value
    }

    /// The letters that come next; empty when there are none.
    mutating func readWord() -> String { read(while: Self.isLetter) }

    mutating func read(while isPart: (UInt8) -> Bool) -> String {
        let start = offset
        while let byte = peek, isPart(byte) { offset += 1 }
        return String(decoding: bytes[start..<offset], as: UTF8.self)
    }
}
