import Catalog
import Settings
import SnapshotModel
import StoreFormat
import System
import Testing

@testable import Manager

@Suite struct MassDeletionTests {
    /// A volume with so many snapshots, all of other content.
    private func fixture(_ count: Int) throws -> ManagerFixture {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        for index in 0..<count {
            if index % 10 == 0 { try fixture.write(UInt8(index % 250 + 1), to: 0..<4, of: "a") }
            try fixture.snapshot("a")
        }
        return fixture
    }

    @Test(
        "what the time goes into opening the volume for goes in ever greater turns, and is told on the way"
    )
    func turns() throws {
        let fixture = try fixture(100)
        let told = Monitored<[OperationProgress]>([])
        let manager = fixture.manager.performing(
            // Its clock goes on with each look, so that each turn takes as long as the one before.
            Operation(
                clock: fixture.clock,
                onProgress: { progress in told.change { $0.append(progress) } }))
        let report = try manager.deletions.delete((1...90).map(String.init), isDryRun: false)
        #expect(report.items.map(\.id.rawValue) == Array(1...90))
        #expect(try fixture.list().map(\.id.rawValue) == Array(91...100))
        let amounts = told.withLock { $0.map(\.amount) }
        #expect(amounts.last == .count(done: 90, total: 90))
        #expect(amounts.count <= 8)
        #expect(
            try fixture.manager.checks.check([], readsData: true, repairs: false).damageCount == 0)
    }

    @Test("between two turns another command has the volume, and can have the deletion end")
    func between() throws {
        let fixture = try fixture(80)
        let (cancellation, snapshots) = (Cancellation(), Monitored(0))
        let other = fixture.manager
        let manager = fixture.manager.performing(
            Operation(
                clock: fixture.clock, cancellation: cancellation,
                onProgress: { progress in
                    guard case .count(let done, _) = progress.amount else { return }
                    guard (try? other.snapshots.take(TakeRequest(volumes: ["a"]))) != nil else {
                        return
                    }
                    snapshots.change { $0 += 1 }
                    if done >= 7 { cancellation.request() }
                }))
        let problem = #expect(throws: Problem.self) {
            try manager.deletions.delete((1...75).map(String.init), isDryRun: false)
        }
        #expect(problem == Cancellation.problem)
        // Turns of one, two and four.
        #expect(snapshots.withLock { $0 } == 3)
        #expect(try fixture.list().map(\.id.rawValue) == Array(8...83))
    }

    @Test("of many, a hold is said before anything goes, and one that comes meanwhile ends it")
    func holds() throws {
        let fixture = try fixture(80)
        let references = (1...75).map(String.init)
        _ = try fixture.manager.holds.hold("70", owner: "o", reason: "r", until: nil)
        let before = #expect(throws: Problem.self) {
            try fixture.manager.deletions.delete(references, isDryRun: false)
        }
        #expect(before?.code == .refused && before?.message.contains("70") == true)
        #expect(try fixture.list().count == 80)
        _ = try fixture.manager.holds.release("70", owner: "o")
        let other = fixture.manager
        let manager = fixture.manager.performing(
            Operation(
                clock: fixture.clock,
                onProgress: { _ in
                    _ = try? other.holds.hold("70", owner: "o", reason: "r", until: nil)
                }))
        let problem = #expect(throws: Problem.self) {
            try manager.deletions.delete(references, isDryRun: false)
        }
        let left = try fixture.list().filter { $0.id.rawValue <= 75 }.count
        #expect(problem?.code == .partial)
        #expect(
            problem?.message.hasPrefix("\(75 - left) of 75 snapshots were deleted, and no more: ")
                == true)
        #expect(left > 0 && left < 75)
        #expect(try fixture.list().contains { $0.id.rawValue == 70 && $0.state == .frozen })
    }
}
