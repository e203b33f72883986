package import Foundation
internal import Glibc
internal import SnapshotModel

/// What a server has answered.
package struct HTTPAnswer {
    package var status: Int
    /// Names in small letters.
    package var fields: [String: String]
    package var body: Data

    package var text: String { String(decoding: body, as: UTF8.self) }

    /// - Parameter bytes: all that came on a connection that was closed then; one answer.
    package init(_ bytes: Data) throws {
        guard let end = bytes.range(of: Data("\r\n\r\n".utf8)) else {
            throw Problem(.failed, "no answer in \(bytes.count) bytes")
        }
        let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
            .components(separatedBy: "\r\n")
        let words = head[0].split(separator: " ")
        guard words.count > 1, let status = Int(words[1]) else {
            throw Problem(.failed, "no status in \(head[0])")
        }
        self.status = status
        fields = [:]
        for line in head.dropFirst() {
            let pair = line.split(separator: ":", maxSplits: 1)
            guard pair.count == 2 else { continue }
            fields[pair[0].lowercased()] = pair[1].trimmingCharacters(in: .whitespaces)
        }
        let rest = Data(bytes[end.upperBound...])
        body = fields["transfer-encoding"] == "chunked" ? try Self.joined(rest) : rest
    }

    private static func joined(_ chunks: Data) throws -> Data {
        var (rest, body) = (chunks, Data())
        while let line = rest.range(of: Data("\r\n".utf8)) {
            let size = String(decoding: rest[..<line.lowerBound], as: UTF8.self)
            guard let count = Int(size, radix: 16) else { break }
            guard count > 0 else { return body }
            let start = line.upperBound
            guard rest.endIndex - start >= count + 2 else { break }
            body += rest[start..<start + count]
            rest = Data(rest[(start + count + 2)...])
        }
        throw Problem(.failed, "an answer in chunks was cut")
    }
}

/// A connection to a Unix socket or a port of this machine, as raw as a test needs it.
package final class HTTPConnection: Sendable {
    package let descriptor: Int32

    package init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let number = descriptor
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        // It is closed by the end of what has been made by then.
        guard result == 0 else {
            throw Problem(.failed, "cannot connect to \(path): \(String(cString: strerror(errno)))")
        }
        limit(seconds: 300)
    }

    /// To a port of the loopback interface.
    package init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        let number = descriptor
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            throw Problem(
                .failed, "cannot connect to port \(port): \(String(cString: strerror(errno)))")
        }
        limit(seconds: 60)
    }

    deinit { close(descriptor) }

    package func limit(seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    package func send(_ text: String) {
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            done += count
        }
    }

    /// Waits until the other end is closed, whatever has not been received; false when that takes longer.
    package func isEnded(within seconds: Int32) -> Bool {
        // That it has hung up is told unasked.
        var end = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&end, 1, seconds * 1000) == 1
    }

    /// What comes next; empty at the end, nil when nothing came in time.
    package func receive(_ maximum: Int = 65_536) -> Data? {
        var buffer = [UInt8](repeating: 0, count: maximum)
        let count = recv(descriptor, &buffer, maximum, 0)
        return count < 0 ? (errno == EAGAIN ? nil : Data()) : Data(buffer.prefix(count))
    }

    /// All that comes until the server closes.
    package func rest() throws -> Data {
        var all = Data()
        while let next = receive() {
            guard !next.isEmpty else { return all }
            all += next
        }
        throw Problem(.failed, "the server did not close, after \(all.count) bytes")
    }
}

/// Asks a server on a Unix socket or a port, one connection for each request.
package struct HTTPClient {
    /// The socket's; empty for a port.
    package let path: String
    private var port = 0

    package init(path: String) { self.path = path }

    package init(port: Int) {
        path = ""
        self.port = port
    }

    private func connect() throws -> HTTPConnection {
        try path.isEmpty ? HTTPConnection(port: port) : HTTPConnection(path)
    }

    package func get(_ target: String, _ fields: [String: String] = [:]) throws -> HTTPAnswer {
        try request("GET", target, fields)
    }

    package func request(
        _ method: String, _ target: String, _ fields: [String: String] = [:], body: String? = nil
    ) throws -> HTTPAnswer {
        let connection = try connect()
        var text = "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        for (name, value) in fields { text += "\(name): \(value)\r\n" }
        if let body {
            text += "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
        }
        connection.send(text + "\r\n" + (body ?? ""))
        return try HTTPAnswer(try connection.rest())
    }
}
