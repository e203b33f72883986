import Testing

@testable import Web

@Suite struct RouteTests {
    private func match(_ method: String, _ path: String) throws -> RouteTable.Match {
        try RouteTable.all.match(method, Substring(path))
    }

    private func status(_ method: String, _ path: String) -> Int? {
        do {
            _ = try match(method, path)
            return nil
        } catch {
            return WebFailure(error).status
        }
    }

    @Test("a path's parts are decoded after it is split: a slash in a name is no separator")
    func parts() throws {
        let found = try match("GET", "/api/v1/snapshots/data%40a%2Fb/files")
        #expect(found.variables == ["snapshot": "data@a/b"])
        #expect(found.route.pattern.text == "/api/v1/snapshots/{snapshot}/files")
    }

    @Test(
        "what is not served is told as that",
        arguments: [
            ("GET", "/assets", 404), ("GET", "/api/v1/nothing", 404),
            ("GET", "/api/v1/volumes/a/b", 404),
            ("PUT", "/api/v1/volumes", 405), ("DELETE", "/api/v1/status", 405),
            ("GET", "/api/v1/volumes/%", 400), ("GET", "/api/v1/volumes/%00", 400),
            ("GET", "/api/v1/volumes/%ff", 400), ("GET", "api/v1/volumes", 400),
        ])
    func unknown(method: String, path: String, expected: Int) {
        #expect(status(method, path) == expected)
    }

    @Test("HEAD is served where GET is")
    func head() throws {
        #expect(status("HEAD", "/healthz") == nil)
        #expect(status("HEAD", "/api/v1/nothing") == 404)
    }

    @Test("no two routes are the same")
    func distinct() {
        let routes = RouteTable.all.routes
        let names = routes.map { "\($0.method) \($0.pattern.parts.map(Self.shape))" }
        #expect(Set(names).count == routes.count)
    }

    private static func shape(_ part: WebPattern.Part) -> String {
        switch part {
        case .word(let word): word
        case .variable: "*"
        }
    }

    @Test("everything but the sign of life needs a role")
    func roles() {
        let open = RouteTable.all.routes.filter { $0.role == nil }.map(\.pattern.text)
        #expect(
            open == [
                "/healthz", "/api/v1/openapi.json", "/api/v1/session", "/api/v1/session",
                "/api/v1/session", "/", "/assets/{name}",
            ])
    }
}

@Suite struct QueryTests {
    private let parameters: [WebParameter] = [
        .text("path", "", isRequired: true), .texts("tag", ""), .number("limit", 1...10, ""),
    ]

    private func failure(_ text: String) -> String? {
        do {
            _ = try WebQuery(Substring(text), parameters)
            return nil
        } catch {
            guard case .refused(let refusal) = error else { return "\(error)" }
            return refusal.message
        }
    }

    @Test("values are decoded, and repeated ones kept in their order")
    func values() throws {
        let query = try WebQuery("path=%2Fa+b%2B&tag=x&limit=7&tag=y%26", parameters)
        #expect(query.text("path") == "/a b+")
        #expect(query.texts("tag") == ["x", "y&"])
        #expect(query.number("limit") == 7)
        #expect(query.text("other") == nil && query.texts("other").isEmpty)
    }

    @Test(
        "what no parameter is, or is not like one, is refused",
        arguments: [
            ("path=a&size=1", "there is no parameter size"),
            ("path=a&path=b", "the parameter path may be given once"),
            ("tag=a", "the parameter path is missing"),
            ("path=a&limit=0", "limit is a number from 1 to 10"),
            ("path=a&limit=11", "limit is a number from 1 to 10"),
            ("path=a&limit=99999999999999999999", "limit is a number from 1 to 10"),
            ("path=a&limit=", "limit is a number from 1 to 10"),
            ("path=%4", "the query is not percent-encoded UTF-8"),
            ("path=%80", "the query is not percent-encoded UTF-8"),
            ("path=a%00", "the query is not percent-encoded UTF-8"),
        ])
    func flaws(text: String, expected: String) {
        #expect(failure(text) == expected)
    }

    @Test("a query of any length is read no further than a limit")
    func long() {
        let text = "path=a" + String(repeating: "&tag=a", count: 300)
        #expect(failure(text) == "the query is too long")
        #expect(failure("path=a" + String(repeating: "&tag=a", count: 200)) == nil)
    }
}
