import Monitoring
import Scheduler
import SnapshotModel
import Stream
import System
import Testing

@testable import Manager

@Suite("What a mirror is told, and remembers")
struct MirrorRecordTests {
    @Test("a target is a user, a host, a port and a volume, as it was written")
    func targets() throws {
        for text in [
            "ssh://other/data", "ssh://eve@other.example.org:2222/data.1", "ssh://[fe80::1]/data",
            "ssh://eve@[fe80::1]:22/data",
        ] {
            #expect(try MirrorTarget(text).description == text)
        }
        let target = try MirrorTarget("ssh://eve@[::1]:2222/data")
        #expect(target.destination == "eve@::1" && target.port == 2222 && target.volume == "data")
    }

    @Test(
        "nothing else is one, and no word that ssh would take for an option or a shell for more than a word"
    )
    func hostile() {
        for text in [
            "other:/data", "ssh://other", "ssh://other/", "ssh://other/a/b", "ssh:///data",
            "ssh://-oProxyCommand=x/data", "ssh://-l@other/data", "ssh://other:0/data",
            "ssh://other:99999/data", "ssh://other:/data", "ssh://a b/data", "ssh://other/da;ta",
            "ssh://$(x)/data", "ssh://@other/data", "http://other/data", "ssh://[x]/data",
        ] {
            let problem = #expect(throws: Problem.self, "\(text)") { try MirrorTarget(text) }
            #expect(problem?.code == .usage)
        }
    }

    @Test("one that fails rests for longer and longer, and never for more than an hour")
    func rests() {
        let rests = (1...9).map { MirrorRecord.restSeconds(failures: $0) }
        #expect(rests == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600])
        #expect(MirrorRecord.restSeconds(failures: .max) == 3600)
    }

    @Test(
        "what a mirror is told is changed, what is not named stays, and no run is changed under way"
    )
    func changes() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        let mirrors = fixture.manager.mirrors
        var request = MirrorRequest("off", volume: "a", target: "ssh://other/copy")
        request.bytesPerSecondLimit = 1000
        request.compression = .zstd(level: 3)
        let added = try mirrors.add(request, isDryRun: false).record
        func change(
            isDryRun: Bool = false, _ body: (inout MirrorChange) -> Void
        ) throws -> MirrorRecord {
            var change = MirrorChange("off")
            body(&change)
            return try mirrors.change(change, isDryRun: isDryRun).record
        }
        let nothing = #expect(throws: Problem.self) { try change { _ in } }
        #expect(nothing?.code == .usage)
        let hours = [RateHours(try DayHours(parsing: "08:00-18:00"), bytesPerSecond: 5)]
        let planned = try change(isDryRun: true) { $0.limit = .bytesPerSecond(7) }
        #expect(planned.bytesPerSecondLimit == 7)
        #expect(try mirrors.show("off").record == added)
        var wanted = added
        (wanted.bytesPerSecondLimit, wanted.limitHours) = (7, hours)
        let limited = try change {
            $0.limit = .bytesPerSecond(7)
            $0.limitHours = hours
        }
        // It is written as a version that older programs, which would send faster, do not read.
        #expect(limited == wanted)
        #expect(try mirrors.show("off").record.version == 3)
        wanted = limited
        (wanted.bytesPerSecondLimit, wanted.limitHours) = (nil, nil)
        (wanted.compressionLevel, wanted.onRevert, wanted.version) = (nil, .keep, 3)
        let lifted = try change {
            ($0.limit, $0.limitHours) = (.unlimited, [])
            ($0.compression, $0.onRevert) = (StreamCompression.none, .keep)
        }
        #expect(lifted == wanted)
        let many = [RateHours](repeating: hours[0], count: MirrorRecord.limitHoursMaximum + 1)
        #expect(throws: Problem.self) { try change { $0.limitHours = many } }
        try mirrors.withLock("off") {
            let busy = #expect(throws: Problem.self) { try change { $0.onRevert = .ask } }
            #expect(busy?.code == .locked)
        }
        let events = try fixture.manager.events.latest(100).filter { $0.kind == "mirror_changed" }
        #expect(events.count == 2)
    }

    @Test("a target says nothing of what it was not asked about")
    func places() {
        let range = 65_536..<131_072
        func lies(_ offset: Int, _ length: Int) -> Bool {
            PeerPlace(offset: offset, length: length, isDamaged: true).lies(in: range)
        }
        #expect(lies(65_536, 65_536) && lies(131_071, 1) && lies(65_536, 1))
        for (offset, length) in [
            (65_535, 2), (0, 131_072), (0, 1), (-1, 4096), (Int.min, 4096), (131_072, 1),
            (131_071, 2), (65_536, 65_537), (65_536, 0), (65_536, -1), (65_536, Int.max),
            (Int.max, Int.max),
        ] {
            #expect(!lies(offset, length), "\(offset) \(length)")
        }
    }

    @Test("a record is read as it was written; a newer, a damaged and another's are refused")
    func records() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        let added = try fixture.manager.mirrors.add(
            MirrorRequest("off", volume: "a", target: "ssh://other/copy"), isDryRun: false)
        #expect(try fixture.manager.mirrors.list() == [added])
        #expect(throws: Problem.self) {
            try fixture.manager.mirrors.add(
                MirrorRequest("off", volume: "a", target: "ssh://other/copy"), isDryRun: false)
        }
        let folder = FileFolder(path: fixture.folder + "/state/mirrors")
        let text = String(
            decoding: try folder.readFile("off.json", limitBytes: 65_536), as: UTF8.self)
        for (from, to, code) in [
            ("\"version\":1", "\"version\":4", Problem.Code.newerVersion),
            ("\"name\":\"off\"", "\"name\":\"on\"", .corrupt),
            ("ssh://other", "ssh://-o", .corrupt),
            ("{", "", .corrupt),
        ] {
            try folder.writeFile("off.json", Array(text.replacing(from, with: to).utf8))
            let problem = #expect(throws: Problem.self) { try fixture.manager.mirrors.show("off") }
            #expect(problem?.code == code, "\(to): \(problem as Any)")
            #expect(try fixture.manager.mirrors.unreadable().map(\.code) == [code])
        }
        try folder.writeFile("off.json", Array(text.utf8))
        _ = try fixture.manager.mirrors.remove("off", isDryRun: true)
        #expect(try fixture.manager.mirrors.list().count == 1)
        _ = try fixture.manager.mirrors.remove("off", isDryRun: false)
        #expect(try fixture.manager.mirrors.list().isEmpty)
    }

    @Test("limits by the hour are kept, shown as they hold now, and refused when they are none")
    func limits() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        var request = MirrorRequest("off", volume: "a", target: "ssh://other/copy")
        request.bytesPerSecondLimit = 20
        // The clock of the tests shows noon.
        request.limitHours = [
            RateHours(try DayHours(parsing: "08:00-18:00"), bytesPerSecond: 5),
            RateHours(try DayHours(parsing: "22:00-06:00"), bytesPerSecond: nil),
        ]
        let added = try fixture.manager.mirrors.add(request, isDryRun: false)
        #expect(added.limitNow == 5)
        let folder = FileFolder(path: fixture.folder + "/state/mirrors")
        let text = String(
            decoding: try folder.readFile("off.json", limitBytes: 65_536), as: UTF8.self)
        // An older snapmgr would not know of them.
        #expect(text.contains("\"version\":3"))
        #expect(try fixture.manager.mirrors.show("off").record.rates == added.record.rates)
        for (from, to) in [("08:00-18:00", "8-18"), ("\"limit\":5", "\"limit\":0")] {
            try folder.writeFile("off.json", Array(text.replacing(from, with: to).utf8))
            let problem = #expect(throws: Problem.self) { try fixture.manager.mirrors.show("off") }
            #expect(problem?.code == .corrupt, "\(to)")
        }
    }

    @Test("a record that cannot be read is told, stops no other mirror, and can be removed")
    func unreadable() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        let id = try fixture.snapshot("a")[0]
        for name in ["bad", "good"] {
            var request = MirrorRequest(name, volume: "a", target: "ssh://other/copy")
            request.connector = ["sh", "-c", "exit 255", "sh"]
            _ = try fixture.manager.mirrors.add(request, isDryRun: false)
        }
        let folder = FileFolder(path: fixture.folder + "/state/mirrors")
        try folder.writeFile("bad.json", [UInt8](repeating: 32, count: 100_000))
        let mirrors = fixture.manager.mirrors
        #expect(try mirrors.list().map(\.record.name) == ["good"])
        #expect(try mirrors.unreadable().map(\.code) == [.corrupt])
        let outcomes = try mirrors.run([], MirrorService.RunOptions())
        #expect(outcomes.map(\.mirror) == ["good", "bad"])
        #expect(outcomes.map(\.state) == [.failed, .failed])
        // It may be a mirror of any volume.
        #expect(try mirrors.waiting(in: "a").missing == [id])
        #expect(try fixture.manager.status.status(["a"]).count == 1)
        #expect(try mirrors.remove("bad", isDryRun: false) == nil)
        #expect(try mirrors.unreadable().isEmpty)
    }

    @Test("of what a target or ssh says, a little is kept, and none of it is obeyed")
    func words() throws {
        let said = Problem(
            .interrupted, String(repeating: "\u{1}e\u{301}", count: 100_000),
            hint: "run \(.check())")
        let told = said.told(by: "ssh://other/copy")
        #expect(told.code == .failed && told.message.utf8.count < 8192)
        #expect(told.hint?.remedies.isEmpty == true)
        #expect(Problem(.refused, "no").told(by: "x").code == .refused)
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.snapshot("a")
        var request = MirrorRequest("off", volume: "a", target: "ssh://other/copy")
        request.connector = [
            "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' '\\1' >&2; exit 255", "sh",
        ]
        _ = try fixture.manager.mirrors.add(request, isDryRun: false)
        _ = try fixture.manager.mirrors.run(["off"], MirrorService.RunOptions())
        let failure = try fixture.manager.mirrors.show("off").record.failure
        #expect(failure.map { $0.message.utf8.count < 8192 } == true)
    }

    @Test("a mirror is behind since it was added at the earliest, however old what it lacks is")
    func lagOfNew() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.snapshot("a")
        fixture.clock.advance(bySeconds: 5 * 86_400)
        _ = try fixture.manager.mirrors.add(
            MirrorRequest("off", volume: "a", target: "ssh://other/copy"), isDryRun: false)
        let summary = try fixture.manager.mirrors.show("off")
        #expect(summary.state == .behind && (1..<3600).contains(summary.lagSeconds))
    }

    @Test("R8: what a mirror lacks is not mirrored for a policy, and its lag is told")
    func lag() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        _ = try fixture.manager.mirrors.add(
            MirrorRequest("off", volume: "a", target: "ssh://other/copy"), isDryRun: false)
        let id = try fixture.snapshot("a")[0]
        let summary = try fixture.manager.mirrors.show("off")
        #expect(summary.state == .behind && summary.missingCount == 1 && summary.lagSeconds > 0)
        #expect(summary.missingBytes == nil)
        #expect(try fixture.manager.mirrors.waiting(in: "a").missing == [id])
        let health = try #require(try fixture.manager.status.status(["a"]).first)
        #expect(health.mirrors.map(\.record.name) == ["off"])
    }

    @Test(
        "a target that cannot be reached is a failure of its own: it is noted, and the next rests")
    func unreachable() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.snapshot("a")
        for name in ["one", "two"] {
            var request = MirrorRequest(name, volume: "a", target: "ssh://other/copy")
            request.connector = ["sh", "-c", "echo away >&2; exit 255", "sh"]
            _ = try fixture.manager.mirrors.add(request, isDryRun: false)
        }
        let outcomes = try fixture.manager.mirrors.run([], MirrorService.RunOptions())
        #expect(outcomes.map(\.state) == [.failed, .failed])
        #expect(outcomes.allSatisfy { $0.problem?.message.contains("away") == true })
        var due = MirrorService.RunOptions()
        due.onlyDue = true
        #expect(try fixture.manager.mirrors.run([], due).map(\.state) == [.skipped, .skipped])
        fixture.clock.advance(bySeconds: 61)
        #expect(try fixture.manager.mirrors.run([], due).map(\.state) == [.failed, .failed])
        fixture.clock.advance(bySeconds: 61)
        #expect(try fixture.manager.mirrors.run([], due).map(\.state) == [.skipped, .skipped])
        // Snapshots go on.
        try fixture.snapshot("a")
    }
}
