@testable import Settings

/// Writes a random document and keeps, by itself, what it says and where: the oracle of the parser.
/// Places are found by counting while writing, not by looking into the text.
struct RandomDocument {
    private(set) var text = ""
    private(set) var tree = TOMLTree()
    private var line = 1
    private var column = 1
    private var random: SplitMix
    private var nextName = 0

    init(seed: UInt64) {
        random = SplitMix(state: seed)
        var top = TOMLTree()
        writePairs(into: &top, count: random.below(4))
        tree = top
        for _ in 0..<random.below(5) { writeTable() }
    }

    private mutating func write(_ string: String) {
        text += string
        for scalar in string.unicodeScalars {
            if scalar == "\n" {
                line += 1
                column = 1
            } else {
                column += 1
            }
        }
    }

    private var here: SourcePosition { SourcePosition(line, column) }

    private mutating func pick(_ choices: [String]) -> String {
        choices[random.below(choices.count)]
    }

    private mutating func writeBlanks() { write(pick(["", " ", "\t", "  "])) }

    private mutating func writeLineEnd() {
        writeBlanks()
        write(pick(["\n", "\r\n", "# é [x] = \"\n", "\n\n", "\n# a = 1\r\n \t\n"]))
    }

    /// Where something may go on over several lines.
    private mutating func writeBreak() {
        write(pick(["", " ", "\n", "\r\n ", " # ], }\n\t"]))
    }

    /// A key that no other is like: its text and what it stands for.
    private mutating func writeKey() -> String {
        nextName += 1
        let plain = "k\(nextName)"
        switch random.below(5) {
        case 0:
            write("\"\(plain) é\\t\\u0041\"")
            return plain + " é\tA"
        case 1:
            write("'\(plain).\\'")
            return plain + ".\\"
        case 2:
            write("15m-\(plain)")
            return "15m-" + plain
        default:
            write(plain)
            return plain
        }
    }

    private mutating func writePairs(into tree: inout TOMLTree, count: Int) {
        for _ in 0..<count {
            writeBlanks()
            writePair(into: &tree, depth: 0)
            writeLineEnd()
        }
    }

    private mutating func writePair(into tree: inout TOMLTree, depth: Int) {
        let position = here
        let key = writeKey()
        writeBlanks()
        var entry = TOMLTree.Entry(
            key: key, keyPosition: position, value: TOMLNode(content: .moment, position: position))
        if random.below(5) == 0 {
            // A key with points: a table that begins where its first part stands.
            write(".")
            writeBlanks()
            var inner = TOMLTree()
            writePair(into: &inner, depth: depth)
            entry.value.content = .table(inner)
        } else {
            write("=")
            writeBlanks()
            entry.value = writeValue(depth: depth)
        }
        tree.entries.append(entry)
    }

    private mutating func writeValue(depth: Int) -> TOMLNode {
        var node = TOMLNode(content: .moment, position: here)
        switch random.below(depth > 3 ? 5 : 7) {
        case 0:
            let (string, content) = Self.plain[random.below(Self.plain.count)]
            write(string)
            node.content = content
        case 1, 2:
            let (quoted, text) = Self.quoted[random.below(Self.quoted.count)]
            write(quoted)
            node.content = .text(text)
        case 3, 4:
            write("\"")
            node.textPosition = here
            let text = pick(["", "a", "é = # [", "15m", "日本"])
            write(text + "\"")
            node.content = .text(text)
        case 5:
            write("[")
            var nodes: [TOMLNode] = []
            let count = random.below(4)
            for index in 0..<count {
                writeBreak()
                nodes.append(writeValue(depth: depth + 1))
                writeBreak()
                if index + 1 < count || random.below(2) == 0 { write(",") }
            }
            writeBreak()
            write("]")
            node.content = .array(nodes)
        default:
            write("{")
            var tree = TOMLTree()
            let count = random.below(4)
            for index in 0..<count {
                writeBlanks()
                writePair(into: &tree, depth: depth + 1)
                writeBlanks()
                if index + 1 < count { write(",") }
            }
            writeBlanks()
            write("}")
            node.content = .table(tree)
        }
        return node
    }

    /// A table with a header of one or two parts, or the next of an array of tables.
    private mutating func writeTable() {
        writeBlanks()
        let start = here
        let isList = random.below(3) == 0
        write(isList ? "[[" : "[")
        writeBlanks()
        let firstPosition = here
        let first = writeKey()
        var second: (key: String, position: SourcePosition)?
        if random.below(2) == 0 {
            write(" .\t")
            let position = here
            second = (writeKey(), position)
        }
        writeBlanks()
        write(isList ? "]]" : "]")
        writeLineEnd()
        var own = TOMLTree()
        writePairs(into: &own, count: random.below(4))
        let table = TOMLNode(content: .table(own), position: start)
        var value = isList ? TOMLNode(content: .array([table]), position: start) : table
        if let second {
            let inner = TOMLTree.Entry(key: second.key, keyPosition: second.position, value: value)
            value = TOMLNode(
                content: .table(TOMLTree(entries: [inner])), position: firstPosition)
        }
        tree.entries.append(TOMLTree.Entry(key: first, keyPosition: firstPosition, value: value))
    }

    private static let plain: [(String, TOMLNode.Content)] = [
        ("0", .integer(0)), ("-17", .integer(-17)), ("1_000", .integer(1000)),
        ("0xff", .integer(255)), ("true", .boolean(true)), ("false", .boolean(false)),
        ("1.5", .float(1.5)), ("-2e3", .float(-2000)), ("2026-11-22", .moment),
        ("2026-11-22 12:00:00Z", .moment), ("07:15:00", .moment),
    ]

    private static let quoted: [(String, String)] = [
        ("\"a\\\"b\"", "a\"b"), ("\"\\u00e9\\n\"", "é\n"), ("'''\nx\ny'''", "x\ny"),
        ("\"\"\"\r\n a \\\n   b\"\"\"", " a b"), ("\"\"\"q\"\"\"\"", "q\""), ("'''é''''", "é'"),
        ("\"\"\"# [\n] = \"\"\"", "# [\n] = "),
    ]
}

/// Vigna's SplitMix64: small, seeded, good enough to choose with.
struct SplitMix {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }
}
