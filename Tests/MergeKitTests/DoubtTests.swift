import System
import Glibc
import StoreFormat
import SnapshotModel
import TestKit
import Testing
import MergeKit

@Suite("What cannot be looked at is not taken for absent, and nothing is removed on doubt")
struct DoubtTests {
    /// Snapshots 1, 2 and 3 of a volume of four chunks, each with exceptions, not closed in order.
    private func makeDisk() throws -> SimulatedDisk {
        let volume = try EngineFixture(chunks: 4)
        try volume.write(1, to: 0..<4)
        for id in 1...3 {
            try volume.snapshot(Int64(id))
            try volume.write(UInt8(id + 1), to: 0..<id)
        }
        try volume.engine.flush()
        return volume.crashed(.keepAll)
    }

    /// What the snapshots of ``makeDisk()`` hold.
    private static let contents: [Int64: [UInt8?]] = [
        1: [1, 1, 1, 1], 2: [2, 1, 1, 1], 3: [3, 3, 1, 1],
    ]

    private func expectWhole(_ disk: SimulatedDisk, ids: [Int64] = [1, 2, 3]) throws {
        let volume = try EngineFixture(opening: disk)
        for id in ids { #expect(try volume.content(id) == Self.contents[id]) }
    }

    private static func manifest(_ ordinal: Int) -> String {
        StoreLayout.manifest(SnapshotOrdinal(rawValue: ordinal))
    }

    /// Makes every look at a path fail from now on.
    private func fail(_ path: String, with code: Int32, on disk: SimulatedDisk) {
        let kinds: Set<DiskOperation.Kind> = [.look, .open, .list, .read]
        disk.observer = { [unowned disk] operation in
            let isHit =
                operation.path == disk.path + "/" + path
                && kinds.contains(operation.kind)
            disk.faults =
                isHit
                ? FaultPlan(
                    .error(code), kinds: kinds, after: 0, isPermanent: false) : nil
        }
    }

    private func repair(_ disk: SimulatedDisk) {
        disk.observer = nil
        disk.faults = nil
    }

    @Test(
        "C1: a manifest, mark or revert that cannot be looked at ends the open, and names the file",
        arguments: [EIO, EBADMSG, EACCES, ELOOP, EMFILE, ENOMEM])
    func lookUps(code: Int32) throws {
        for path in [
            Self.manifest(1), Self.manifest(3), "snapshots", "reverts", "volume.json",
            StoreLayout.deletedMark(SnapshotOrdinal(rawValue: 2)),
            StoreLayout.brokenMark(SnapshotOrdinal(rawValue: 2)),
        ] {
            let disk = try makeDisk()
            fail(path, with: code, on: disk)
            let problem = #expect(throws: Problem.self) { try EngineFixture(opening: disk) }
            #expect(problem?.code == .inputOutput && problem?.message.contains(path) == true)
            repair(disk)
            try expectWhole(disk)
        }
    }

    @Test("C1: a running revert whose record cannot be looked at goes on when it can be again")
    func revert() throws {
        let disk = try makeDisk()
        let volume = try EngineFixture(opening: disk)
        try volume.revert(1, to: 1, safety: 4)
        _ = try volume.engine.mergeStep(byteLimit: 4096)
        let crashed = volume.crashed(.keepAll)
        fail(StoreLayout.revert(RevertID(rawValue: 1)), with: EIO, on: crashed)
        #expect(throws: Problem.self) { try EngineFixture(opening: crashed) }
        repair(crashed)
        let again = try EngineFixture(opening: crashed)
        try again.merge()
        #expect(try again.content() == Self.contents[1])
    }

    @Test("C1: the newest manifest is gone: the volume is not opened, and nothing is removed")
    func newestManifestGone() throws {
        let disk = try makeDisk()
        let saved = try disk.readFile(Self.manifest(3), limitBytes: 4096)
        try disk.removeFile(Self.manifest(3))
        let problem = #expect(throws: Problem.self) { try EngineFixture(opening: disk) }
        #expect(problem?.code == .corrupt && problem?.message.contains("000003") == true)
        #expect(try disk.exists(EngineFixture.area(3)))
        try disk.writeFile(Self.manifest(3), saved)
        try expectWhole(disk)
    }

    @Test("C1: what a labelling that was cut has left proves no snapshot unfinished")
    func labelCut() throws {
        let disk = try makeDisk()
        let volume = try EngineFixture(opening: disk)
        disk.faults = FaultPlan(.error(EIO), kinds: [.rename], after: 0, isPermanent: true)
        let labels = SnapshotLabels(name: "other")
        #expect(throws: Problem.self) {
            try volume.engine.label(SnapshotID(rawValue: 3), labels)
        }
        repair(disk)
        let cut = disk.crashed(.keepAll)
        #expect(try cut.list("snapshots/000003").count == 3, "something is left of it")
        try expectWhole(cut.crashed(.keepAll))
        // The manifest gets lost later.
        try cut.removeFile(Self.manifest(3))
        let problem = #expect(throws: Problem.self) { try EngineFixture(opening: cut) }
        #expect(problem?.code == .corrupt)
        #expect(try cut.exists(EngineFixture.area(3)))
    }

    @Test("C1: a manifest in the middle is gone: later snapshots are served, older ones refused")
    func middleManifestGone() throws {
        let disk = try makeDisk()
        let saved = try disk.readFile(Self.manifest(2), limitBytes: 4096)
        try disk.removeFile(Self.manifest(2))
        let volume = try EngineFixture(opening: disk)
        #expect(try volume.content(3) == Self.contents[3])
        #expect(throws: Problem.self) { try volume.content(1) }
        #expect(volume.engine.warnings.contains { $0.description.contains("000002") })
        // Life goes on, and what was lost may come back.
        try volume.write(9, to: 0..<4)
        try volume.snapshot(4)
        try volume.engine.close()
        try disk.writeFile(Self.manifest(2), saved)
        try expectWhole(disk)
    }

    @Test("C1: a deleted snapshot's manifest is gone: the exceptions that older ones need stay")
    func deletedManifestGone() throws {
        let volume = try EngineFixture(opening: makeDisk())
        try volume.delete(2)
        let disk = volume.crashed(.keepAll)
        let saved = try disk.readFile(Self.manifest(2), limitBytes: 4096)
        try disk.removeFile(Self.manifest(2))
        let open = try EngineFixture(opening: disk)
        #expect(try disk.exists(EngineFixture.area(2)))
        #expect(throws: Problem.self) { try open.content(1) }
        #expect(try open.content(3) == Self.contents[3])
        try open.engine.close()
        try disk.writeFile(Self.manifest(2), saved)
        try expectWhole(disk, ids: [1, 3])
    }

    @Test("C1: a deleted snapshot's area is gone: what needs it is refused, not wrong")
    func deletedAreaGone() throws {
        let volume = try EngineFixture(opening: makeDisk())
        try volume.delete(2)
        let disk = volume.crashed(.keepAll)
        try disk.removeFile(EngineFixture.area(2))
        let open = try EngineFixture(opening: disk)
        #expect(throws: Problem.self) { try open.content(1) }
        #expect(try open.content(3) == Self.contents[3])
        #expect(try disk.exists(Self.manifest(2)))
        try open.engine.close()
        let findings = try StoreVerifier.check(
            store: disk, origin: disk.origin(), readData: false, repair: true)
        #expect(!findings.isEmpty)
        let mended = try EngineFixture(opening: disk)
        #expect(throws: Problem.self) { try mended.content(1) }
        #expect(try mended.content(3) == Self.contents[3])
    }

    @Test("C1: a removal that a full disk made in another order is finished by the next open")
    func emptiedArea() throws {
        let volume = try EngineFixture(opening: makeDisk())
        try volume.delete(2)
        let disk = volume.crashed(.keepAll)
        let area = try disk.openFile(EngineFixture.area(2), writable: true)
        try area.resize(to: 0)
        try area.sync()
        let open = try EngineFixture(opening: disk)
        #expect(try !disk.exists(Self.manifest(2)))
        #expect(try open.content(3) == Self.contents[3])
    }

    @Test("C1: check names what holds exceptions without a manifest, and puts it aside on request")
    func checkAside() throws {
        let disk = try makeDisk()
        try disk.removeFile(Self.manifest(3))
        func check(repair: Bool = false) throws -> [Finding] {
            try StoreVerifier.check(
                store: disk, origin: disk.origin(), readData: false, repair: repair)
        }
        let finding = try #require(try check().first)
        #expect(finding.object == "snapshot folder 3" && finding.severity == .damage)
        #expect(
            finding.message.contains("1, 2")
                && finding.remedy?.description.contains("aside-") == true)
        _ = try check(repair: true)
        #expect(try disk.exists("snapshots/aside-000003/area.cow"))
        let volume = try EngineFixture(opening: disk)
        #expect(volume.engine.snapshots().map(\.state) == [.broken, .broken])
        try volume.snapshot(9)
        try volume.write(7, to: 0)
        #expect(try volume.content(9) == [4, 4, 4, 1])
    }

    @Test("C1: a merge whose record is gone is not forgotten: the origin is half merged")
    func revertGone() throws {
        let volume = try EngineFixture(opening: makeDisk())
        try volume.revert(1, to: 1, safety: 4)
        _ = try volume.engine.mergeStep(byteLimit: 4096)
        let disk = volume.crashed(.keepAll)
        let name = StoreLayout.revert(RevertID(rawValue: 1))
        let saved = try disk.readFile(name, limitBytes: 4096)
        try disk.removeFile(name)
        let problem = #expect(throws: Problem.self) { try EngineFixture(opening: disk) }
        #expect(problem?.code == .corrupt && problem?.message.contains("half merged") == true)
        try disk.writeFile(name, saved)
        let again = try EngineFixture(opening: disk)
        try again.merge()
        #expect(try again.content() == Self.contents[1])
    }

    @Test("C1: the end of a merge removes what it replaced, and leaves what has lost its record")
    func doubtfulStays() throws {
        let volume = try EngineFixture(opening: makeDisk())
        try volume.revert(1, to: 1, safety: 4)
        let disk = volume.crashed(.keepAll)
        try disk.removeFile(StoreLayout.revert(RevertID(rawValue: 1)))
        let again = try EngineFixture(opening: disk)
        #expect(again.engine.warnings.contains { $0.description.contains("reverts/000001") })
        try again.revert(2, to: 2, safety: 5)
        try again.revert(3, to: 5, safety: nil)
        try again.merge()
        #expect(try disk.list("reverts") == ["000001"])
        #expect(try disk.exists(StoreLayout.journal(RevertID(rawValue: 1))))
        try again.engine.close()
        let last = try EngineFixture(opening: disk)
        #expect(last.engine.warnings.contains { $0.description.contains("reverts/000001") })
    }

    @Test("C1, R14: a merge without a snapshot in the store is refused, not forgotten")
    func noManifests() throws {
        let volume = try EngineFixture(opening: makeDisk())
        try volume.revert(1, to: 1, safety: 4)
        let disk = volume.crashed(.keepAll)
        for ordinal in 1...4 {
            try disk.rename(Self.manifest(ordinal), to: Self.manifest(ordinal) + ".new")
        }
        let problem = #expect(throws: Problem.self) { try EngineFixture(opening: disk) }
        #expect(problem?.code == .corrupt)
        #expect(try disk.exists(EngineFixture.area(4)))
    }

    @Test("M4: a revert's record with a number beyond all bounds is damage, and traps nobody")
    func hostileRevert() throws {
        let volume = try EngineFixture(opening: makeDisk())
        try volume.revert(1, to: 1, safety: 4)
        let disk = volume.crashed(.keepAll)
        let id = RevertID(rawValue: 1)
        var record = try #require(try Store(folder: disk).revert(id))
        record.planChunkCount = .max
        try disk.writeFile(
            StoreLayout.revert(id), try RecordCodec.encode(record, as: .revert))
        #expect(throws: Problem.self) { try Store(folder: disk).revert(id) }
        let problem = #expect(throws: Problem.self) { try EngineFixture(opening: disk) }
        #expect(problem?.code == .corrupt)
        let findings = try StoreVerifier.check(
            store: disk, origin: disk.origin(), readData: true, repair: false)
        #expect(findings.contains { $0.severity == .damage })
    }

    @Test("H6: a folder of the next ordinal that has a manifest is never removed to make room")
    func nextOrdinal() throws {
        let disk = try makeDisk()
        let manifest = try disk.readFile(Self.manifest(3), limitBytes: 4096)
        let volume = try EngineFixture(opening: disk)
        // A listing that ended early would have left it out.
        try disk.makeFolder("snapshots/000004")
        try disk.writeFile(Self.manifest(4), manifest)
        let problem = #expect(throws: Problem.self) { try volume.snapshot(4) }
        #expect(problem?.code == .corrupt)
        #expect(try disk.exists(Self.manifest(4)))
    }

    @Test("a folder that somebody else put things into stays, and a snapshot is taken beside it")
    func foreignFiles() throws {
        let disk = try makeDisk()
        try disk.makeFolder("snapshots/000004")
        try disk.writeFile("snapshots/000004/photo.jpg", [1, 2, 3])
        let volume = try EngineFixture(opening: disk)
        #expect(volume.engine.warnings.contains { $0.description.contains("photo.jpg") })
        try volume.snapshot(4)
        #expect(volume.engine.snapshots().map(\.manifest.ordinal.rawValue) == [1, 2, 3, 5])
        #expect(try disk.exists("snapshots/000004/photo.jpg"))
    }

    @Test("a removal that a crash cut at any moment is ended by the next open")
    func removals() throws {
        let disk = try makeDisk()
        var operations = 0
        while true {
            let copy = disk.crashed(.keepAll)
            copy.faults = FaultPlan(
                .error(EIO), kinds: [.rename, .remove, .removeFolder], after: operations,
                isPermanent: true)
            let isDone =
                (try? Store(folder: copy).removeSnapshot(SnapshotOrdinal(rawValue: 1))) != nil
            copy.faults = nil
            for mode in CrashMode.allCases {
                let image = copy.crashed(mode)
                let volume = try EngineFixture(opening: image)
                #expect(try volume.content(3) == Self.contents[3])
                #expect(try image.list("snapshots").count == volume.engine.snapshots().count)
            }
            if isDone { break }
            operations += 1
        }
        #expect(operations >= 4)
    }
}

extension SimulatedDisk {
    fileprivate func crashed(_ mode: CrashMode) -> SimulatedDisk {
        var random = SeededGenerator(seed: 1)
        return crashImage(using: &random, mode: mode)
    }
}
