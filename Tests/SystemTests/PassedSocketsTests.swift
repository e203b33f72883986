import System
import Glibc
import SnapshotModel
import Testing

/// Numbers of descriptors belong to the whole process.
@Suite(.serialized) struct PassedSocketsTests {
    /// Far from those that other tests get.
    private static let first: Int32 = 900

    @Test("R13: nothing else gets the numbers that sockets are passed on with")
    func kept() throws {
        let passing = try PassedSockets(first: Self.first)
        let file = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, Self.first)
        defer { close(file) }
        #expect(file >= Self.first + Int32(PassedSockets.countMaximum))

        let sockets = try ListeningSocket.openTCP(address: "127.0.0.1", port: 0)
        #expect(sockets.count == 1)
        try passing.pass(sockets)
        #expect(try !ListeningSocket.isUnix(Self.first))
        #expect(fcntl(Self.first, F_GETFD) == 0)
        // What was kept and is not needed ends with this program.
        #expect(fcntl(Self.first + 1, F_GETFD) == FD_CLOEXEC)
        #expect(fcntl(file, F_GETFD) == FD_CLOEXEC)

        passing.takeBack()
        #expect(fcntl(Self.first, F_GETFD) == -1)
    }

    @Test("an address that is taken, or not this machine's, cannot be listened on")
    func cannotListen() throws {
        let sockets = try ListeningSocket.openTCP(address: "127.0.0.1", port: 0)
        defer { for socket in sockets { close(socket) } }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = getsockname(sockets[0], $0, &length)
            }
        }
        let port = Int(UInt16(bigEndian: address.sin_port))
        for (name, port) in [("127.0.0.1", port), ("192.0.2.1", 0), ("no.such.invalid", 1)] {
            let problem = #expect(throws: Problem.self) {
                try ListeningSocket.openTCP(address: name, port: port)
            }
            #expect(problem?.code == .cannotListen)
        }
    }
}
