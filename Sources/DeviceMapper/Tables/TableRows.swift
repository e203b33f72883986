/// The rows of a table's text, split into words as the kernel does it (`dm_split_args`): at
/// blanks, and a backslash makes the next character a part of the word.
struct TableRows {
    private let bytes: [UInt8]
    private var position = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    /// The words of one row's arguments.
    static func words(_ text: String) -> [String] {
        var rows = TableRows(text)
        return rows.next() ?? []
    }

    /// The words of the next row that has some; nil behind the last.
    mutating func next() -> [String]? {
        while position < bytes.count {
            let words = rowWords()
            if !words.isEmpty { return words }
        }
        return nil
    }

    private mutating func rowWords() -> [String] {
        var words: [String] = []
        while position < bytes.count, bytes[position] != UInt8(ascii: "\n") {
            if isBlank(bytes[position]) {
                position += 1
            } else {
                words.append(word())
            }
        }
        position += 1
        return words
    }

    private mutating func word() -> String {
        var word: [UInt8] = []
        while position < bytes.count, !isBlank(bytes[position]) {
            if bytes[position] == UInt8(ascii: "\\"), position + 1 < bytes.count { position += 1 }
            word.append(bytes[position])
            position += 1
        }
        return String(decoding: word, as: UTF8.self)
    }
}

/// The kernel's `isspace`.
func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

extension [UInt8] {
    mutating func append(number: Int) {
        // Tables have millions of numbers: no string for each.
        guard number >= 0 else { return append(contentsOf: String(number).utf8) }
        let start = count
        var rest = number
        repeat {
            append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        self[start...].reverse()
    }

    mutating func append(escaped text: String) {
        for byte in text.utf8 {
            if isBlank(byte) || byte == UInt8(ascii: "\\") { append(UInt8(ascii: "\\")) }
            append(byte)
        }
    }
}
