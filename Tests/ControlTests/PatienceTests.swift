import System
import Control
import ImageDriver
import StoreFormat
import VolumeAccess
import Foundation
import SnapshotModel
import Testing

/// A client waits for a server only for so long, and a server that is only slow is not given up.
@Suite("Patience")
struct PatienceTests {
    @Test(
        "H5: a server that greets and then is silent is told, with its process",
        arguments: [true, false])
    func silent(hasBeats: Bool) throws {
        let volume = try TestVolume()
        let greeting = hasBeats ? try ControlWire.greeting() : try ControlWire.encode(.reply(.done))
        try FakeServer.run(volume, [greeting]) {
            var patience = ServerPatience.ofTests
            (patience.silence, patience.silenceOfOlder) = hasBeats ? (100, 600_000) : (600_000, 100)
            let session = try #require(
                try RemoteSession.connect(storePath: volume.storePath, patience: patience))
            let problem = #expect(throws: Problem.self) { try session.perform(.collect) }
            #expect(problem?.code == .failed)
            #expect(problem?.message.contains("process \(getpid())") == true)
            #expect(problem?.hint?.description.contains("kill -CONT \(getpid())") == true)
            // What might still come is no answer to another request.
            #expect(throws: Problem.self) { try session.perform(.status) }
        }
    }

    @Test("H5: a server that does not greet is told")
    func noGreeting() throws {
        let volume = try TestVolume()
        try FakeServer.run(volume, []) {
            var patience = ServerPatience()
            patience.greeting = 100
            let problem = #expect(throws: Problem.self) {
                try RemoteSession.connect(storePath: volume.storePath, patience: patience)
            }
            #expect(problem?.message.contains("does not answer") == true)
        }
    }

    @Test("H5: signs of life without an end are no answer")
    func onlySigns() throws {
        let volume = try TestVolume()
        let lines = [try ControlWire.greeting()]
        try FakeServer.run(volume, lines, endless: try ControlWire.encode(.working)) {
            var patience = ServerPatience.ofTests
            patience.look = 200
            let session = try #require(
                try RemoteSession.connect(storePath: volume.storePath, patience: patience))
            let problem = #expect(throws: Problem.self) { try session.perform(.status) }
            #expect(problem?.message.contains("in time") == true)
        }
    }

    @Test("H5: a client passes over signs of life")
    func signs() throws {
        let volume = try TestVolume()
        let working = try ControlWire.encode(.working)
        let lines = [
            try ControlWire.greeting(), working, working,
            try ControlWire.encode(.reply(.merge(nil))), working,
            try ControlWire.encode(.reply(.exported(bytes: 7))),
        ]
        try FakeServer.run(volume, lines) {
            let session = try volume.connect()
            #expect(try session.perform(.mergeStatus) == .merge(nil))
            #expect(try session.perform(.collect) == .exported(bytes: 7))
        }
    }

    @Test("H5: a server at work on a long request gives signs of life to who wants them")
    func beats() throws {
        let volume = try TestVolume()
        var patience = Patience()
        patience.change = 600_000
        try volume.served(patience: patience) { _ in
            let holder = try volume.connect()
            #expect(try holder.perform(.prepareSnapshot(.test(1))) == .done)
            let waiting = try volume.connectBare()
            let request = try ControlWire.encode(.snapshot(.test(2)), wantsBeats: true)
            try waiting.send(String(decoding: request, as: UTF8.self))
            #expect(try waiting.receive() == .working)
            #expect(try waiting.receive() == .working)
            _ = try holder.perform(.releaseIO)
            var last = try waiting.receive()
            while last == .working { last = try waiting.receive() }
            guard case .reply(.snapshot) = last else {
                Issue.record("another answer: \(String(describing: last))")
                return
            }
        }
    }

    @Test("H5: an older client gets no signs of life, and reads the greeting")
    func olderClient() throws {
        let greeting = try ControlWire.greeting()
        #expect(try ControlWire.decodeMessage([UInt8](greeting.dropLast())) == .reply(.done))
        #expect(try ControlWire.decodeGreeting([UInt8](greeting.dropLast())).hasBeats)
        let older = try ControlWire.encode(.reply(.done))
        #expect(try !ControlWire.decodeGreeting([UInt8](older.dropLast())).hasBeats)
        let request = try ControlWire.encode(.status)
        #expect(try !ControlWire.decodeAsked([UInt8](request.dropLast())).wantsBeats)
        let wanting = try ControlWire.encode(.status, wantsBeats: true)
        #expect(try ControlWire.decodeAsked([UInt8](wanting.dropLast())).wantsBeats)
    }

    @Test(
        "H5: a client trusts root's server and its own, and no other",
        arguments: [(0, 1000, true), (1000, 1000, true), (1000, 0, false), (1001, 1000, false)]
            as [(UInt32, UInt32, Bool)])
    func users(server: UInt32, client: UInt32, isTrusted: Bool) {
        #expect(RemoteSession.isTrusted(server: server, by: client) == isTrusted)
    }

    @Test(
        "H5: what another user's process says on the control socket is not believed",
        .enabled(if: geteuid() == 0, "needs root"))
    func strangersServer() throws {
        let volume = try TestVolume()
        let socket = volume.storePath + "/control.sock"
        chmod(volume.folder, 0o711)
        chmod(volume.storePath, 0o777)
        let stranger = Process()
        stranger.executableURL = URL(filePath: "/usr/bin/setpriv")
        stranger.arguments = [
            "--reuid=65534", "--regid=65534", "--clear-groups", "nbdkit", "--foreground",
            "--unix", socket, "null",
        ]
        try stranger.run()
        defer {
            // It may have been started with all other signals blocked.
            kill(stranger.processIdentifier, SIGKILL)
            stranger.waitUntilExit()
        }
        while stranger.isRunning, !FileManager.default.fileExists(atPath: socket) {
            BackgroundThread.sleep(milliseconds: 10)
        }
        chmod(volume.storePath, 0o700)
        var found: Problem?
        while found == nil, stranger.isRunning {
            // It has made the socket, and may not listen yet.
            do {
                _ = try RemoteSession.connect(
                    storePath: volume.storePath, patience: ServerPatience.ofTests)
            } catch { found = error }
        }
        #expect(found?.code == .refused)
        #expect(found?.message.contains("user 65534") == true)
        #expect(found?.hint?.description.contains("\(stranger.processIdentifier)") == true)
    }

    @Test("What is not a socket is not replaced by a server's")
    func notSocket() throws {
        let volume = try TestVolume()
        let path = volume.storePath + "/control.sock"
        try Data("mine".utf8).write(to: URL(filePath: path))
        #expect(throws: Problem.self) { try volume.served { _ in } }
        #expect(try Data(contentsOf: URL(filePath: path)) == Data("mine".utf8))
    }
}

/// Says what it is told to, whatever it is asked.
private enum FakeServer {
    /// - Parameter endless: said again and again after the other lines.
    static func run(
        _ volume: TestVolume, _ lines: [[UInt8]], endless: [UInt8]? = nil,
        _ body: () throws -> Void
    ) throws {
        let listener = try LocalListener(folder: volume.storePath, name: "control.sock")
        let isEnding = Monitored(false)
        let thread = BackgroundThread.start(name: "fake-server") {
            guard let socket = try? listener.accept() else { return }
            for line in lines { try? socket.send(line.span.bytes) }
            let end = Deadline(milliseconds: 600_000)
            while !end.hasPassed, let endless, (try? socket.send(endless.span.bytes)) != nil {
                BackgroundThread.sleep(milliseconds: 10)
            }
            // Whoever waits for ever for it sees the connection end.
            _ = isEnding.wait(milliseconds: 600_000) { $0 ? true : nil }
        }
        defer {
            isEnding.change { $0 = true }
            listener.stop()
            thread.join()
        }
        try body()
    }
}
