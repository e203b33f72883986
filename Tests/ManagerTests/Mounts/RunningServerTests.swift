import Glibc
import Testing

@testable import Manager

@Suite("Who serves a volume") struct RunningServerTests {
    @Test(
        "a socket has a listener from when a server begins until it has gone, whatever is left of it"
    )
    func listeners() throws {
        let fixture = try ManagerFixture()
        let path = fixture.folder + "/clients.sock"
        #expect(!RunningServer.hasListener(path))
        let descriptor = try NBDSocket(path: path).listen()
        #expect(RunningServer.hasListener(path))
        #expect(!RunningServer.hasListener(fixture.folder + "/client.sock"))
        close(descriptor)
        #expect(!RunningServer.hasListener(path))
        #expect(access(path, F_OK) == 0)
    }
}
