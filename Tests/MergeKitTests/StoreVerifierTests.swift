import System
import StoreFormat
import SnapshotModel
import TestKit
import Testing
import MergeKit

@Suite("The check finds each kind of damage, says what to do, and mends what it says")
struct StoreVerifierTests {
    /// Snapshots 1 and 2 of a volume of four chunks, closed.
    private func makeVolume() throws -> EngineFixture {
        let volume = try EngineFixture(chunks: 4)
        try volume.write(1, to: 0..<4)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<2)
        try volume.snapshot(2)
        try volume.write(3, to: 1..<3)
        try volume.engine.close()
        return volume
    }

    private func overwrite(
        _ volume: EngineFixture, _ name: String, _ bytes: [UInt8], at offset: Int
    ) throws {
        let file = try volume.disk.openFile(name, writable: true)
        try file.write(bytes, at: offset)
        try file.sync()
    }

    @Test("a sound store has no findings, and reading all of it adds only notes")
    func sound() throws {
        let volume = try makeVolume()
        #expect(try volume.check().isEmpty)
        let findings = try volume.check(readData: true)
        #expect(findings.map(\.severity) == [.note, .note])
        #expect(findings.map(\.object) == ["snapshot 1", "snapshot 2"])
        // Of four chunks, snapshot 1 shares the last one with the origin, snapshot 2 two.
        #expect(findings[0].message.contains("shares 4 KiB of 16 KiB"))
        #expect(findings[1].message.contains("shares 8 KiB of 16 KiB"))
    }

    /// What is done to the second area, the newest.
    static let damages: [(String, [UInt8], Int)] = [
        ("magic number", [0], 0), ("version", [0], 8), ("chunk size", [1], 12),
        ("beyond the volume", [200], 4096), ("beyond the file", [0xFF, 0xFF], 4096 + 8),
        ("holds metadata", [1], 4096 + 8), ("two entries", [2], 4096),
        ("two entries name chunk", [3], 4096 + 8),
    ]

    @Test("a damaged newest area is found; repaired, the volume opens without it", arguments: 0..<8)
    func damagedNewest(index: Int) throws {
        let (cause, bytes, offset) = Self.damages[index]
        let volume = try makeVolume()
        try overwrite(volume, EngineFixture.area(2), bytes, at: offset)
        #expect(throws: Problem.self) { try EngineFixture(opening: volume.disk) }
        let finding = try #require(try volume.check().first)
        #expect(finding.object == "snapshot 2")
        #expect(finding.message.contains(cause))
        #expect(finding.isRepairable && finding.remedy?.remedies == [.checkRepair])
        // Looking alone changes nothing.
        #expect(throws: Problem.self) { try EngineFixture(opening: volume.disk) }
        let mended = try #require(try volume.check(repair: true).first)
        #expect(mended.message.hasSuffix(": repaired") && mended.remedy == nil)
        let again = try EngineFixture(opening: volume.disk)
        #expect(again.engine.snapshots().map(\.state) == [.broken, .broken])
        #expect(again.engine.warnings.contains { $0.description.contains("broken") })
        for id in [1, 2] as [Int64] {
            #expect(throws: Problem.self) { try again.content(id) }
        }
        // Life goes on: a new snapshot is whole.
        try again.write(4, to: 0)
        try again.snapshot(3)
        try again.write(5, to: 0)
        #expect(try again.content(3) == [4, 3, 3, 1])
        let rest = try again.check()
        #expect(rest.allSatisfy { $0.severity == .damage && $0.message.contains("broken") })
        #expect(rest.allSatisfy { $0.remedy?.remedies == [.delete] })
    }

    @Test("an area of a newer version is told as newer, and is not given up")
    func newerArea() throws {
        let volume = try makeVolume()
        try overwrite(volume, EngineFixture.area(2), [2], at: 8)
        let problem = #expect(throws: Problem.self) { try EngineFixture(opening: volume.disk) }
        #expect(problem?.code == .newerVersion)
        #expect(try volume.check(repair: true).allSatisfy { !$0.isRepairable })
        #expect(try !volume.disk.exists(StoreLayout.brokenMark(SnapshotOrdinal(rawValue: 2))))
    }

    @Test("a damaged frozen area takes only itself and older ones along")
    func damagedFrozen() throws {
        let volume = try makeVolume()
        try overwrite(volume, EngineFixture.area(1), [0], at: 0)
        #expect(try volume.check(repair: true).map(\.object) == ["snapshot 1"])
        let again = try EngineFixture(opening: volume.disk)
        #expect(again.engine.snapshots().map(\.state) == [.broken, .active])
        #expect(try again.content(2) == [2, 2, 1, 1])
    }

    @Test("an area cut short, or gone, is found")
    func cutShort() throws {
        let volume = try makeVolume()
        try volume.disk.openFile(EngineFixture.area(1), writable: true).resize(to: 5000)
        #expect(try volume.check().first?.message.contains("cut short, at 5000 bytes") == true)
        try volume.disk.removeFile(EngineFixture.area(1))
        #expect(try volume.check().first?.object == "snapshot 1")
    }

    @Test("an invalid area is found, with what to do")
    func invalid() throws {
        let volume = try makeVolume()
        try overwrite(volume, EngineFixture.area(2), [0], at: 4)
        let finding = try #require(try volume.check().first)
        #expect(finding.severity == .damage && finding.message.contains("invalid"))
        #expect(finding.remedy?.remedies == [.delete])
    }

    @Test("a damaged manifest is found and named, and the others are checked all the same")
    func manifest() throws {
        let volume = try makeVolume()
        let name = StoreLayout.manifest(SnapshotOrdinal(rawValue: 1))
        try overwrite(volume, name, [UInt8(ascii: "x")], at: 30)
        try overwrite(volume, EngineFixture.area(2), [0], at: 0)
        let findings = try volume.check()
        #expect(findings.map(\.object) == ["manifest 1", "snapshot 2"])
        #expect(findings[0].severity == .damage && !findings[0].isRepairable)
        #expect(findings[0].remedy != nil)
    }

    @Test("unfinished creations and left-over reverts are found and swept")
    func leftOvers() throws {
        let volume = try makeVolume()
        try volume.disk.makeFolder("snapshots/000003")
        try volume.disk.writeFile("snapshots/000003/area.cow", [1])
        try volume.disk.makeFolder("reverts/000005")
        let findings = try volume.check()
        #expect(findings.map(\.object) == ["snapshot folder 3", "revert 5"])
        #expect(findings.allSatisfy { $0.isRepairable })
        _ = try volume.check(repair: true)
        #expect(try volume.check().isEmpty)
        #expect(try volume.disk.list("snapshots").sorted() == ["000001", "000002"])
        #expect(try volume.disk.list("reverts").isEmpty)
    }

    @Test("a running merge is noted; its damaged journal is damage")
    func reverts() throws {
        let volume = try makeVolume()
        let open = try EngineFixture(opening: volume.disk)
        try open.revert(1, to: 1, safety: 3)
        _ = try open.engine.mergeStep(byteLimit: 4096)
        let note = try #require(try open.check().first)
        #expect(note.severity == .note && note.message.contains("2 of 3 chunks"))
        try overwrite(open, StoreLayout.journal(RevertID(rawValue: 1)), [0], at: 0)
        let damage = try #require(try open.check().first)
        #expect(damage.severity == .damage && damage.object == "reverts")
        #expect(damage.remedy != nil)
    }

    @Test("an origin that is missing or short is damage")
    func origin() throws {
        let volume = try makeVolume()
        let missing = try StoreVerifier.check(
            store: volume.disk, origin: nil, readData: true, repair: false)
        #expect(missing.first?.object == "origin" && missing.first?.severity == .damage)
        try volume.disk.origin().resize(to: 8192)
        let short = try #require(try volume.check().first)
        #expect(short.object == "origin" && short.message.contains("8192"))
        #expect(short.severity == .damage && short.remedy != nil)
    }

    @Test("a check of all data ends between any two of its steps when it is told to")
    func ends() throws {
        let volume = try makeVolume()
        func check(steps: Int) throws -> Int {
            var asked = 0
            _ = try StoreVerifier.check(
                store: volume.disk, origin: volume.disk.origin(), readData: true, repair: false
            ) { () throws(Problem) in
                asked += 1
                guard asked <= steps else { throw Problem(.interrupted, "enough") }
            }
            return asked
        }
        let all = try check(steps: .max)
        // Two snapshots, at least a piece of the area of one, and the origin.
        #expect(all >= 4)
        for steps in 0..<all {
            let problem = #expect(throws: Problem.self) { try check(steps: steps) }
            #expect(problem?.message == "enough")
        }
    }

    @Test("bytes that cannot be read are found when all are read")
    func unreadable() throws {
        let volume = try makeVolume()
        let disk = volume.disk
        disk.observer = { operation in
            // The first data chunk's read, which follows those of the header and metadata.
            guard operation.kind == .read, operation.path.hasSuffix("origin.raw") else { return }
            disk.faults = FaultPlan(.error(5), kinds: [.read], after: 0, isPermanent: false)
        }
        let findings = try volume.check(readData: true)
        let found = findings.first { $0.object == "origin" }
        #expect(found?.message.contains("cannot be read") == true)
    }
}
