import Settings
import SnapshotModel
import Testing

@testable import Manager
import Catalog

@Suite struct ReferenceTests {
    static let texts: [(String, SnapshotReference)] = [
        ("42", .id(SnapshotID(rawValue: 42))),
        ("data@42", .inVolume("data", .id(SnapshotID(rawValue: 42)))),
        ("data@nightly", .inVolume("data", .name("nightly"))),
        ("data@latest", .inVolume("data", .latest)),
        ("data@live", .inVolume("data", .live)),
        ("data@2h", .inVolume("data", .olderThan(seconds: 7200))),
        ("data@1h30m", .inVolume("data", .olderThan(seconds: 5400))),
        (
            "data@1970-01-02T00:00Z",
            .inVolume("data", .notAfter(Timestamp(stored: 86_400_000_000_000)))
        ),
        // The zone of the test is one hour east of UTC.
        (
            "data@1970-01-02T01:00",
            .inVolume("data", .notAfter(Timestamp(stored: 86_400_000_000_000)))
        ),
        (
            "data@1970-01-02",
            .inVolume("data", .notAfter(Timestamp(stored: 82_800_000_000_000)))
        ),
        ("data@1970-13-02", .inVolume("data", .name("1970-13-02"))),
        ("set:7", .set(SetID(rawValue: 7))),
        ("set:nightly", .setNamed("nightly")),
        ("nightly", .setNamed("nightly")),
    ]

    /// One hour east of UTC, always.
    private static func eastZone() throws -> LocalZone {
        .rules(try TimeZoneFiles(environment: ["TZ": "XXX-1"]).systemZone().zone)
    }

    @Test("a reference is read as the manual says", arguments: texts)
    func parses(text: String, expected: SnapshotReference) throws {
        #expect(try SnapshotReference(text, zone: Self.eastZone()) == expected)
    }

    @Test("what names nothing is wrong usage", arguments: ["", "@latest", "data@", "a b", "a/b@1"])
    func rejects(text: String) {
        let problem = #expect(throws: Problem.self) {
            try SnapshotReference(text, zone: Self.eastZone())
        }
        #expect(problem?.code == .usage)
    }

    @Test(
        "a name that a reference would read otherwise is refused",
        arguments: ["42", "latest", "live", "2h", "2026-11-22", "a b", "", "ä"])
    func refusesNames(name: String) {
        #expect(throws: Problem.self) { try SnapshotName.validate(name) }
    }

    @Test("references find snapshots by id, name, age and time")
    func finds() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("data")
        let first = try fixture.snapshot("data", name: "first")[0]
        fixture.clock.advance(bySeconds: 7200)
        let second = try fixture.snapshot("data")[0]
        let time = try #require(try fixture.list().last?.manifest.takenAt.description)
        for (text, expected) in [
            ("\(first)", first), ("data@\(first)", first), ("data@first", first),
            ("data@latest", second), ("data@1h", first), ("data@\(time)", second),
            ("data@2026-11-22T12:59", first),
        ] {
            #expect(try fixture.manager.details.show(text).summary.id == expected, "\(text)")
        }
        for text in ["99", "data@99", "data@none", "data@3h", "data@2020-01-01", "set:9", "none"] {
            let problem = #expect(throws: Problem.self) { try fixture.manager.details.show(text) }
            #expect(problem?.code == .notFound, "\(text)")
        }
    }

    @Test("an ambiguous name lists the candidates")
    func ambiguous() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("data")
        // As older versions took them.
        let ids = try (0..<2).map { _ in try fixture.snapshot("data")[0] }
        for id in ids { try fixture.catalog().setLabels(id, SnapshotLabels(name: "same")) }
        let problem = #expect(throws: Problem.self) {
            try fixture.manager.details.show("data@same")
        }
        #expect(problem?.code == .ambiguous)
        #expect(ids.allSatisfy { problem?.message.contains("\($0) (") == true })
    }

    @Test("a volume where a snapshot belongs is explained")
    func volumeForSnapshot() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("data")
        let problem = #expect(throws: Problem.self) { try fixture.manager.details.show("data") }
        #expect(problem?.code == .usage)
        #expect(problem?.hint?.description.contains("data@latest") == true)
    }
}
