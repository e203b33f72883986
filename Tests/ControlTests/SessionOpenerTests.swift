import System
import Control
import ImageDriver
import StoreFormat
import VolumeAccess
import Foundation
import SnapshotModel
import Testing

@Suite("Opening a volume")
struct SessionOpenerTests {
    private let options = VolumeHost.Options(purpose: "a test")

    @Test("A volume that nobody has open is opened here, and given free again")
    func local() throws {
        let volume = try TestVolume()
        for _ in 0..<2 {
            let session = try SessionOpener.open(storePath: volume.storePath, options: options)
            #expect(!session.mergesByItself)
            session.close()
        }
    }

    @Test("A volume that is served is reached over its socket")
    func remote() throws {
        let volume = try TestVolume()
        try volume.served { _ in
            let session = try SessionOpener.open(storePath: volume.storePath, options: options)
            defer { session.close() }
            #expect(session.mergesByItself)
            #expect(try session.snapshotIDs() == [])
        }
    }

    @Test("A volume that a command has open is locked, and the holder is named")
    func locked() throws {
        let volume = try TestVolume()
        let host = try volume.open()
        let problem = #expect(throws: Problem.self) {
            try SessionOpener.open(storePath: volume.storePath, options: options)
        }
        #expect(problem?.code == .locked)
        #expect(problem?.message.contains("process \(getpid()) (a test)") == true)
        try host.close()
        try SessionOpener.open(storePath: volume.storePath, options: options).close()
    }

    @Test("An opener waits for a holder that is just ending")
    func waits() throws {
        let volume = try TestVolume()
        let host = try volume.open()
        let hasClosed = Monitored(false)
        let thread = try BackgroundThread.startIfPossible(name: "closer") {
            BackgroundThread.sleep(milliseconds: 300)
            try? host.close()
            hasClosed.change { $0 = true }
        }
        // It waits for some seconds, in which a busy machine may not get the volume closed.
        var session: (any VolumeSession)?
        while session == nil {
            let wasClosed = hasClosed.withLock { $0 }
            do {
                session = try SessionOpener.open(storePath: volume.storePath, options: options)
            } catch {
                guard error.code == .locked, !wasClosed else { throw error }
            }
        }
        #expect(session?.mergesByItself == false)
        session?.close()
        thread.join()
    }

    @Test("The lock of a process that was killed is free")
    func deadHolder() throws {
        let volume = try TestVolume()
        let holder = Process()
        holder.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
        holder.arguments = ["--no-fork", volume.storePath + "/lock", "sleep", "6000"]
        try holder.run()
        let lockPath = volume.storePath + "/lock"
        while try FileLock.acquire(path: lockPath) != nil {
            BackgroundThread.sleep(milliseconds: 10)
        }
        let problem = #expect(throws: Problem.self) { try volume.open() }
        #expect(problem?.code == .locked)
        kill(holder.processIdentifier, SIGKILL)
        holder.waitUntilExit()
        try volume.open().close()
    }

    @Test("A folder that is not a store is left as it was")
    func noStore() throws {
        let volume = try TestVolume()
        let empty = volume.folder + "/empty"
        try FileManager.default.createDirectory(
            atPath: empty, withIntermediateDirectories: false)
        let problem = #expect(throws: Problem.self) {
            try SessionOpener.open(storePath: empty, options: options)
        }
        #expect(problem?.code == .notFound)
        #expect(try FileManager.default.contentsOfDirectory(atPath: empty) == [])
    }

    @Test("A missing origin is named")
    func noOrigin() throws {
        let volume = try TestVolume()
        try FileManager.default.removeItem(atPath: volume.originPath)
        let problem = #expect(throws: Problem.self) { try volume.open() }
        #expect(problem?.code == .missing)
        #expect(problem?.message.contains(volume.originPath) == true)
    }
}
