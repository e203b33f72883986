internal import Glibc
internal import SnapshotModel

/// A client of its own, so that a test knows which requests were answered: one connection, one
/// request at a time.
package final class NBDClient {
    /// What the server answered instead of doing it, as an error number.
    package struct Refusal: Error, Equatable {
        package var code: UInt32

        package init(code: UInt32) { self.code = code }
    }

    /// The export's size in bytes.
    package private(set) var byteCount = 0
    private let descriptor: Int32

    /// Connects to an export on a Unix socket.
    package init(socket path: String, export: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Problem(.failed, "socket: error \(errno)") }
        // Whatever goes wrong, no test waits for ever.
        var limit = timeval(tv_sec: 300, tv_usec: 0)
        let length = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, length)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, length)
        // What throws from here on leaves it to deinit to close the socket.
        try Self.connect(descriptor, to: path)
        try negotiate(export)
    }

    deinit { close(descriptor) }

    package func read(_ range: Range<Int>) throws -> [UInt8] {
        try request(.read, range)
        return try receive(range.count)
    }

    /// All of the export.
    package func readAll() throws -> [UInt8] {
        var content: [UInt8] = []
        content.reserveCapacity(byteCount)
        for start in stride(from: 0, to: byteCount, by: 1 << 20) {
            content += try read(start..<min(byteCount, start + 1 << 20))
        }
        return content
    }

    package func write(_ bytes: [UInt8], at offset: Int, isDurable: Bool = false) throws {
        try request(.write, offset..<offset + bytes.count, flags: isDurable ? 1 : 0, bytes)
    }

    package func flush() throws { try request(.flush, 0..<0) }

    private enum Kind: UInt16 { case read, write, disconnect, flush }

    private func request(
        _ kind: Kind, _ range: Range<Int>, flags: UInt16 = 0, _ payload: [UInt8] = []
    ) throws {
        let cookie = UInt64(range.lowerBound)
        try send(
            Wire.bytes(UInt32(0x2560_9513)) + Wire.bytes(flags) + Wire.bytes(kind.rawValue)
                + Wire.bytes(cookie) + Wire.bytes(UInt64(range.lowerBound))
                + Wire.bytes(UInt32(range.count)) + payload)
        guard try receive(UInt32.self) == 0x6744_6698 else {
            throw Problem(.failed, "this is not a simple reply")
        }
        let code = try receive(UInt32.self)
        guard try receive(UInt64.self) == cookie else {
            throw Problem(.failed, "this is another request's reply")
        }
        guard code == 0 else { throw Refusal(code: code) }
    }

    /// NBD_OPT_GO without asking for anything: simple replies only.
    private func negotiate(_ export: String) throws {
        let option: UInt32 = 7
        let magic = Array("IHAVEOPT".utf8)
        guard try receive(16) == Array("NBDMAGIC".utf8) + magic else {
            throw Problem(.failed, "this is not an NBD server")
        }
        _ = try receive(UInt16.self)
        let name = Array(export.utf8)
        try send(Wire.bytes(UInt32(3)) + magic + Wire.bytes(option))
        try send(
            Wire.bytes(UInt32(name.count + 6)) + Wire.bytes(UInt32(name.count)) + name
                + Wire.bytes(UInt16(0)))
        while true {
            _ = try receive(12)
            let type = try receive(UInt32.self)
            let data = try receive(Int(receive(UInt32.self)))
            switch type {
            case 1: return
            case 3 where data.prefix(2) == [0, 0]:
                byteCount = data[2..<10].reduce(0) { $0 << 8 | Int($1) }
            case 3: break
            default: throw Problem(.notFound, "\(export): \(String(decoding: data, as: UTF8.self))")
            }
        }
    }

    private func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Problem(.inputOutput, "the server has gone") }
            sent += count
        }
    }

    private func receive(_ count: Int) throws -> [UInt8] {
        guard count > 0 else { return [] }
        return try [UInt8](unsafeUninitializedCapacity: count) { buffer, received in
            while received < count {
                let more = recv(
                    descriptor, buffer.baseAddress.map { $0 + received }, count - received, 0)
                if more < 0, errno == EINTR { continue }
                guard more > 0 else { throw Problem(.inputOutput, "the server has gone") }
                received += more
            }
        }
    }

    private func receive<Number: FixedWidthInteger>(_: Number.Type) throws -> Number {
        try receive(Number.bitWidth / 8).reduce(0) { $0 << 8 | Number($1) }
    }

    private static func connect(_ descriptor: Int32, to path: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw Problem(.failed, "connect: error \(errno)") }
    }
}

/// Numbers as the NBD protocol sends them.
private enum Wire {
    static func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }
}
