import Catalog
import FoundationEssentials
import Glibc
import MergeKit
import Scheduler
import Settings
import SnapshotModel
import StoreFormat
import System
import Testing

@testable import Manager
@testable import Monitoring

@Suite("Scrubs: what snapshots hold is compared with what was sealed")
struct ScrubTests {
    private let fixture: ManagerFixture

    /// A volume with three snapshots, each with some chunks of its own, sealed.
    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        for number in 1...3 {
            try fixture.snapshot("a")
            try fixture.write(UInt8(number), to: 8 * number..<8 * number + 4, of: "a")
        }
        try seal()
    }

    private func seal() throws {
        try fixture.withEngine("a") { engine in
            while try engine.sealStep(byteLimit: 1 << 20) {}
        }
    }

    private func check(
        _ request: ScrubRequest = ScrubRequest(), repairs: Bool = false
    ) throws -> [Finding] {
        try fixture.manager.checks.check(
            ["a"], readsData: true, repairs: repairs, scrub: request
        ).items.map(\.finding)
    }

    private func faults() throws -> [Finding] { try check().filter { $0.severity != .note } }

    /// Flips a bit of the exceptions of a snapshot's area, or takes that back.
    private func flip(_ ordinal: Int, chunk: Int = 2) throws {
        let path =
            fixture.storePath("a") + "/" + StoreLayout.area(SnapshotOrdinal(rawValue: ordinal))
        let file = try FileDevice(path: path, access: .readWrite)
        var buffer = AlignedBuffer(count: 1)
        var bytes = buffer.mutableBytes
        try file.read(into: &bytes, at: chunk * ManagerFixture.chunkBytes)
        let byte: UInt8 = buffer.bytes.littleEndian(at: 0)
        var flipped = buffer.mutableBytes
        flipped.store(littleEndian: byte ^ 1, at: 0)
        try file.write(buffer.bytes, at: chunk * ManagerFixture.chunkBytes)
    }

    private func record() throws -> ScrubRecord {
        let uuid = try fixture.catalog().volumes()[0].record.uuid
        return try ScrubFiles(fixture.options.state).record(uuid)
    }

    private func manager(_ scrub: ScrubInterval) throws -> Manager {
        var options = fixture.options
        var settings = Settings(defaults: SettingsDefaults(freeSpaceFloor: .bytes(0)))
        settings.defaults.scrub = scrub
        let fixed = settings
        options.operation.settings = SettingsSource { fixed }
        return try Manager(options)
    }

    private func tick(_ scrub: ScrubInterval) throws {
        _ = try manager(scrub).ticks.tick(prunes: true, isDryRun: false)
    }

    @Test("a check of the data names what differs, and status and monitoring remember it")
    func damage() throws {
        #expect(try faults() == [])
        try flip(2)
        let found = try faults()
        #expect(found.map(\.severity) == [.damage])
        #expect(found.first?.snapshots?.map(\.rawValue) == [1, 2])
        #expect(found.first?.ranges == [16 * 4096..<17 * 4096])
        let summary = try #require(try fixture.manager.status.status(["a"]).first?.scrub)
        #expect(summary.damageCount == 1)
        #expect(summary.running == nil)
        let reading = try fixture.manager.monitoring.read([])
        let findings = MonitorJudge(reading).findings
        #expect(findings.contains { $0.severity == .critical && $0.subject == "volume a" })
        try flip(2)
        #expect(try faults() == [])
        #expect(try fixture.manager.status.status(["a"]).first?.scrub?.damageCount == 0)
    }

    @Test("a scrub that ended early goes on, with what it had found, or begins anew")
    func resumed() throws {
        try flip(1)
        // Over before it has read anything of the last area, however fast the disk is.
        let request = ScrubRequest(bytesPerSecond: 100_000, milliseconds: 150)
        let volume = try fixture.catalog().volumes()[0]
        let context = ManagerContext(catalog: try fixture.catalog(), options: fixture.options)
        func scrub(_ request: ScrubRequest) throws -> ScrubService.Outcome {
            try ScrubService(context: context).scrub(
                volume, FileFolder(path: volume.storePath), request
            ) {}
        }
        let first = try scrub(request)
        #expect(!first.isDone)
        let position = try #require(try record().running?.position)
        #expect(position.ordinal.rawValue >= 1)
        let status = try #require(try fixture.manager.status.status(["a"]).first?.scrub)
        #expect(status.running != nil)
        let second = try scrub(ScrubRequest())
        #expect(second.isDone)
        #expect(second.isResumed)
        #expect(second.pass.damageCount == 1)
        #expect(try record().running == nil)
        #expect(try record().last?.damageCount == 1)
        _ = try scrub(request)
        #expect(try !scrub(ScrubRequest(restarts: true)).isResumed)
    }

    @Test("a scrub whose time is always over before it reads gets done all the same")
    func slices() throws {
        try flip(1)
        let volume = try fixture.catalog().volumes()[0]
        let context = ManagerContext(catalog: try fixture.catalog(), options: fixture.options)
        var outcome: ScrubService.Outcome
        var slices = 0
        repeat {
            slices += 1
            outcome = try ScrubService(context: context).scrub(
                volume, FileFolder(path: volume.storePath), ScrubRequest(milliseconds: 0)
            ) {}
        } while !outcome.isDone && slices < 100
        #expect(outcome.isDone)
        #expect(slices > 2)
        #expect(outcome.pass.damageCount == 1)
    }

    @Test("a check goes on with a scrub that began on the same day, and with none that is older")
    func age() throws {
        try flip(1)
        let volume = try fixture.catalog().volumes()[0]
        let context = ManagerContext(catalog: try fixture.catalog(), options: fixture.options)
        func begin() throws {
            let outcome = try ScrubService(context: context).scrub(
                volume, FileFolder(path: volume.storePath),
                ScrubRequest(bytesPerSecond: 100_000, restarts: true, milliseconds: 150)
            ) {}
            #expect(!outcome.isDone)
        }
        try begin()
        #expect(try check().contains { $0.message.hasPrefix("this went on") })
        try begin()
        try flip(1)
        fixture.clock.advance(bySeconds: 2 * 86_400)
        let findings = try check()
        #expect(!findings.contains { $0.message.hasPrefix("this went on") })
        #expect(findings.allSatisfy { $0.severity == .note })
    }

    @Test("damage is told, however much else was found before it, and more of it by number")
    func muchDamage() throws {
        var pass = ScrubRecord.Pass(begunAt: Timestamp(stored: 1))
        for number in 0..<40 {
            pass.add(Finding(.warning, object: "\(number)", message: "odd"))
        }
        pass.add(Finding(.damage, object: "a", message: "bad"))
        #expect(pass.damageCount == 1)
        #expect(pass.findings.contains { $0.severity == .damage })
        #expect(pass.isPossible)
        for _ in 0..<40 { pass.add(Finding(.damage, object: "a", message: "bad")) }
        #expect(pass.damageCount == 41)
        #expect(pass.isPossible)
        var outcome = ScrubService.Outcome(pass: pass, isResumed: true, found: pass.findings)
        #expect(outcome.findings.count { $0.severity == .damage } == 33)
        #expect(outcome.findings.last?.message.contains("in 9 more places") == true)
        outcome.found = []
        #expect(outcome.findings.map(\.severity) == [.damage])
    }

    @Test("one scrub of a volume at a time: who comes second is told so")
    func locked() throws {
        let uuid = try fixture.catalog().volumes()[0].record.uuid
        let path = ScrubFiles(fixture.options.state).lockPath(uuid)
        let lock = try FileLock.acquire(path: path)
        let problem = #expect(throws: Problem.self) { try check() }
        #expect(problem?.code == .locked)
        withExtendedLifetime(lock) {}
    }

    @Test("a record from the future is refused, and a damaged one forgotten")
    func records() throws {
        _ = try check()
        let uuid = try fixture.catalog().volumes()[0].record.uuid
        let path = fixture.folder + "/state/scrubs/\(uuid).json"
        var text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.contains("\"version\":1"))
        text = text.replacing("\"version\":1", with: "\"version\":2")
        try Data(text.utf8).write(to: URL(filePath: path))
        let problem = #expect(throws: Problem.self) { try record() }
        #expect(problem?.code == .newerVersion)
        // No reason for a tick to fail.
        try tick(.weekly)
        try Data("{\"version\":1,\"vol".utf8).write(to: URL(filePath: path))
        #expect(try record().last == nil)
        #expect(try faults() == [])
    }

    @Test("ticks scrub when the settings say so, and again when the time has come")
    func ticks() throws {
        try tick(.off)
        #expect(try record().last == nil)
        try tick(.weekly)
        let first = try #require(try record().last?.endedAt)
        fixture.clock.advance(bySeconds: 6 * 86_400)
        try tick(.weekly)
        #expect(try record().last?.endedAt == first)
        fixture.clock.advance(bySeconds: 2 * 86_400)
        try flip(3)
        try tick(.monthly)
        #expect(try record().last?.endedAt == first)
        try flip(3)
        try flip(1)
        try tick(.weekly)
        #expect(try record().last?.damageCount == 1)
        let events = try fixture.manager.events.latest(50)
        #expect(events.contains { $0.kind == "damage_found" && $0.volume == "a" })
        #expect(events.contains { $0.kind == "scrubbed" })
    }

    @Test("a damaged seal is told, removed by a repair, and made anew")
    func repair() throws {
        let path = fixture.storePath("a") + "/" + StoreLayout.seal(SnapshotOrdinal(rawValue: 1))
        let file = try FileDevice(path: path, access: .readWrite)
        let altered: [UInt8] = [7]
        try file.write(altered.span.bytes, at: 260)
        let found = try faults()
        #expect(found.map(\.severity) == [.warning])
        #expect(found.first?.isRepairable == true)
        _ = try check(repairs: true)
        #expect(access(path, F_OK) != 0)
        try seal()
        #expect(try faults() == [])
    }
}
