import Catalog
import Scheduler
import Settings
import SnapshotModel
import System
import Testing

@testable import Manager

/// What is said of deletions without opening the volume, and what the engine says of them.
@Suite struct DeletionForecastTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
    }

    /// Takes snapshots with some chunks written before each.
    private func take(_ count: Int, _ random: inout SplitMix) throws {
        for number in 0..<count {
            let start = Int.random(in: 0..<20, using: &random)
            let end = start + Int.random(in: 1...8, using: &random)
            try fixture.write(UInt8(number + 1), to: start..<end, of: "a")
            try fixture.snapshot("a")
        }
    }

    private var context: ManagerContext { fixture.manager.status.context }

    private func forecast(_ ids: [SnapshotID]) throws -> Int {
        let rows = try context.catalog.retentionRows(volume: "a")
        return try DeletionForecast(context, context.volume("a"), rows: rows)
            .freedBytes(deleting: ids)
    }

    @Test("the engine says the same of any of them", arguments: [1, 2, 3] as [UInt64])
    func agrees(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        try take(12, &random)
        for _ in 0..<4 {
            let rows = try fixture.list()
            for _ in 0..<6 {
                let ids = rows.map(\.id).filter { _ in Bool.random(using: &random) }
                guard !ids.isEmpty else { continue }
                let report = try fixture.manager.deletions.delete(
                    ids.map(\.description), isDryRun: true)
                #expect(try forecast(ids) == report.freedBytes, "\(ids)")
            }
            // What is deleted stays in the chain as long as older ones need it.
            let gone = rows.map(\.id).shuffled(using: &random).prefix(2).map(\.description)
            _ = try fixture.manager.deletions.delete(Array(gone), isDryRun: false)
        }
        #expect(try forecast([]) == 0)
    }

    @Test("a prune that only looks opens no volume, and says what the prune then does")
    func opensNothing() throws {
        var random = SplitMix(state: 7)
        try take(6, &random)
        let policy = NamedPolicy(
            name: "test",
            policy: RetentionPolicy(rules: [.last(.atMost(2))], appliesToManual: true))
        var options = fixture.options
        options.operation.settings = SettingsSource {
            Settings(defaults: SettingsDefaults(policy: policy, freeSpaceFloor: .bytes(0)))
        }
        let manager = try Manager(options)
        // Nobody else could open the volume meanwhile.
        let looked = try fixture.withEngine("a") { _ in
            try manager.pruning.prune([], isDryRun: true)
        }
        let done = try manager.pruning.prune([], isDryRun: false)
        let (before, after) = (looked.volumes.first, done.volumes.first)
        #expect(before?.failure == nil && after?.failure == nil)
        #expect(before?.removed == after?.removed && before?.removed.count == 4)
        #expect((before?.freedBytes ?? 0) > 0)
    }

    @Test(
        "areas that are gone are found to be so one by one, and in the list of those that are there"
    )
    func gone() throws {
        var random = SplitMix(state: 9)
        try take(1, &random)
        for _ in 0..<20 { try fixture.snapshot("a") }
        try take(3, &random)
        let rows = try fixture.list()
        _ = try fixture.manager.deletions.delete(
            rows[1..<21].map(\.id.description), isDryRun: false)
        let catalog = try fixture.catalog()
        try catalog.removeChunkMap(volume: "a", ordinal: SnapshotOrdinal(rawValue: 1))
        let all = SnapshotOrdinal(rawValue: 1)..<SnapshotOrdinal(rawValue: 25)
        func maps(_ lookUps: Int) throws -> AreaMaps {
            try AreaMaps(context, context.volume("a"), lookUpMaximum: lookUps)
        }
        let one = try maps(1000).readable(in: all)
        #expect(try maps(0).readable(in: all) == one)
        #expect(one.count < 10 && one.keys.contains(all.lowerBound))
        #expect(try maps(0).chunks(in: all) == maps(1000).chunks(in: all))
        // The list is of this moment: what is taken later is looked for.
        let listed = try maps(0)
        _ = try listed.readable(in: all)
        try take(2, &random)
        let more = all.lowerBound..<SnapshotOrdinal(rawValue: 27)
        #expect(try listed.readable(in: more) == maps(1000).readable(in: more))
        // What must be there is missed, however it is looked for.
        let bare = SnapshotOrdinal(rawValue: 2)..<SnapshotOrdinal(rawValue: 9)
        for lookUps in [0, 1000] {
            #expect(throws: Problem.self) { _ = try maps(lookUps).chunks(in: bare) }
        }
    }
}
