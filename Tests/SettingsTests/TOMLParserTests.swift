import Testing

@testable import Settings

extension TOMLTree {
    /// A document that is right.
    static func parse(_ text: String) throws -> TOMLTree {
        try TOMLParser.parse(SourceText(file: "f", bytes: Array(text.utf8)))
    }

    /// What is wrong with a document.
    static func errors(_ bytes: [UInt8]) -> [String] {
        do {
            _ = try TOMLParser.parse(SourceText(file: "f", bytes: bytes))
            return []
        } catch {
            return error.errors.map(\.description)
        }
    }

    /// As one line, in the order of the file.
    var line: String { TOMLNode(content: .table(self), position: .start).text }
}

extension SourcePosition {
    static let start = SourcePosition(file: "f", line: 1, column: 1)

    /// For a place in the file `f`.
    init(_ line: Int, _ column: Int) { self.init(file: "f", line: line, column: column) }
}

@Suite struct TOMLParserTests {
    @Test(arguments: [
        (
            "a = 1\nb = 0x1F\nc = 0o17\nd = 0b101\ne = -1_000\nf = +7",
            "{ a = 1, b = 31, c = 15, d = 5, e = -1000, f = 7 }"
        ),
        (
            "a = 1.5\nb = -0.25e2\nc = 1e3\nd = inf\ne = -inf\nf = nan",
            "{ a = 1.5, b = -25.0, c = 1000.0, d = inf, e = -inf, f = nan }"
        ),
        ("a = true\nb = false", "{ a = true, b = false }"),
        (#"a = "q\"\\\t\u00e9\U0001F600""#, #"{ a = "q\"\\\té😀" }"#),
        (#"a = 'C:\x'"#, #"{ a = "C:\\x" }"#),
        ("a = \"\"\"\none\ntwo \\\n   three\"\"\"", #"{ a = "one\ntwo three" }"#),
        ("a = '''\nit's\n'''", #"{ a = "it's\n" }"#),
        ("a = \"\"\"\"quoted\"\"\"\"\"", #"{ a = "\"quoted\"\"" }"#),
        ("a = \"\"\"x\r\ny\"\"\"\r\nb = 1\r\n", #"{ a = "x\ny", b = 1 }"#),
        ("a = [1, [2, 3], # no\n  [],\n  4,\n]", "{ a = [1, [2, 3], [], 4] }"),
        ("a = { b = 1, c.d = 2, \"e f\" = {} }", "{ a = { b = 1, c = { d = 2 }, \"e f\" = {} } }"),
        (
            "a.b.c = 1\na.b.d = 2\n'x.y'.z = 3",
            "{ a = { b = { c = 1, d = 2 } }, \"x.y\" = { z = 3 } }"
        ),
        ("[a.b]\nc = 1\n[a]\nd = 2 # end", "{ a = { b = { c = 1 }, d = 2 } }"),
        ("[[a]]\nx = 1\n[[a]]\n[a.b]\ny = 2", "{ a = [{ x = 1 }, { b = { y = 2 } }] }"),
        ("[ a . \"b c\" ]\n1 = 2\n15m = 3", "{ a = { \"b c\" = { 1 = 2, 15m = 3 } } }"),
        ("\u{FEFF}a = 1", "{ a = 1 }"),
        ("", "{}"), ("# nothing", "{}"), ("\n\r\n\t \n", "{}"),
    ])
    func documentsAreReadAsTheStandardSays(_ text: String, _ expected: String) throws {
        #expect(try TOMLTree.parse(text).line == expected)
    }

    @Test(arguments: [
        "1979-05-27", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00.5-07:00", "07:32:00",
        "1979-05-27t00:32:00.999999z",
    ])
    func datesAndTimesAreRecognised(_ text: String) throws {
        let tree = try TOMLTree.parse("a = \(text) # x")
        #expect(tree["a"]?.value.content == .moment)
    }

    @Test(arguments: [
        ("a = 1\nb = 2\na = 3", "f:3:1: a is given twice (it is in line 1 already)"),
        ("[a]\nx = 1\n[b]\n[a]", "f:4:2: a is given twice (it is in line 1 already)"),
        ("[a]\nb = 1\n[a.b]", "f:3:4: a.b is given twice (it is in line 2 already)"),
        ("a = { x = 1, x = 2 }", "f:1:14: a.x is given twice (it is in line 1 already)"),
        ("a.b = 1\n[a]", "f:2:2: a is given twice (it is in line 1 already)"),
        ("a = {}\na.b = 1", "f:2:1: a is given twice (it is in line 1 already)"),
        ("a = []\n[[a]]", "f:2:3: a is given twice (it is in line 1 already)"),
        ("[a.b]\n[a]\nb.c = 1", "f:3:1: a.b is given twice (it is in line 1 already)"),
        ("a = ", "f:1:5: expected a value, found the end of the file"),
        ("a = \nb = 1", "f:1:5: expected a value, found the end of the line"),
        ("a 1", "f:1:3: expected '=' after the key a, found \"1\""),
        ("a = yes", "f:1:5: \"yes\" is not a value (a text needs quotes)"),
        ("a = 15m", "f:1:5: \"15m\" is not a value (a text needs quotes)"),
        ("a = 1 b", "f:1:7: expected the end of the line, found \"b\""),
        ("a = 07", "f:1:5: a number that begins with 0"),
        ("a = 9223372036854775808", "f:1:5: a number beyond 64 bits"),
        ("a = 1__0", "f:1:5: \"1__0\" is not a value (a text needs quotes)"),
        ("a = \"x", "f:1:5: a text without its closing quote"),
        ("a = \"x\nb = 1", "f:1:5: a text without its closing quote"),
        ("a = \"\"\"x\n\n", "f:1:5: a text without its closing quote"),
        (
            "a = \"é\\d\"",
            "f:1:7: an unknown escape in a text (a backslash is written \\\\, or the text in 'single quotes')"
        ),
        ("a = \"\\u12\"", "f:1:6: an escape of 4 hexadecimal digits has fewer"),
        ("a = \"\\ud800\"", "f:1:6: an escape that names no character"),
        ("a = \"x\u{1}\"", "f:1:7: a control character (1) in a text"),
        ("# \u{7F}", "f:1:3: a control character (127) in a comment"),
        ("é = 1", "f:1:1: expected a key, found \"é\" (a key like this needs quotes)"),
        (
            "a = [1 2]",
            "f:1:8: expected ',' or ']', found \"2\" (the array that begins in line 1 does not end)"
        ),
        (
            "a = { b = 1\n}",
            "f:1:12: expected ',' or '}', found the end of the line (a table in braces stands on one line)"
        ),
        ("a = { b = 1, }", "f:1:14: expected a key, found \"}\""),
        ("[a", "f:1:3: expected ']', found the end of the file"),
        ("[[a]", "f:1:5: expected ']]', found the end of the file"),
        ("[]", "f:1:2: expected a key, found \"]\""),
        // These end a process that reads them with TOMLKit 0.6.0.
        ("[(a)]", "f:1:2: expected a key, found \"(\""),
        ("[[[a]]]", "f:1:3: expected a key, found \"[\""),
        ("a = 2026-02-30", "f:1:5: \"2026-02-30\" is not a value (a text needs quotes)"),
        ("a = 1\rb = 2", "f:1:6: expected the end of the line, found the end of the line"),
    ])
    func errorsHaveThePlaceWhereTheTextStopsToBeTOML(_ text: String, _ error: String) {
        #expect(TOMLTree.errors(Array(text.utf8)) == [error])
    }

    @Test func oneReadingTellsTheErrorsOfAllLines() {
        let text = """
            a = [1,
              2 3,
              "x",
            ]
            b = yes
            [c]
            d = 1
            d = 2
            """
        #expect(
            TOMLTree.errors(Array(text.utf8)).map { $0.prefix(5) } == [
                "f:2:5", "f:5:5", "f:8:1",
            ])
    }

    @Test func bytesThatAreNoUTF8AreRefusedWithTheirPlace() {
        #expect(
            TOMLTree.errors(Array("é = 1\nab".utf8) + [0xFF]) == [
                "f:2:3: not UTF-8: byte 0xFF (save the file as UTF-8)"
            ])
        #expect(
            TOMLTree.errors([0x61, 0xC3]) == [
                "f:1:2: not UTF-8: byte 0xC3 (save the file as UTF-8)"
            ])
    }

    @Test func aNULCharacterIsRefused() {
        #expect(
            TOMLTree.errors(Array("a = 1\n\u{0}".utf8)) == ["f:2:1: a NUL character in a text file"]
        )
    }

    @Test(arguments: [
        String(repeating: "a.", count: 400_000) + "a = 1",
        "[" + String(repeating: "a.", count: 400_000) + "a]",
        "a = " + String(repeating: "[", count: 400_000),
        "a = " + String(repeating: "{a=", count: 200_000),
    ])
    func nestingBeyondTheLimitIsAnErrorAndNoCrash(_ text: String) {
        let errors = TOMLTree.errors(Array(text.utf8))
        #expect(errors.count == 1)
        #expect(errors.first?.hasSuffix("more than 64 levels of tables or arrays") == true)
    }

    @Test func aPlaceInAPlainTextIsAPlaceInTheFile() throws {
        let tree = try TOMLTree.parse("a = \"éxy\"\nb = \"\\u0061xy\"\nc = '''xy'''")
        #expect(tree["a"]?.value.position(ofOffset: 2) == SourcePosition(1, 7))
        #expect(tree["b"]?.value.position(ofOffset: 1) == SourcePosition(2, 5))
        #expect(tree["c"]?.value.position(ofOffset: 1) == SourcePosition(3, 5))
    }
}
