import Foundation
import SnapshotModel
import System
import TestKit
import Testing

@testable import Manager

@Suite struct WebhookPolicyTests {
    @Test(
        "each wait is twice as long as the one before, up to ten minutes, and chance takes up to half of it"
    )
    func delays() {
        func delay(_ failures: Int, _ fraction: Double, _ asked: Int? = nil) -> Int {
            WebhookPolicy.delayMilliseconds(
                failures: failures, fraction: fraction, retrySeconds: asked)
        }
        #expect((1...5).map { delay($0, 1) } == [1_000, 2_000, 4_000, 8_000, 16_000])
        #expect((1...3).map { delay($0, 0) } == [500, 1_000, 2_000])
        #expect(delay(11, 1) == 600_000 && delay(.max, 1) == 600_000 && delay(.min, 1) == 1_000)
        #expect(delay(1, 1, 30) == 30_000 && delay(1, 1, .max) == 600_000)
        #expect(delay(5, 1, 1) == 16_000 && delay(1, .infinity) == 1_000)
    }

    @Test("an event is given up when it is old and its receiver fails again and again")
    func givenUp() {
        let (now, day) = (Timestamp(clampingSeconds: 1_000_000), Int64(86_400))
        func isGivenUp(_ age: Int64, _ failures: Int) -> Bool {
            WebhookPolicy.isGivenUp(
                loggedAt: now.advanced(bySeconds: -age), now: now, failures: failures,
                giveUpSeconds: day)
        }
        #expect(isGivenUp(day, 5) && isGivenUp(day * 10, 9))
        #expect(!isGivenUp(day - 1, 100) && !isGivenUp(day * 10, 4) && !isGivenUp(-day, 100))
    }
}

@Suite struct WebhookRecordTests {
    private let now = Timestamp(clampingSeconds: 1_000_000)

    @Test("what is delivered is behind, and ends the failures")
    func delivered() {
        var record = WebhookRecord(lastEvent: 4)
        record.fail("gone", at: now)
        record.fail("gone", at: now.advanced(bySeconds: 9))
        #expect(record.failureCount == 2 && record.failingSince == now && record.lastEvent == 4)
        record.deliver(5, isAgain: false, at: now)
        #expect(record.lastEvent == 5 && record.failureCount == 0 && record.lastError == nil)
        record.pass(3, isAgain: false)
        #expect(record.lastEvent == 5)
    }

    @Test("what was given up comes again, once, and moves nothing else")
    func again() {
        var record = WebhookRecord(lastEvent: 0)
        for event in Int64(1)...3 { record.giveUp(event, "no", isAgain: false, at: now) }
        #expect(record.dead.map(\.event) == [1, 2, 3] && record.lastEvent == 3)
        #expect(record.retry([2]) == [2])
        #expect(record.retry([2]) == [])
        #expect(record.retry(nil) == [1, 3])
        #expect(record.again == [2, 1, 3] && record.dead.isEmpty)
        record.deliver(2, isAgain: true, at: now)
        #expect(record.again == [1, 3] && record.lastEvent == 3)
        record.giveUp(1, "no", isAgain: true, at: now)
        #expect(record.again == [3] && record.dead.map(\.event) == [1])
    }

    @Test("noted twice it is there once, and what was said has an end")
    func notedTwice() {
        var record = WebhookRecord(lastEvent: 0)
        let error = String(repeating: "\u{1}", count: 5_000)
        for _ in 0..<2 { record.giveUp(1, error, isAgain: false, at: now) }
        record.fail(error, at: now)
        #expect(record.dead.map(\.event) == [1])
        #expect(record.dead[0].error.count == 300 && record.lastError?.count == 300)
    }

    @Test("what a newer program has written is told as that, whatever is in it")
    func newer() throws {
        let folder = TemporaryFolder()
        let files = WebhookFolder(StateFolder(path: folder.path))
        try files.change("w") { $0 = WebhookRecord(lastEvent: 7) }
        #expect(try files.record("w")?.lastEvent == 7)
        for (text, code) in [
            (#"{"version":2,"lastEvent":"seven"}"#, Problem.Code.newerVersion),
            (#"{"version":1}"#, .corrupt), ("", .corrupt),
        ] {
            try Data(text.utf8).write(to: URL(filePath: folder.path + "/webhooks/w.json"))
            let problem = #expect(throws: Problem.self) { try files.record("w") }
            #expect(problem?.code == code)
        }
    }

    @Test("the list of what was given up has an end")
    func bounded() {
        var record = WebhookRecord(lastEvent: 0)
        for event in Int64(1)...1_003 { record.giveUp(event, "no", isAgain: false, at: now) }
        #expect(record.dead.count == 1_000 && record.dead.first?.event == 4)
        #expect(record.droppedCount == 3)
    }
}
