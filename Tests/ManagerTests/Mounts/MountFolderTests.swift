import Foundation
import SnapshotModel
import System
import Testing

@testable import Manager

/// The records of mounts in a state folder.
@Suite struct MountFolderTests {
    private func record(
        _ number: Int, snapshot: Int64 = 1, clone: String? = nil
    ) throws -> MountRecord {
        let process = try #require(ProcessIdentity(id: getpid()))
        return MountRecord(
            number: number, volume: "data", snapshot: SnapshotID(rawValue: snapshot), clone: clone,
            folder: "/mnt", isReadOnly: clone == nil, mountedAt: Timestamp(clampingSeconds: 7),
            storePath: "/nowhere",
            server: process, socket: "/run/nbd.sock", ownsServer: true, helpers: [process],
            hasLoop: true, label: "snapmgr-mount-\(number)")
    }

    @Test("records are read as they were written, by number, and numbers are used again")
    func roundTrip() throws {
        let fixture = try ManagerFixture()
        let folder = MountFolder(fixture.options.state)
        #expect(try folder.records().isEmpty && !folder.mayHoldMounts)
        #expect(try folder.freeNumber() == 1)
        let records = [try record(1), try record(2, clone: "trial")]
        for record in records.reversed() { try folder.write(record) }
        #expect(try folder.records() == records)
        #expect(folder.mayHoldMounts)
        try folder.remove(1)
        try folder.remove(1)
        #expect(try folder.freeNumber() == 1)
    }

    @Test(
        "a record that is damaged, another's or newer is an error, and not taken for none",
        arguments: [
            ("", Problem.Code.corrupt), ("{\"version\":1}\n", .corrupt),
            ("{\"version\":2}\n", .newerVersion),
        ])
    func damaged(text: String, code: Problem.Code) throws {
        let fixture = try ManagerFixture()
        let folder = MountFolder(fixture.options.state)
        try folder.write(try record(try folder.freeNumber()))
        let path = fixture.options.state.path + "/mounts/1.json"
        try Data(text.utf8).write(to: URL(filePath: path))
        let problem = #expect(throws: Problem.self) { _ = try folder.records() }
        #expect(problem?.code == code)
        #expect(problem?.message.contains(path) == true)
    }

    @Test("a record under another number is none")
    func renamed() throws {
        let fixture = try ManagerFixture()
        let folder = MountFolder(fixture.options.state)
        try folder.write(try record(try folder.freeNumber()))
        let path = fixture.options.state.path + "/mounts"
        try FileManager.default.moveItem(atPath: path + "/1.json", toPath: path + "/2.json")
        #expect(throws: Problem.self) { _ = try folder.records() }
    }

    @Test("a clone is read by its volume's name, too: another volume may be called like it")
    func export() throws {
        #expect(try MountParts.uri(record(1)).hasPrefix("nbd+unix:///data%401?socket="))
        #expect(
            try MountParts.uri(record(2, clone: "trial"))
                .hasPrefix("nbd+unix:///data%40trial?socket="))
    }

    @Test("no volume's name makes its server's log that of a mount")
    func logs() throws {
        let folder = MountFolder(try ManagerFixture().options.state)
        let logs = Set((1...3).map(folder.logPath))
        for volume in ["1", "2", "3", "2.server", "2.log"] {
            #expect(!logs.contains(folder.serverLogPath(volume)))
            #expect(!logs.contains(folder.socketPath(volume)))
        }
    }

    @Test(
        "what is left of one mount and cannot be ended is said, and keeps nothing from the others")
    func sweepGoesOn() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("data")
        let id = try #require(try fixture.snapshot("data").first)
        let folder = MountFolder(fixture.options.state)
        for number in 1...2 {
            var left = try record(try folder.freeNumber(), snapshot: id.rawValue)
            left.filesystem = "ext4"
            left.folder = fixture.folder + "/nowhere\(number)"
            left.helpers[0].startTicks += 1
            left.server.startTicks += 1
            left.ownsServer = number == 1
            if number == 1 { left.volume = "stuck" }
            try folder.write(left)
        }
        // It cannot be removed as a file.
        try FileManager.default.createDirectory(
            atPath: folder.serverLogPath("stuck"), withIntermediateDirectories: false)
        _ = try fixture.manager.deletions.delete(["\(id)"], isDryRun: false)
        #expect(try folder.records().isEmpty)
        #expect(fixture.notes.all.contains { $0.contains("nowhere1") && $0.contains("stays") })
        #expect(
            fixture.notes.all.contains { $0.contains("nowhere2") && $0.contains("not any more") })
    }

    @Test("what is left of a mount that cannot be used holds no snapshot")
    func brokenHoldsNothing() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("data")
        let id = try #require(try fixture.snapshot("data").first)
        try fixture.snapshot("data")
        let folder = MountFolder(fixture.options.state)
        var left = try record(try folder.freeNumber(), snapshot: id.rawValue)
        left.filesystem = "ext4"
        left.folder = fixture.folder + "/nowhere"
        left.ownsServer = false
        left.helpers[0].startTicks += 1
        try folder.write(left)
        let before = try fixture.manager.mounts.list()
        #expect(before.map(\.state) == [.broken])
        _ = try fixture.manager.deletions.delete(["\(id)"], isDryRun: false)
        #expect(try fixture.manager.mounts.list().isEmpty)
        #expect(fixture.notes.all.contains { $0.contains("is not any more") })
    }
}

/// Processes that go on, told from others.
@Suite struct DetachedProgramTests {
    @Test("a program goes on as nobody's child, and its last words are known")
    func program() throws {
        let fixture = try ManagerFixture()
        let log = fixture.folder + "/log"
        let program = try DetachedProgram(
            ["/bin/sh", "-c", "echo one; echo two; exec sleep 1000"], logPath: log)
        #expect(program.identity.isRunning)
        #expect(kill(program.identity.id, 0) == 0)
        #expect(waitpid(program.identity.id, nil, WNOHANG) == -1)
        while program.lastWords != "two" { usleep(1000) }
        program.identity.send(SIGTERM)
        #expect(program.identity.awaitEnd(milliseconds: 60_000))
        #expect(program.hasEnded)
    }

    @Test("a program that cannot be started is an error")
    func missing() throws {
        let fixture = try ManagerFixture()
        let failure = #expect(throws: IOFailure.self) {
            _ = try DetachedProgram(["/nowhere/at-all"], logPath: fixture.folder + "/log")
        }
        #expect(failure?.code == ENOENT)
    }

    @Test("a process of the same number that began at another time is another one")
    func identity() throws {
        var identity = try #require(ProcessIdentity(id: getpid()))
        #expect(identity.isRunning)
        identity.startTicks += 1
        #expect(!identity.isRunning)
        #expect(ProcessIdentity(id: 0) == nil)
        #expect(ProcessIdentity(id: -1) == nil)
    }
}
