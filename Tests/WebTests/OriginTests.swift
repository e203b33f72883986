import Testing

@testable import Web

@Suite struct OriginTests {
    private func status(_ host: String, _ fields: [String: String] = [:]) -> Int? {
        let lines = fields.map { "\r\n\($0): \($1)" }.joined()
        let text = "GET / HTTP/1.1\r\nHost: \(host)\(lines)"
        guard let request = try? HTTPRequest(Array(text.utf8)[...]) else { return -1 }
        do throws(WebFailure) {
            try OriginCheck(request).require()
            return nil
        } catch {
            return error.status
        }
    }

    @Test("the service is asked for as localhost, and by no name that others could give")
    func hosts() {
        for host in [
            "localhost", "localhost:8080", "127.0.0.1:80", "[::1]", "[::1]:80", "", "LocalHost",
        ] {
            #expect(status(host) == nil, "\(host)")
        }
        for host in [
            "evil.example", "evil.example:8080", "127.0.0.1.evil.example", "10.0.0.1", "box",
            "evil",
            "evil:8080", "[::1].evil",
        ] {
            #expect(status(host) == 421, "\(host)")
        }
    }

    @Test("a page of another site may not ask; the service's own may")
    func origins() {
        #expect(status("localhost:8080", ["Origin": "http://localhost:8080"]) == nil)
        #expect(status("localhost:8080", ["Origin": "http://localhost:9090"]) == 403)
        #expect(status("localhost:8080", ["Origin": "null"]) == 403)
        #expect(status("localhost", ["Sec-Fetch-Site": "cross-site"]) == 403)
        #expect(status("localhost", ["Sec-Fetch-Site": "same-site"]) == 403)
        #expect(status("localhost", ["Sec-Fetch-Site": "same-origin"]) == nil)
        #expect(status("localhost", ["Sec-Fetch-Site": "none"]) == nil)
    }
}
