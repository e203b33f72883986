package import Foundation
internal import Glibc
internal import SnapshotModel

/// Somebody on a port of this machine to whom things are posted, who answers as a test wants.
package final class TestReceiver: @unchecked Sendable {
    package struct Request: Sendable {
        package var line: String
        /// Names in small letters.
        package var fields: [String: String]
        package var body: Data

        package var text: String { String(decoding: body, as: UTF8.self) }
    }

    package enum Answer: Sendable {
        /// Whatever is written here, byte for byte; then the connection is closed.
        case raw(String)
        case status(Int, [String: String] = [:])
        /// Nothing, until the other end goes.
        case silence
    }

    package let port: Int
    private let descriptor: Int32
    private let answer: @Sendable (Int, Request) -> Answer
    private let condition = NSCondition()
    private var received: [Request] = []

    /// - Parameter answer: to a request, of which so many came before.
    package init(_ answer: @escaping @Sendable (Int, Request) -> Answer) throws {
        self.answer = answer
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let number = descriptor
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, length) == 0 && listen(number, 64) == 0
                    && getsockname(number, $0, &length) == 0
            }
        }
        guard isBound else { throw Problem(.failed, "no port for a receiver") }
        port = Int(in_port_t(bigEndian: address.sin_port))
        let thread = Thread { [weak self] in
            while true {
                let connection = accept(number, nil, nil)
                guard connection >= 0 || errno == EINTR else { return }
                guard connection >= 0 else { continue }
                guard let self else {
                    close(connection)
                    return
                }
                Thread { self.serve(connection) }.start()
            }
        }
        thread.start()
    }

    deinit { shutdown(descriptor, Int32(SHUT_RDWR)) }

    package var url: String { "http://127.0.0.1:\(port)/hook?a=1" }

    /// All that was posted.
    package var requests: [Request] { condition.withLock { received } }

    /// Waits until a test is content with what was posted; false when it is not within a minute.
    package func wait(until isEnough: ([Request]) -> Bool) -> Bool {
        let end = Date(timeIntervalSinceNow: 60)
        condition.lock()
        defer { condition.unlock() }
        while !isEnough(received) {
            guard condition.wait(until: end) else { return isEnough(received) }
        }
        return true
    }

    private func serve(_ connection: Int32) {
        defer { close(connection) }
        guard let request = Self.read(connection) else { return }
        let before = condition.withLock {
            received.append(request)
            condition.broadcast()
            return received.count - 1
        }
        switch answer(before, request) {
        case .raw(let text): Self.send(text, connection)
        case .status(let status, let fields):
            let lines = fields.map { "\($0.key): \($0.value)\r\n" }.joined()
            Self.send("HTTP/1.1 \(status) X\r\n\(lines)Content-Length: 0\r\n\r\n", connection)
        case .silence:
            var byte: UInt8 = 0
            while recv(connection, &byte, 1, 0) > 0 {}
        }
    }

    private static func send(_ text: String, _ connection: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    private static func read(_ connection: Int32) -> Request? {
        var (bytes, buffer) = (Data(), [UInt8](repeating: 0, count: 4096))
        while true {
            if let request = parse(bytes) { return request }
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
        }
    }

    private static func parse(_ bytes: Data) -> Request? {
        guard let end = bytes.range(of: Data("\r\n\r\n".utf8)) else { return nil }
        let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
            .components(separatedBy: "\r\n")
        var fields: [String: String] = [:]
        for line in head.dropFirst() {
            let pair = line.split(separator: ":", maxSplits: 1)
            guard pair.count == 2 else { continue }
            fields[pair[0].lowercased()] = pair[1].trimmingCharacters(in: .whitespaces)
        }
        let body = Data(bytes[end.upperBound...])
        guard body.count >= Int(fields["content-length"] ?? "0") ?? 0 else { return nil }
        return Request(line: head[0], fields: fields, body: body)
    }
}
