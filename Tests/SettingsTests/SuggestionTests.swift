import Testing

@testable import Settings
@testable import SnapshotModel

@Suite struct SuggestionTests {
    @Test(arguments: [
        ("", "", 0), ("a", "", 1), ("", "abc", 3), ("kitten", "sitting", 3),
        ("polciy", "policy", 1),
        ("schedule", "schedules", 1), ("ab", "ba", 1), ("abc", "abc", 0), ("é", "e", 1),
    ])
    func theDistanceIsTheLeastNumberOfEdits(_ left: String, _ right: String, _ distance: Int) {
        let (left, right) = (Array(left.unicodeScalars), Array(right.unicodeScalars))
        #expect(Suggestion.distance(left, right) == distance)
        #expect(Suggestion.distance(right, left) == distance)
    }

    @Test(
        arguments: [
            ("polcy", "policy"), ("hook", "hooks"), ("POLICY", "policy"),
            ("safetypolicy", "safety-policy"),
            ("zzz", nil), ("", nil), ("x", nil), ("policies-of-mine", nil),
        ] as [(String, String?)])
    func theNearestNameIsSuggestedUnlessItIsFar(_ text: String, _ nearest: String?) {
        let names = ["policy", "hooks", "safety-policy", "schedules"]
        #expect(Suggestion.nearest(to: text, among: names) == nearest)
    }

    @Test func longTextsMeanNothing() {
        let text = String(repeating: "x", count: 257)
        #expect(Suggestion.nearest(to: text, among: [text]) == nil)
    }

    @Test func equallyNearNamesGoByTheAlphabet() {
        #expect(Suggestion.nearest(to: "vm0", among: ["vm2", "vm1", "vm3"]) == "vm1")
    }

    @Test func messagesStayOnOneLineWhateverTheNames() {
        #expect(Quote.text("a\nb\u{202E}") == "\"a\\u{a}b\\u{202e}\"")
        #expect(Quote.text(String(repeating: "x", count: 100)).count == 85)
        #expect(Quote.path(["volumes", "a.b", ""]) == "volumes.\"a.b\".\"\"")
    }
}
