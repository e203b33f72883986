import SnapshotModel
import Testing

@testable import snapmgr

/// Nothing that a terminal obeys comes from a name, a note or a tag.
@Suite struct ShownTextTests {
    private static let hostile = "a\u{1B}[2J\u{9B}31m\nb\r\u{7}"
    private static let shown = "a\\u{1B}[2J\\u{9B}31m\\nb\\r\\u{7}"

    @Test("M5: cells of tables and values of sheets are escaped, and aligned as shown")
    func tables() {
        var table = Table([.init(title: "NAME"), .init(title: "ID", alignment: .right)])
        let text = table.lines([[Self.hostile, "1"], ["b", "22"]])
        #expect(text.contains(Self.shown + "   1\n"))
        #expect(text.split(separator: "\n").count == 3)
        #expect(Set(text.split(separator: "\n").map(\.count)).count == 1)
        var sheet = Sheet()
        sheet.add("note", Self.hostile)
        #expect(sheet.text == "note  \(Self.shown)\n")
        var named = Sheet()
        named.add("program \(Self.hostile)", "x")
        #expect(named.text == "program \(Self.shown)  x\n")
    }

    @Test("M5: errors and their hints are escaped, in one line each")
    func errors() {
        let problem = Problem(.notFound, "no \(Self.hostile)", hint: "see \(Self.hostile)")
        #expect(
            ErrorMessage(problem).text(json: false)
                == "snapmgr: no \(Self.shown)\nhint: see \(Self.shown)\n")
        // Settings have several mistakes to tell.
        #expect(
            ErrorMessage(Problem(.usage, "a\nb\u{1B}")).text(json: false)
                == "snapmgr: a\nb\\u{1B}\n")
    }

    @Test("M5: of other texts, only line feeds and our own bold reach a terminal")
    func texts() {
        let bold = Terminal.boldStart + "a" + Terminal.boldEnd
        #expect(Output.forPeople("\(bold)\nb\u{1B}[2Jc\n") == "\(bold)\nb\\u{1B}[2Jc\n")
        #expect(Output.forPeople("") == "")
    }

    @Test("5 and 6 are a missing part of the environment and a socket that cannot be had")
    func exitCodes() {
        #expect(ExitStatus(.missing).rawValue == 5)
        #expect(ExitStatus(.cannotListen).rawValue == 6)
        #expect(ExitStatus(.notFound).rawValue == 4)
        #expect(Problem.Code.missing.rawValue == "missing")
        #expect(Problem.Code.cannotListen.rawValue == "cannot_listen")
    }
}
