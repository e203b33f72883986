import System
import Foundation
import Glibc
import TestKit
import Testing

/// A program that is being started has copies of all descriptors until it runs, and may have to wait
/// for a processor until then: what was given back must be free meanwhile.
@Suite struct CopiedDescriptorTests {
    private let temporary: TemporaryFolder

    init() { temporary = TemporaryFolder() }

    /// A copy of this process's descriptor for a file, as a fork makes one.
    private func copyDescriptor(of path: String) throws -> Int32 {
        let numbers = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        let found = numbers.compactMap { Int32($0) }.first { number in
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)"))
                == path
        }
        return dup(try #require(found))
    }

    /// A copy of this process's descriptor that listens under a name. The machine's list of sockets has
    /// others' of that name as well, and passes over some while others come and go.
    private func copyListener(name: String) throws -> Int32 {
        let numbers = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        let found = numbers.compactMap { Int32($0) }.first { number in
            var accepts: Int32 = 0
            var length = socklen_t(MemoryLayout<Int32>.size)
            guard getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &length) == 0,
                accepts == 1
            else { return false }
            return path(ofSocket: number).hasSuffix("/" + name)
        }
        return dup(try #require(found))
    }

    private func path(ofSocket number: Int32) -> String {
        var address = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(number, $0, &length)
            }
        }
        guard status == 0, address.sun_family == sa_family_t(AF_UNIX) else { return "" }
        return withUnsafeBytes(of: address.sun_path) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    @Test("a lock that was given back can be taken while a copy of its descriptor is open")
    func fileLock() throws {
        let path = temporary.path + "/lock"
        var lock = try FileLock.acquire(path: path)
        #expect(lock != nil)
        let copy = try copyDescriptor(of: path)
        defer { close(copy) }
        lock = nil
        #expect(try !FileLock.isHeld("lock", in: temporary.folder))
        lock = try FileLock.acquire(path: path)
        #expect(lock != nil)
    }

    @Test("an origin that was given back can be locked while a copy of its descriptor is open")
    func origin() throws {
        _ = try temporary.folder.createFile("origin", byteCount: 4096)
        let path = temporary.path + "/origin"
        func open() throws -> OriginFile {
            try OriginFile(path: path, isWritable: true, followsLink: false)
        }
        var origin: OriginFile? = try open()
        #expect(try origin?.lock() == true)
        let copy = try copyDescriptor(of: path)
        defer { close(copy) }
        origin = nil
        #expect(try open().lock())
    }

    @Test("nobody can connect to a socket that is listened on no more while a copy of it is open")
    func listener() throws {
        let folder = temporary.path
        var listener: LocalListener? = try LocalListener(folder: folder, name: "copied-socket")
        _ = try LocalSocket.connect(
            folder: folder, name: "copied-socket", milliseconds: 5000)
        let copy = try copyListener(name: "copied-socket")
        defer { close(copy) }
        #expect(listener != nil)
        listener = nil
        #expect(throws: IOFailure.self) {
            _ = try LocalSocket.connect(
                folder: folder, name: "copied-socket", milliseconds: 5000)
        }
    }
}
