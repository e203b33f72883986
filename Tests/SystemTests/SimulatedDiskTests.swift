import System
import Glibc
import TestKit
import Testing

@Suite("The simulated disk keeps and loses what a real one does")
struct SimulatedDiskTests {
    private let disk = SimulatedDisk()

    private func image(_ mode: CrashMode, seed: UInt64 = 1) -> SimulatedDisk {
        var random = SeededGenerator(seed: seed)
        return disk.crashImage(using: &random, mode: mode)
    }

    private func ones(_ count: Int) -> [UInt8] { [UInt8](repeating: 1, count: count) }

    @Test("a power cut takes what was not synced; a killed process takes nothing")
    func unsyncedContent() throws {
        let origin = disk.origin()
        try origin.resize(to: 2048)
        try origin.write(ones(1024), at: 0)
        try origin.sync()
        try origin.write(ones(1024), at: 1024)
        #expect(try image(.keepAll).origin().content(0..<2048) == ones(2048))
        let cut = try image(.dropAll).origin().content(0..<2048)
        #expect(cut == ones(1024) + [UInt8](repeating: 0, count: 1024))
    }

    @Test("unsynced sectors survive each on its own, and never in part")
    func tornWrites() throws {
        let origin = disk.origin()
        try origin.resize(to: 4096)
        try origin.sync()
        try origin.write(ones(4096), at: 0)
        var seen: Set<[Bool]> = []
        for seed in 0..<50 {
            let bytes = try image(.random, seed: UInt64(seed)).origin().content(0..<4096)
            let sectors = stride(from: 0, to: 4096, by: 512).map { bytes[$0..<$0 + 512] }
            #expect(sectors.allSatisfy { Set($0).count == 1 })
            seen.insert(sectors.map { $0.first == 1 })
        }
        #expect(seen.count > 20)
    }

    @Test("a synced file without a synced name is lost")
    func unsyncedName() throws {
        try disk.writeFile("x", [1])
        #expect(try image(.keepAll).exists("x"))
        #expect(try !image(.dropAll).exists("x"))
        try disk.syncFolder("")
        #expect(try image(.dropAll).readFile("x", limitBytes: 1) == [1])
    }

    @Test("a rename that is not synced leaves the old file")
    func unsyncedRename() throws {
        try disk.writeFile("x", [1])
        try disk.syncFolder("")
        try disk.writeFile("x.new", [2])
        try disk.rename("x.new", to: "x")
        #expect(try image(.dropAll).readFile("x", limitBytes: 1) == [1])
        for seed in 0..<20 {
            let content = try image(.random, seed: UInt64(seed)).readFile("x", limitBytes: 1)
            #expect(content == [1] || content == [2])
        }
        try disk.syncFolder("")
        #expect(try image(.dropAll).readFile("x", limitBytes: 1) == [2])
    }

    @Test("a name that is durable before the content leads to an empty file")
    func nameBeforeContent() throws {
        let file = try disk.createFile("x", byteCount: 1000)
        try file.write([1], at: 0)
        try disk.syncFolder("")
        #expect(try image(.dropAll).readFile("x", limitBytes: 1000) == [])
    }

    @Test("a removal that is not synced brings the file back")
    func unsyncedRemoval() throws {
        try disk.writeFile("x", [5])
        try disk.syncFolder("")
        try disk.removeFile("x")
        #expect(try image(.dropAll).readFile("x", limitBytes: 1) == [5])
        try disk.syncFolder("")
        #expect(try !image(.dropAll).exists("x"))
    }

    @Test("a sync that failed loses for ever what it should have saved, unseen until a crash")
    func lostSync() throws {
        let origin = disk.origin()
        try origin.resize(to: 512)
        try origin.sync()
        try origin.write(ones(512), at: 0)
        disk.faults = FaultPlan(.lostSync, kinds: [.sync], after: 0, isPermanent: false)
        #expect(throws: IOFailure.self) { try origin.sync() }
        try origin.sync()
        #expect(try origin.content(0..<1) == [1])
        #expect(try image(.dropAll).origin().content(0..<1) == [0])
    }

    @Test("the k-th operation fails, once or from then on")
    func faults() throws {
        let origin = disk.origin()
        try origin.resize(to: 4096)
        disk.faults = FaultPlan(.error(EIO), kinds: [.write], after: 1, isPermanent: false)
        try origin.write(ones(1), at: 0)
        #expect(throws: IOFailure.self) { try origin.write(ones(1), at: 0) }
        try origin.write(ones(1), at: 0)
        disk.faults = FaultPlan(.tornWrite, kinds: [.write], after: 0, isPermanent: true)
        for _ in 0..<2 {
            #expect(throws: IOFailure.self) { try origin.write(ones(2048), at: 0) }
        }
        #expect(try origin.content(0..<2048) == ones(1024) + [UInt8](repeating: 0, count: 1024))
    }

    @Test("a full disk takes what fits, and punching makes room")
    func space() throws {
        let origin = disk.origin()
        try origin.resize(to: 16_384)
        disk.capacityBytes = 8192
        #expect(throws: IOFailure("write", path: origin.path, code: ENOSPC)) {
            try origin.write(ones(16_384), at: 0)
        }
        #expect(try origin.content(8191..<8193) == [1, 0])
        #expect(try disk.freeBytes() == 0)
        try origin.punch(0..<4096)
        try origin.write(ones(4096), at: 8192)
        #expect(try origin.firstData(in: 0..<16_384) == 4096..<12_288)
    }

    @Test("an image and the disk it was taken of do not share what is written later")
    func independence() throws {
        let origin = disk.origin()
        try origin.resize(to: 512)
        try origin.write([1], at: 0)
        let image = image(.keepAll)
        try image.origin().write([2], at: 0)
        try image.writeFile("x", [1])
        #expect(try origin.content(0..<1) == [1])
        #expect(try image.origin().content(0..<1) == [2])
        #expect(try !disk.exists("x"))
    }
}
