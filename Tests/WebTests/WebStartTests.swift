import Foundation
import SnapshotModel
import TestKit
import Testing
import WebTestKit

@testable import Web

@Suite(.timeLimit(.minutes(5))) struct WebStartTests {
    private let folder = TemporaryFolder()

    private func options() throws -> WebOptions {
        var options = try WebOptions.plain(folder.path)
        options.address = try WebAddress("unix:\(folder.path)/later/sock", state: folder.path)
        return options
    }

    @Test("without anything else to do, what prevents it is the failure")
    func alone() throws {
        let options = try options()
        #expect(throws: Problem.self) { _ = try WebStart(options, mustServe: true) }
    }

    @Test("where there is something else to do, it is tried again until it can be")
    func later() throws {
        let start = try WebStart(try options(), mustServe: false)
        let path = folder.path + "/later"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        var status = 0
        for _ in 0..<600 where status != 200 {
            status = (try? HTTPClient(path: path + "/sock").get("/healthz").status) ?? 0
            if status != 200 { usleep(100_000) }
        }
        #expect(status == 200)
        start.beginEnd()
        start.waitForEnd()
        #expect(!FileManager.default.fileExists(atPath: path + "/sock"))
    }

    @Test("it can be ended before it could be begun")
    func never() throws {
        let start = try WebStart(try options(), mustServe: false)
        start.beginEnd()
        start.waitForEnd()
    }
}
