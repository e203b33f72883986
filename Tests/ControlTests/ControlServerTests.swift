import System
import Control
import ImageDriver
import StoreFormat
import VolumeAccess
import FoundationEssentials
import MergeKit
import SnapshotModel
import Testing

@Suite("The control server")
struct ControlServerTests {
    private func problemCode(_ message: ControlMessage?) -> Problem.Code? {
        guard case .problem(let problem) = message else { return nil }
        return problem.code
    }

    @Test("Garbage is answered with a usage error, and the connection goes on")
    func garbage() throws {
        let volume = try TestVolume()
        try volume.served { _ in
            let client = try volume.connectBare()
            try client.send("hello\n\n{\"version\":1,\"request\":{\"mergeStatus\":{}}}\n")
            #expect(problemCode(try client.receive()) == .usage)
            #expect(problemCode(try client.receive()) == .usage)
            #expect(try client.receive() == .reply(.merge(nil)))
        }
    }

    @Test("A newer protocol is refused as such")
    func newerVersion() throws {
        let volume = try TestVolume()
        try volume.served { _ in
            let client = try volume.connectBare()
            try client.send("{\"version\":99,\"request\":{}}\n")
            #expect(problemCode(try client.receive()) == .newerVersion)
        }
    }

    @Test("A line without an end is refused, and the connection ends")
    func endlessLine() throws {
        let volume = try TestVolume()
        try volume.served { _ in
            let client = try volume.connectBare()
            let part = String(repeating: "x", count: 1 << 16)
            // The server may hang up before all of it was sent.
            for _ in 0..<17 { try? client.send(part) }
            #expect(problemCode(try client.receive()) == .usage)
            #expect((try? client.receive()) == nil)
            #expect(try volume.connect().snapshotIDs() == [])
        }
    }

    @Test("A request that comes byte by byte is understood")
    func slowClient() throws {
        let volume = try TestVolume()
        try volume.served { _ in
            let client = try volume.connectBare()
            for character in "{\"version\":1,\"request\":{\"mergeStatus\":{}}}\n" {
                try client.send(String(character))
            }
            #expect(try client.receive() == .reply(.merge(nil)))
        }
    }

    @Test("A script may end its sending and still reads the answers")
    func halfClosed() throws {
        let volume = try TestVolume()
        try volume.served { _ in
            let client = try volume.connectBare()
            try client.send("{\"version\":1,\"request\":{\"waitForMerge\":{}}}\n")
            client.socket.endSending()
            #expect(try client.receive() == .reply(.merge(nil)))
            #expect(try client.receive() == nil)
        }
    }

    @Test("Any number of silent clients keeps nobody out")
    func silentClients() throws {
        let volume = try TestVolume()
        try volume.served { _ in
            var silent: [BareClient] = []
            for _ in 0..<ControlLimits.connections + 10 {
                silent.append(try volume.connectBare())
            }
            #expect(try volume.connect().snapshotIDs() == [])
            // The one that was silent longest had to go, the newest stays.
            #expect(try silent[0].receive() == nil)
            try silent[silent.count - 1].send("{\"version\":1,\"request\":{\"mergeStatus\":{}}}\n")
            #expect(try silent[silent.count - 1].receive() == .reply(.merge(nil)))
        }
    }

    @Test("A client that has something prepared is not turned out for a newer one")
    func busyClientStays() throws {
        let volume = try TestVolume()
        try volume.served { _ in
            let session = try volume.connect()
            _ = try session.perform(.prepareSnapshot(.test(1)))
            var silent: [BareClient] = []
            for _ in 0..<ControlLimits.connections { silent.append(try volume.connectBare()) }
            _ = try session.perform(.holdIO(milliseconds: 20_000))
            _ = try session.perform(.commit)
            _ = try session.perform(.releaseIO)
            #expect(try session.snapshotIDs() == [1])
        }
    }

    @Test("Stopping ends sessions and undoes what they hold")
    func stop() throws {
        let volume = try TestVolume()
        let host = try volume.open()
        let server = try ControlServer.start(storePath: host.storePath) {
            LocalSession(host: host, ownsHost: false)
        }
        let session = try volume.connect()
        _ = try session.perform(.prepareSnapshot(.test(1)))
        _ = try session.perform(.holdIO(milliseconds: 20_000))
        server.stop()
        try host.engine.fill(1)
        let problem = #expect(throws: Problem.self) { try session.perform(.status) }
        #expect(problem?.code == .interrupted)
        try host.close()
        #expect(!FileManager.default.fileExists(atPath: volume.storePath + "/control.sock"))
    }

    @Test("What a client that was greeted asks at once is answered although the server stops")
    func stopAfterGreeting() throws {
        let volume = try TestVolume()
        var patience = StopPatience()
        patience.busy = 300_000
        patience.silent = 300_000
        try volume.stopped(patience) { session in
            // Long enough for a server that does not wait.
            BackgroundThread.sleep(milliseconds: 100)
            for _ in 0..<2 {
                let ids = try session.snapshotIDs()
                #expect(ids == [])
            }
            session.close()
        }
    }

    @Test("A server that stops waits for nobody who has been silent for long")
    func stopWhileSilent() throws {
        let volume = try TestVolume()
        var patience = StopPatience()
        patience.busy = 300_000
        patience.silent = 0
        let deadline = Deadline(milliseconds: patience.busy)
        try volume.stopped(patience) { _ in }
        #expect(!deadline.hasPassed)
    }

    @Test("The socket of a server that was killed is replaced")
    func staleSocket() throws {
        let volume = try TestVolume()
        do { _ = try LocalListener(folder: volume.storePath, name: "control.sock") }
        #expect(FileManager.default.fileExists(atPath: volume.storePath + "/control.sock"))
        #expect(try RemoteSession.connect(storePath: volume.storePath) == nil)
        let ids = try volume.served { _ in try volume.connect().snapshotIDs() }
        #expect(ids == [])
    }

    @Test("A store's path may be longer than a socket's address")
    func longPath() throws {
        let part = String(repeating: "x", count: 100)
        let volume = try TestVolume(subfolder: "\(part)/\(part)/store")
        let ids = try volume.served { _ in try volume.connect().snapshotIDs() }
        #expect(ids == [])
    }

    @Test("Only the owner may open the socket")
    func mode() throws {
        let volume = try TestVolume()
        try volume.served { _ in
            let attributes = try FileManager.default.attributesOfItem(
                atPath: volume.storePath + "/control.sock")
            #expect((attributes[.posixPermissions] as? Int) == 0o600)
        }
    }

    @Test(
        "The same user and root are welcome, others are not",
        arguments: [(1000, 1000, true), (0, 1000, true), (1001, 1000, false), (1000, 0, false)]
            as [(UInt32, UInt32, Bool)])
    func users(user: UInt32, owner: UInt32, isWelcome: Bool) {
        #expect(ControlServer.isWelcome(user: user, owner: owner) == isWelcome)
    }
}
