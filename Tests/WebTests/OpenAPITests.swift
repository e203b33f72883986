import Foundation
import Testing

@testable import Web

/// docs/openapi.json, and the table of docs/api.md, are what the server goes by. With `SNAPMGR_WRITES_DOCS` in the
/// environment they are written anew, and the program has to be built again.
@Suite struct OpenAPITests {
    private static let package = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    private static let writes = ProcessInfo.processInfo.environment["SNAPMGR_WRITES_DOCS"] != nil

    private static func file(_ path: String) -> URL { package.appending(path: path) }

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: file(path), encoding: .utf8)
    }

    /// The schemas that routes answer with.
    private func schemas() throws -> [(name: String, text: String)] {
        let names = RouteTable.all.routes.reduce(into: Set(["error"])) { names, route in
            if case .document(let own) = route.shape { names.formUnion(own) }
        }
        return try names.sorted().map { name in
            let text = try Self.text("docs/schemas/\(name).json")
            return (name, text.trimmingCharacters(in: .whitespacesAndNewlines))
        }
    }

    @Test("what is served and what its document says are the same")
    func document() throws {
        let text = OpenAPIDocument(routes: RouteTable.all.routes, schemas: try schemas()).text
        if Self.writes {
            try Data(text.utf8).write(to: Self.file("docs/openapi.json"))
        }
        #expect(try Self.text("docs/openapi.json") == text)
        #expect(
            String(decoding: EmbeddedFiles.openAPI, as: UTF8.self) == text,
            "build again: the program has an older one")
    }

    @Test("the document is JSON whose references lead somewhere")
    func references() throws {
        let data = Data(EmbeddedFiles.openAPI)
        let document = try #require(
            try JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(document["openapi"] as? String == "3.1.0")
        let components = document["components"] as? [String: Any]
        let schemas = try #require(components?["schemas"] as? [String: Any])
        let text = String(decoding: EmbeddedFiles.openAPI, as: UTF8.self)
        let named = text.components(separatedBy: "\"#/components/schemas/").dropFirst()
            .compactMap { $0.components(separatedBy: "\"").first }
        #expect(!named.isEmpty)
        #expect(Set(named) == Set(schemas.keys))
    }

    @Test("the manual's table has each route with its role")
    func table() throws {
        let rows = RouteTable.all.routes.map { route in
            let role = route.role?.word ?? "-"
            return
                "| `\(route.method.rawValue) \(route.pattern.text)` | \(role) | \(Self.answer(route)) "
                + "| \(route.summary) |\n"
        }
        let (start, end) = ("<!-- routes -->\n", "<!-- end -->\n")
        let text = try Self.text("docs/api.md")
        let parts = text.components(separatedBy: start)
        try #require(parts.count == 2)
        let rest = parts[1].components(separatedBy: end)
        try #require(rest.count == 2)
        let table = "| request | role | answer | |\n|---|---|---|---|\n" + rows.joined()
        if Self.writes {
            let new = parts[0] + start + table + end + rest[1]
            try Data(new.utf8).write(to: Self.file("docs/api.md"))
        }
        #expect(try Self.text("docs/api.md").contains(start + table + end))
    }

    private static func answer(_ route: WebRoute) -> String {
        switch route.shape {
        case .document(let names):
            names.map { "[\($0)](schemas/\($0).json)" }.joined(separator: ", ")
        case .own: "JSON"
        case .text: "text"
        case .bytes: "bytes"
        case .events: "events"
        case .page: "page"
        }
    }
}
