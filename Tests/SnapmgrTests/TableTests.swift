import ArgumentParser
import SnapshotModel
import Testing

@testable import snapmgr

/// Tables for people: what becomes of them where there is no room, and what stands out.
@Suite struct TableTests {
    private static let columns: [Table.Column] = [
        .init(title: "NAME", isCut: true), .init(title: "SIZE", alignment: .right, rank: 1),
        .init(title: "STATE", emphasis: StateWords.emphasis), .init(title: "NOTE", rank: 2),
    ]
    private static let rows = [
        ["a-name-that-is-rather-long", "16 MiB", "broken", "a note"],
        ["short", "1 GiB", "frozen", "another"],
    ]

    private static func text(
        width: Int?, color: GlobalOptions.ColorMode = .never
    ) throws -> String {
        var table = Table(columns)
        return table.lines(rows, on: try Terminal(width: width, color: color))
    }

    @Test(
        "a table has all its columns where there is room, or nobody sees lines",
        arguments: [nil, 80])
    func whole(width: Int?) throws {
        #expect(try Self.text(width: width).split(separator: "\n").map(\.count).max() == 51)
    }

    @Test("columns that can be done without go first, then words are cut", arguments: 24...60)
    func narrow(width: Int) throws {
        let lines = try Self.text(width: width).split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= width }, "\(lines)")
        #expect(lines[0].contains("NOTE") == (width >= 51))
        #expect(lines[0].contains("SIZE") == (width >= 42))
        #expect(lines[0].contains("NAME") && lines[0].contains("STATE"))
        #expect(lines[1].contains("…") == (width < 34))
    }

    @Test("later parts keep to the width of the first")
    func parts() throws {
        var table = Table(Self.columns)
        let terminal = try Terminal(width: 30, color: .never)
        let first = table.lines([Self.rows[0]], on: terminal)
        let second = table.lines(
            [["another-name-that-is-long", "1 B", "frozen", ""]], on: terminal)
        for line in (first + second).split(separator: "\n") { #expect(line.count <= 30, "\(line)") }
    }

    @Test("states stand out in colour, and only these, and no width is lost to it")
    func colour() throws {
        let text = try Self.text(width: 80, color: .always)
        #expect(text.contains("\u{1B}[31mbroken\u{1B}[0m  a note"))
        #expect(!text.contains("\u{1B}[31mfrozen"))
        let plain = Terminal.sequences.reduce(text) { $0.replacing($1, with: "") }
        #expect(try plain == Self.text(width: 80))
        #expect(Output.forPeople(text) == text)
    }

    @Test(
        "how long a store lasts is rounded to what it is worth",
        arguments: [
            (nil, "-"), (0, "0 h"), (1.25, "30 h"), (6.4, "6 d"), (59.4, "59 d"), (90, "3 mo"),
            (3170.5, "9 y"), (1e9, "-"), (.infinity, "-"), (-1, "0 h"),
        ] as [(Double?, String)])
    func fullIn(days: Double?, text: String) {
        #expect(StateWords.fullIn(days: days) == text)
    }

    @Test("what is full, or soon will be, burns")
    func burns() {
        #expect(StateWords.roomEmphasis("0 B") == .bad)
        #expect(StateWords.roomEmphasis("10 B") == nil)
        #expect(StateWords.fullEmphasis("30 h") == .bad)
        #expect(StateWords.fullEmphasis("6 d") == .bad)
        #expect(StateWords.fullEmphasis("7 d") == nil)
        #expect(StateWords.fullEmphasis("6 mo") == nil)
        #expect(StateWords.fullEmphasis("-") == nil)
    }

    // MARK: words

    @Test("each word's meaning fits 80 columns, and the words of states are among them")
    func words() throws {
        let text = try #require(Glossary.answer(to: ["help", "words"]))
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 })
        let words = Set(Glossary.entries.map(\.word))
        #expect(words.count == Glossary.entries.count)
        for word in ["active", "frozen", "merging", "broken", "safety", "exclusive", "chunk"] {
            #expect(words.contains(word))
        }
        #expect(
            try #require(Glossary.answer(to: ["--json", "help", "words"])).hasPrefix("{\"words\":"))
        #expect(Glossary.answer(to: ["help", "list"]) == nil)
    }
}

extension Terminal {
    /// One of that width; nil is none.
    fileprivate init(width: Int?, color: GlobalOptions.ColorMode) throws {
        self.init(try GlobalOptions.parse(["--color", color.rawValue]), environment: [:])
        columnCount = width
    }
}
