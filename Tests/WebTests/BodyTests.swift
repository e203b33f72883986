import Settings
import Testing

@testable import Web

@Suite struct BodyTests {
    private let fields: [WebField] = [
        .text("name", ""), .texts("volumes", "", isRequired: true), .flag("dry_run", ""),
        .table("keep", ""),
    ]

    private func failure(_ text: String) -> String? {
        do {
            _ = try WebBody(Array(text.utf8), fields)
            return nil
        } catch {
            guard case .refused(let refusal) = error else { return "\(error)" }
            return refusal.message
        }
    }

    @Test("fields have the values that were sent; null is as if it were not there")
    func values() throws {
        let text = #"{"volumes":["a","b"],"dry_run":true,"name":null,"keep":{"last":5,"a":[]}}"#
        let body = try WebBody(Array(text.utf8), fields)
        #expect(body.texts("volumes") == ["a", "b"])
        #expect(body.flag("dry_run") && body.text("name") == nil)
        #expect(body.table("keep") == ["last": .integer(5), "a": .list([])])
    }

    @Test(
        "what no field is, or is not like one, is refused",
        arguments: [
            (#"{"volumes":["a"],"size":1}"#, "there is no field size"),
            (#"{"volumes":["a"],"name":1}"#, "name is a text"),
            (#"{"volumes":["a",1]}"#, "volumes is a list of texts"),
            (#"{"volumes":["a"],"keep":[]}"#, "keep is an object"),
            (#"{"volumes":["a"],"keep":{"last":1e999}}"#, "the body is no JSON object"),
            (#"{"volumes":["a"],"force":true}"#, "there is no field force"),
            (#"{"volumes":"a"}"#, "volumes is a list of texts"),
            (#"{"volumes":["a"],"dry_run":"yes"}"#, "dry_run is true or false"),
            (#"{"volumes":["a"],"name":true}"#, "name is a text"),
            (#"{"volumes":["a\u0000"]}"#, "volumes has a zero byte"),
            (#"{"volumes":null}"#, "the field volumes is missing"),
            ("{}", "the field volumes is missing"), ("[]", "the body is no JSON object"),
            ("{", "the body is no JSON object"), ("", "the body is no JSON object"),
        ])
    func flaws(text: String, expected: String) {
        #expect(failure(text)?.hasPrefix(expected) == true, "\(failure(text) ?? "")")
    }

    @Test("a body of nothing but brackets ends no process")
    func deep() {
        #expect(failure(String(repeating: "[", count: 60_000)) != nil)
        #expect(failure(#"{"volumes":"# + String(repeating: "[", count: 60_000)) != nil)
    }

    @Test("a list has an end")
    func long() {
        func body(_ count: Int) -> String {
            let texts = [String](repeating: "\"a\"", count: count).joined(separator: ",")
            return "{\"volumes\":[\(texts)]}"
        }
        #expect(failure(body(1_000)) == nil)
        #expect(failure(body(1_001)) == "volumes has 1000 texts at most")
    }

    @Test("a key is of printable characters, and another client's is another one")
    func keys() throws {
        let key = try JobKey("a-1", user: 5, request: "x")
        #expect(key.isNamed(as: try JobKey("a-1", user: 5, request: "y")))
        #expect(!key.isNamed(as: try JobKey("a-1", user: 6, request: "x")))
        for word in ["", "a b", "ä", String(repeating: "a", count: 65)] {
            #expect(throws: WebFailure.self) { try JobKey(word, user: 5, request: "x") }
        }
    }
}
