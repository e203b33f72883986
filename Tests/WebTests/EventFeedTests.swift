import Catalog
import Foundation
import Manager
import SnapshotModel
import TestKit
import Testing
import VolumeAccess

@testable import Web

@Suite(.timeLimit(.minutes(2))) struct EventFeedTests {
    private let folder = TemporaryFolder()

    private func manager() throws -> Manager {
        try Manager(
            ManagerOptions(
                state: StateFolder(path: folder.path), drivers: DriverRegistry([]), wording: .plain)
        )
    }

    /// Logs as another process does.
    private func log(_ range: ClosedRange<Int>) throws {
        let catalog = try CatalogStore(
            path: StateFolder(path: folder.path).catalogPath,
            now: { Timestamp(clampingSeconds: 1_800_000_000) })
        for number in range {
            try catalog.record(Event(.info, kind: "test", message: "number \(number)"))
        }
    }

    private func ids(_ feed: EventFeed, after id: Int64) throws -> [Int64] {
        try feed.next(after: id, milliseconds: 5_000).map(\.id)
    }

    @Test("who was away for longer than events are kept at hand gets them from the log")
    func behind() throws {
        let feed = EventFeed(try manager(), recent: 3)
        try log(1...10)
        #expect(try feed.begin() == 10)
        defer { feed.end() }
        #expect(try ids(feed, after: 0) == Array(1...10))
        #expect(try ids(feed, after: 6) == [7, 8, 9, 10])
        #expect(try ids(feed, after: 7) == [8, 9, 10])
        #expect(try ids(feed, after: 9) == [10])
    }

    @Test("what comes while one waits is heard, and its document is on one line")
    func news() throws {
        let feed = EventFeed(try manager(), recent: 3)
        try log(1...1)
        #expect(try feed.begin() == 1)
        defer { feed.end() }
        #expect(try feed.next(after: 1, milliseconds: 10).isEmpty)
        try log(2...8)
        var seen: [Int64] = []
        while seen.last != 8 { seen += try ids(feed, after: seen.last ?? 1) }
        #expect(seen == Array(2...8))
        let text = String(
            decoding: try #require(try feed.next(after: 7, milliseconds: 10).first).bytes,
            as: UTF8.self)
        #expect(text.hasPrefix("id: 8\nevent: snapmgr\ndata: {") && text.hasSuffix("}\n\n"))
        #expect(text.filter { $0 == "\n" }.count == 4)
    }

    @Test("those of the network leave room for those of the socket")
    func followers() throws {
        let feed = EventFeed(try manager())
        defer { feed.stop() }
        for _ in 0..<192 { _ = try feed.begin(isOfNetwork: true) }
        #expect(throws: WebFailure.self) { try feed.begin(isOfNetwork: true) }
        _ = try feed.begin()
    }

    @Test("who waits hears the end")
    func end() throws {
        let feed = EventFeed(try manager())
        _ = try feed.begin()
        let start = ContinuousClock.now
        Thread.detachNewThread {
            usleep(100_000)
            feed.stop()
        }
        #expect(try feed.next(after: 0, milliseconds: 100_000).isEmpty)
        #expect(ContinuousClock.now - start < .seconds(90))
        #expect(feed.isOver)
        #expect(throws: WebFailure.self) { try feed.begin() }
    }
}
