import Catalog
import Control
import MergeKit
import SnapshotModel
import Synchronization
import System
import Testing
import VolumeAccess

@testable import Manager

@Suite struct SnapshotTests {
    @Test("a set is taken of all volumes, and known as one")
    func takesSet() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.makeVolume("b")
        let report = try fixture.manager.snapshots.take(
            TakeRequest(volumes: ["b", "a"], setName: "pair"))
        #expect(report.snapshots.map(\.volume) == ["a", "b"])
        let sets = try fixture.manager.lists.sets()
        #expect(sets.map(\.name) == ["pair"])
        #expect(sets.map(\.snapshots) == [report.snapshots.map(\.id)])
    }

    enum Fault: CaseIterable {
        case prepare
        case hold
        case commit
        case lostCommit
    }

    @Test("when one volume of a set fails, none keeps a snapshot", arguments: Fault.allCases)
    func allOrNothing(fault: Fault) throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.makeVolume("b")
        fixture.sessions.fail("b", late: fault == .lostCommit) { request in
            switch fault {
            case .prepare: request.isPreparation
            case .hold: request.isHold
            case .commit, .lostCommit: request.isCommit
            }
        }
        let problem = #expect(throws: Problem.self) { try fixture.snapshot("a", "b") }
        #expect(problem?.code == .inputOutput)
        fixture.sessions.heal()
        #expect(try fixture.list().isEmpty)
        #expect(try fixture.manager.lists.sets().isEmpty)
        #expect(fixture.notes.all == [])
        for volume in ["a", "b"] {
            #expect(try fixture.withEngine(volume) { $0.snapshots() }.isEmpty, "\(volume)")
            #expect(try fixture.catalog().unfinished(volume: volume).isEmpty, "\(volume)")
        }
        let ids = try fixture.snapshot("a", "b")
        #expect(ids.allSatisfy { $0.rawValue > 2 }, "ids of failed snapshots stay burnt")
    }

    @Test("R5: what fails while a set is undone does not take the first error's place")
    func firstErrorStays() throws {
        let fixture = try ManagerFixture()
        for volume in ["a", "b"] { try fixture.makeVolume(volume) }
        fixture.sessions.fail("b") { $0.isCommit || $0 == .rollBack || $0 == .releaseIO }
        let problem = #expect(throws: Problem.self) { try fixture.snapshot("a", "b") }
        #expect(problem?.message.contains("commit") == true, "\(String(describing: problem))")
    }

    @Test("R6: a member that cannot be released keeps no other one of its set waiting")
    func releases() throws {
        let fixture = try ManagerFixture()
        for volume in ["a", "b"] { try fixture.makeVolume(volume) }
        fixture.sessions.fail("a") { $0 == .releaseIO }
        let problem = #expect(throws: Problem.self) { try fixture.snapshot("a", "b") }
        #expect(problem?.message.contains("volume a") == true)
        #expect(
            fixture.sessions.storePaths(askedFor: .releaseIO).sorted()
                == ["a", "b"].map(fixture.storePath))
    }

    @Test("the members of a set are asked at the same time, not one after the other")
    func together() throws {
        let fixture = try ManagerFixture()
        for volume in ["a", "b"] { try fixture.makeVolume(volume) }
        let sessions = fixture.sessions
        let alone = Mutex<[VolumeRequest]>([])
        // Answers to nothing before the other member has been asked as well.
        sessions.fail("a") { request in
            guard request.isHold || request.isCommit || request == .releaseIO else { return false }
            let deadline = Deadline(milliseconds: 60_000)
            while sessions.storePaths(askedFor: request).count < 2 {
                guard !deadline.hasPassed else {
                    alone.withLock { $0.append(request) }
                    break
                }
                BackgroundThread.sleep(milliseconds: 1)
            }
            return false
        }
        try fixture.snapshot("a", "b")
        #expect(alone.withLock { $0 } == [])
    }

    @Test("the members of a set are opened at the same time, too", arguments: [false, true])
    func openedTogether(isRevert: Bool) throws {
        let fixture = try ManagerFixture()
        for volume in ["a", "b"] { try fixture.makeVolume(volume) }
        if isRevert { try fixture.snapshot("a", "b") }
        let opened = Monitored(Set<String>())
        let alone = Monitored(false)
        fixture.sessions.onOpen.withLock {
            $0 = { path in
                opened.change { _ = $0.insert(path) }
                let both: Bool? = opened.wait(milliseconds: 60_000) { $0.count < 2 ? nil : true }
                if both == nil { alone.withLock { $0 = true } }
            }
        }
        if isRevert {
            _ = try fixture.manager.reverts.revert("set:1", RevertOptions(waits: true))
        } else {
            try fixture.snapshot("a", "b")
        }
        #expect(!alone.withLock { $0 })
    }

    @Test(
        "when members of a set cannot be opened, the first one's error is told and all are closed")
    func notOpened() throws {
        let fixture = try ManagerFixture()
        for volume in ["a", "b", "c"] { try fixture.makeVolume(volume) }
        fixture.sessions.onOpen.withLock {
            $0 = { path throws(Problem) in
                // The first one in the order of the volumes is the last one to fail.
                if path.hasSuffix("/b") { BackgroundThread.sleep(milliseconds: 50) }
                guard path.hasSuffix("/a") else {
                    throw Problem(.inputOutput, "no \(path.suffix(2))")
                }
            }
        }
        let problem = #expect(throws: Problem.self) { try fixture.snapshot("a", "b", "c") }
        #expect(problem?.message.hasPrefix("volume b: no /b") == true, "\(problem as Any)")
        fixture.sessions.onOpen.withLock { $0 = nil }
        #expect(try fixture.list().isEmpty)
        #expect(try fixture.snapshot("a", "b", "c").count == 3)
    }

    @Test("a single snapshot whose answer is lost is kept")
    func lostAnswer() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        fixture.sessions.fail("a", late: true) { $0.isSnapshot }
        #expect(throws: Problem.self) { try fixture.snapshot("a") }
        fixture.sessions.heal()
        #expect(try fixture.list().map(\.id.rawValue) == [1])
    }

    @Test("with --if-older-than, nothing is taken while there is a younger one")
    func minimumAge() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        let request = TakeRequest(volumes: ["a"], minimumAgeSeconds: 600)
        #expect(try fixture.manager.snapshots.take(request).snapshots.count == 1)
        #expect(try fixture.manager.snapshots.take(request).snapshots.isEmpty)
        fixture.clock.advance(bySeconds: 600)
        #expect(try fixture.manager.snapshots.take(request).snapshots.count == 1)
    }

    @Test("deleting updates the neighbours' sizes, and frees at least what was said")
    func deletes() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        for round in 0..<4 {
            try fixture.snapshot("a")
            try fixture.write(UInt8(round + 1), to: round..<(round + 3), of: "a")
        }
        let preview = try fixture.manager.deletions.delete(["2", "3"], isDryRun: true)
        #expect(try fixture.list().count == 4)
        let report = try fixture.manager.deletions.delete(["2", "3"], isDryRun: false)
        #expect(report.freedBytes >= preview.freedBytes)
        let rows = try fixture.list()
        #expect(rows.map(\.id.rawValue) == [1, 4])
        #expect(rows.last?.changedBytes == 5 * 4096)
        let last = try fixture.manager.diffs.diff("1", "4")
        #expect(last.changedBytes == 5 * 4096)
        #expect(last.isExact)
    }

    @Test("a held snapshot is not deleted, also not in a dry run")
    func holds() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.snapshot("a")
        _ = try fixture.manager.holds.hold("1", owner: "me", reason: "audit", until: "1h")
        for isDryRun in [true, false] {
            let problem = #expect(throws: Problem.self) {
                try fixture.manager.deletions.delete(["1"], isDryRun: isDryRun)
            }
            #expect(problem?.code == .refused)
        }
        fixture.clock.advance(bySeconds: 3600)
        #expect(
            try fixture.manager.deletions.delete(["1"], isDryRun: false).items.map(\.id.rawValue)
                == [1])
    }
}
