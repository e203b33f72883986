import Glibc
import TestKit
import Testing

@testable import System

@Suite("A sync is left out only when all changes that have ended are durable")
struct SyncedChangesTests {
    private let temporary = TemporaryFolder()

    @Test("the first is made, and no other before something has changed")
    func first() throws {
        let changes = SyncedChanges()
        var count = 0
        for _ in 0..<2 { try changes.sync { count += 1 } }
        #expect(count == 1)
        changes.note()
        for _ in 0..<2 { try changes.sync { count += 1 } }
        #expect(count == 2)
    }

    @Test("what has ended while a sync went on needs another one")
    func meanwhile() throws {
        let changes = SyncedChanges()
        var count = 0
        try changes.sync { changes.note() }
        try changes.sync { count += 1 }
        #expect(count == 1)
    }

    @Test("who comes while another one syncs makes a sync of his own")
    func overlapping() throws {
        let changes = SyncedChanges()
        try changes.sync {}
        changes.note()
        var count = 0
        try changes.sync { () throws(IOFailure) in try changes.sync { count += 1 } }
        #expect(count == 1)
    }

    @Test("a sync that failed has made nothing durable")
    func failed() throws {
        let changes = SyncedChanges()
        #expect(throws: IOFailure.self) {
            try changes.sync { () throws(IOFailure) in throw .inputOutput("sync", path: "x") }
        }
        var count = 0
        try changes.sync { count += 1 }
        #expect(count == 1)
    }

    enum Change: CaseIterable {
        case write, punch, resize, allocate, copy, failedWrite
    }

    @Test("whatever changes a file is noted", arguments: Change.allCases)
    func noted(change: Change) throws {
        let source = try FileDevice(path: temporary.path + "/source", access: .create)
        try source.resize(to: 65_536)
        _ = try FileDevice(path: temporary.path + "/file", access: .create).resize(to: 65_536)
        let file = try FileDevice(
            path: temporary.path + "/file", access: .readWrite,
            isCutAnError: change == .failedWrite,
            skipsNeedlessSyncs: true)
        #expect(file.hasChanged)
        try file.sync()
        #expect(!file.hasChanged)
        switch change {
        case .write: try file.write([1, 2, 3].span.bytes, at: 100)
        case .punch: try file.punch(0..<4096)
        case .resize: try file.resize(to: 32_768)
        case .allocate: try file.allocate(0..<4096)
        case .copy:
            let range = CopyRange(sourceOffset: 0, destinationOffset: 0, byteCount: 4096)
            _ = try file.copyRange(range, from: source, by: .copyFileRange)
        case .failedWrite:
            // Some of it may have been written.
            try file.resize(to: 8192)
            try file.sync()
            try? file.write([UInt8](repeating: 1, count: 512).span.bytes, at: 0)
        }
        #expect(file.hasChanged)
        try file.sync()
        #expect(!file.hasChanged)
    }
}
