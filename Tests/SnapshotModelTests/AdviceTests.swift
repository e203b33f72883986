import FoundationEssentials
import SnapshotModel
import Testing

/// Words with remedies among them, and how they are sent.
@Suite struct AdviceTests {
    private static let advice: Advice = "run \(.check("a")), or \(.list())"
    private static let wording = Wording { remedy in
        switch remedy {
        case .check(let name, _): "<check \(name ?? "")>"
        default: "<other>"
        }
    }

    @Test("what reads the same is the same, however it is put together")
    func equality() {
        let (name, number) = ("a", 7)
        #expect("run \(name) \(number)" == Advice("run a 7"))
        #expect("run " + "\(.check("a")), or" + " \(.list())" == Self.advice)
        let part: Advice = "\(.check("a")), or "
        #expect("run \(part)\(.list())" == Self.advice)
        #expect(Self.advice != "run a, or b")
        #expect("" == Advice(""))
    }

    @Test("remedies are told in their order, and in the words of a face")
    func words() {
        #expect(Self.advice.remedies == [.check("a"), .list()])
        #expect(Self.wording.text(Self.advice) == "run <check a>, or <other>")
        #expect(Advice("a `b`").remedies.isEmpty)
    }

    // MARK: the wire

    /// A problem as versions read it that know of no remedies.
    private struct OlderProblem: Codable {
        var code: String
        var message: String
        var hint: String?
    }

    private func encode(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.userInfo[.wording] = Self.wording
        return try encoder.encode(value)
    }

    @Test("a problem keeps its remedies")
    func problem() throws {
        for hint in [Self.advice, "b", nil] {
            let problem = Problem(.refused, "a", hint: hint)
            let again = try JSONDecoder().decode(Problem.self, from: encode(problem))
            #expect(again == problem)
        }
    }

    @Test("each remedy is sent whole")
    func remedies() throws {
        let remedies: [Remedy] = [
            .volumeCreate(), .volumeSet("a", origin: "/b"), .activate("a", accepting: .device),
            .release(SnapshotID(rawValue: 7), owner: "eve"), .help(["a", "b"]),
        ]
        let again = try JSONDecoder().decode([Remedy].self, from: encode(remedies))
        #expect(again == remedies)
    }

    @Test("an older version reads a problem in the words of the one who sends it")
    func older() throws {
        let sent = try encode(Problem(.refused, "a", hint: Self.advice))
        let read = try JSONDecoder().decode(OlderProblem.self, from: sent)
        #expect(read.hint == "run <check a>, or <other>")
        let status = VolumeWarnings(warnings: [Self.advice])
        let warnings = try JSONDecoder().decode([String: [String]].self, from: encode(status))
        #expect(warnings["warnings"] == ["run <check a>, or <other>"])
    }

    private struct VolumeWarnings: Encodable {
        var warnings: [Advice]
    }

    @Test("a problem of an older version has words alone")
    func fromOlder() throws {
        let sent = try JSONEncoder().encode(OlderProblem(code: "io", message: "a", hint: "run `b`"))
        let problem = try JSONDecoder().decode(Problem.self, from: sent)
        #expect(problem == Problem(.inputOutput, "a", hint: "run `b`"))
        let bare = try JSONDecoder().decode(
            Problem.self, from: Data(#"{"code":"io","message":"a"}"#.utf8))
        #expect(bare.hint == nil)
    }

    @Test("a remedy that only a newer version knows is told in its words")
    func newer() throws {
        let sent = #"""
            {"code":"io","message":"a","hint":"run `b`",
             "advice":[{"words":{"_0":"run "}},{"remedy":{"_0":{"brandNew":{}}}}]}
            """#
        let problem = try JSONDecoder().decode(Problem.self, from: Data(sent.utf8))
        #expect(problem.hint == "run `b`")
    }
}
