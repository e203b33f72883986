import Dispatch
import Foundation
import Manager
import SnapshotModel
import System
import TestKit
import Testing

@testable import Web

@Suite(.timeLimit(.minutes(5))) struct WebJobTests {
    private let folder = TemporaryFolder()

    private static let change = WebChange(kind: "test", volumes: []) { _, _ in
        ["done": .bool(true)]
    }

    private func jobs() throws -> WebJobs { try WebJobs(try WebOptions.plain(folder.path)) }

    private func key(_ word: String) throws -> JobKey { try JobKey(word, user: 0, request: "r") }

    /// Begins one and waits for its end.
    private func done(_ jobs: WebJobs, _ key: JobKey?) throws -> WebJob {
        let id = try jobs.start(Self.change, for: Requester(userID: 0, face: .web), key: key)
        return try jobs.wait(for: id, milliseconds: 60_000)
    }

    @Test("a key is known however many others ask meanwhile, and after a restart")
    func keys() throws {
        let jobs = try jobs()
        let night = try done(jobs, try key("night"))
        for _ in 0..<1_100 { _ = try done(jobs, nil) }
        for number in 0..<300 { _ = try done(jobs, try key("minute-\(number)")) }
        let again = try done(jobs, try key("night"))
        #expect(again.id == night.id && again.outcome == night.outcome)
        #expect(night.outcome?.status == 200 && night.outcome?.text != "null")
        let later = try done(try self.jobs(), try key("night"))
        #expect(later.id == night.id && later.outcome == night.outcome)
    }

    @Test("of jobs without a key, the latest are known")
    func plain() throws {
        let jobs = try jobs()
        for _ in 0..<400 { _ = try done(jobs, nil) }
        #expect(jobs.all.count <= 257)
    }

    @Test("the list of jobs has no documents, which each job has")
    func listed() throws {
        let job = try done(try jobs(), nil)
        #expect(job.text.contains("\"result\":{\"done\":true}"))
        #expect(job.listed.contains("\"result\":null"))
    }

    @Test("a record that cannot be read is a failure, and no reason to do its request again")
    func unreadable() throws {
        let path = folder.path + "/http-jobs"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        // Larger than any that is written.
        try Data(count: 2 << 20).write(to: URL(filePath: path + "/job-7.json"))
        #expect(throws: IOFailure.self) { try JobFolder(state: folder.path).records() }
    }

    @Test("of a job of before, no name is looked up but root's")
    func names() throws {
        let now = Timestamp(clampingSeconds: 1_800_000_000)
        let outcome = WebJob.Outcome(status: 503, text: "null")
        for (user, name) in [(0, "root"), (1, nil)] as [(UInt32, String?)] {
            var job = WebJob(
                id: 1, kind: "test", volumes: [],
                requester: Requester(userID: user, userName: "somebody", face: .web), since: now)
            job.key = try key("k")
            let kept = try #require(JobRecord(job)).job(at: now, outcome)
            #expect(kept.requester.userName == name && kept.requester.userID == user)
        }
    }

    @Test("names of users are looked up by many threads at once")
    func threads() {
        let known = (0..<4 as Range<UInt32>).map { Requester.onWeb(user: $0).userName }
        let wrong = Monitored(0)
        DispatchQueue.concurrentPerform(iterations: 2_000) { turn in
            let user = turn % known.count
            if Requester.onWeb(user: UInt32(user)).userName != known[user] {
                wrong.change { $0 += 1 }
            }
        }
        #expect(wrong.withLock { $0 } == 0)
    }
}
