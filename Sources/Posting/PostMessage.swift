internal import SnapshotModel

/// What is posted: a JSON document, and fields of the head beside those that each has.
package struct PostMessage: Sendable {
    package var body: [UInt8]
    /// Names and values of one line each.
    package var fields: [(name: String, value: String)]

    package init(_ body: [UInt8], _ fields: [(name: String, value: String)] = []) {
        self.body = body
        self.fields = fields
    }

    /// As it goes over the wire, HTTP/1.1, one for each connection.
    ///
    /// - Parameter agent: the program, as `User-Agent` has it.
    func bytes(to address: PostAddress, agent: String) -> [UInt8] {
        let own = [
            ("Host", address.authority), ("User-Agent", agent),
            ("Content-Type", "application/json"), ("Content-Length", String(body.count)),
            ("Accept", "*/*"), ("Connection", "close"),
        ]
        let lines = (own + fields.map { ($0.name, $0.value) }).map { "\($0): \($1)\r\n" }
        return Array("POST \(address.target) HTTP/1.1\r\n\(lines.joined())\r\n".utf8) + body
    }
}
