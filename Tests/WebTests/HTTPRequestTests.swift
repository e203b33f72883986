import SnapshotModel
import Testing

@testable import Web

@Suite struct HTTPRequestTests {
    private func parsed(_ text: String) throws -> HTTPRequest {
        try HTTPRequest(Array(text.utf8)[...])
    }

    private func status(_ text: String) -> Int? {
        do {
            _ = try parsed(text)
            return nil
        } catch {
            return WebFailure(error).status
        }
    }

    @Test("a head is what it says")
    func head() throws {
        let request = try parsed(
            "POST /a?b=c HTTP/1.1\r\nHost: localhost\r\nX-One:  a b\t\r\nx-one: c\r\nEmpty:")
        #expect(request.method == "POST" && request.target == "/a?b=c")
        #expect(request.fields == ["host": "localhost", "x-one": "a b, c", "empty": ""])
        #expect(request.isPersistent && request.takesChunks && !request.isHead)
        let old = try parsed("HEAD / HTTP/1.0")
        #expect(!old.isPersistent && !old.takesChunks && old.isHead)
        #expect(try !parsed("GET / HTTP/1.1\r\nHost: a\r\nConnection: close").isPersistent)
    }

    @Test(
        "what is no head, or could be understood in two ways, is refused",
        arguments: [
            ("", 400), ("GET", 400), ("GET /", 400), ("GET / HTTP/1.1", 400),
            ("get / HTTP/1.1\r\nHost: a", 400), ("GET  / HTTP/1.1\r\nHost: a", 400),
            ("GET a HTTP/1.1\r\nHost: a", 400), ("GET http://a/ HTTP/1.1\r\nHost: a", 400),
            ("GET / HTTP/2.0\r\nHost: a", 505), ("GET / HTTP/1.1\nHost: a", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n folded", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX : b", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n: b", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{1}", 400),
            ("GET /ä HTTP/1.1\r\nHost: a", 400),
            ("G(T / HTTP/1.1\r\nHost: a", 400),
        ])
    func flaws(text: String, expected: Int) {
        #expect(status(text) == expected, "\(text)")
    }

    @Test("a body has a length that is told beforehand, in digits, and no larger than is taken")
    func lengths() throws {
        func length(_ field: String) throws -> Int {
            try parsed("POST / HTTP/1.1\r\nHost: a\r\n\(field)").bodyBytes(limit: 100)
        }
        #expect(try length("X: y") == 0)
        #expect(try length("Content-Length: 100") == 100)
        for (field, expected) in [
            ("Content-Length: 101", 413), ("Content-Length: 99999999999999999999", 413),
            ("Content-Length: -1", 400), ("Content-Length: +1", 400), ("Content-Length: ", 400),
            ("Content-Length: 0x1", 400), ("Transfer-Encoding: chunked", 411),
        ] {
            do {
                _ = try length(field)
                Issue.record("\(field) is taken")
            } catch {
                #expect(WebFailure(error).status == expected, "\(field)")
            }
        }
    }

    @Test("a date is as HTTP has it")
    func dates() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_796_060_216, "Mon, 30 Nov 2026 17:36:56 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        ] as [(Int64, String)] {
            #expect(HTTPExchange.date(Timestamp(clampingSeconds: seconds)) == text)
        }
    }
}
