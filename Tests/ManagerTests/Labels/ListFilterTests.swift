import SnapshotModel
import Testing

@testable import Manager

/// Which snapshots a list shows.
@Suite struct ListFilterTests {
    private let fixture: ManagerFixture

    /// One an hour, the sixth a minute ago: of `a` but for the third and the sixth, which are a set's of both.
    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.makeVolume("b")
        for hour in 1...6 {
            let tags = [["odd"], ["even"]][(hour + 1) % 2] + (hour > 3 ? ["late"] : [])
            _ = try fixture.manager.snapshots.take(
                TakeRequest(
                    volumes: hour % 3 == 0 ? ["a", "b"] : ["a"], name: "hour-\(hour)",
                    setName: hour % 3 == 0 ? "set-\(hour)" : nil, tags: tags))
            fixture.clock.advance(bySeconds: hour < 6 ? 3600 : 60)
        }
    }

    private func ids(_ request: ListRequest) throws -> [Int64] {
        var ids: [Int64] = []
        try fixture.manager.lists.forEachPage(request) { ids += $0.map(\.id.rawValue) }
        return ids
    }

    private func ids(_ filter: ListFilter, of volumes: String...) throws -> [Int64] {
        try ids(ListRequest(volumes: volumes, filter: filter))
    }

    @Test("by tags, of which each must be there")
    func tags() throws {
        #expect(try Set(ids(ListFilter(tags: ["odd"]))) == [1, 3, 4, 6])
        #expect(try ids(ListFilter(tags: ["odd", "late"])) == [6])
        #expect(try ids(ListFilter(tags: ["late"]), of: "b") == [8])
        #expect(try ids(ListFilter(tags: ["ODD"])).isEmpty)
        try fixture.snapshot("a")
        #expect(try ids(ListFilter(tags: ["none"])).isEmpty, "also where there are no tags")
    }

    @Test("by a pattern of names")
    func names() throws {
        #expect(try ids(ListFilter(namePattern: "hour-[12]")) == [1, 2])
        #expect(try ids(ListFilter(namePattern: "*6"), of: "a") == [7])
        #expect(try ids(ListFilter(namePattern: "hour")).isEmpty, "it is the whole name")
        #expect(try ids(ListFilter(namePattern: "%")).isEmpty)
        let long = String(repeating: "*", count: 5000)
        #expect(throws: Problem.self) { try ids(ListFilter(namePattern: long)) }
    }

    @Test("by kind and by time, as a moment or as how long ago it was")
    func times() throws {
        #expect(try ids(ListFilter(since: "2h"), of: "a") == [6, 7])
        #expect(try ids(ListFilter(until: "4h"), of: "a") == [1, 2])
        let third = try #require(try fixture.list().first { $0.id.rawValue == 3 })
        let moment = third.manifest.takenAt.description
        let later = third.manifest.takenAt.advanced(bySeconds: 60).description
        #expect(try ids(ListFilter(since: moment, until: later), of: "a") == [3])
        #expect(try ids(ListFilter(since: later), of: "a") == [5, 6, 7])
        let shown = String(moment.prefix(19)) + "Z"
        #expect(try ids(ListFilter(until: shown), of: "a") == [1, 2, 3], "as a list shows it")
        #expect(try ids(ListFilter(kind: "manual")).count == 8)
        #expect(try ids(ListFilter(kind: "safety")).isEmpty)
        for filter in [
            ListFilter(kind: "odd"), ListFilter(since: "soon"),
            ListFilter(since: "1h", until: "2h"),
        ] {
            let problem = #expect(throws: Problem.self) { try ids(filter) }
            #expect(problem?.code == .usage)
        }
    }

    @Test("a limit means the newest, in the order of time, unless an order is asked for")
    func limits() throws {
        func ids(_ limit: Int, offset: Int? = nil, sort: String? = nil) throws -> [Int64] {
            try self.ids(ListRequest(volumes: ["a"], sort: sort, limit: limit, offset: offset))
        }
        #expect(try ids(3) == [5, 6, 7])
        #expect(try ids(3, offset: 2) == [3, 5, 6])
        #expect(try ids(3, offset: 0) == [1, 2, 3], "as pages are asked for")
        #expect(try ids(20_000) == [1, 2, 3, 5, 6, 7])
        #expect(try ids(20_000, offset: 20).isEmpty)
        #expect(try ids(3, sort: "taken_at") == [1, 2, 3])
        #expect(try ids(2, sort: "-taken_at") == [7, 6])
        #expect(try ids(0).isEmpty)
        #expect(
            try self.ids(
                ListRequest(volumes: ["a"], limit: 2, filter: ListFilter(tags: ["odd"])))
                == [3, 6])
    }

    @Test("of sets, by their own name and by what one of their snapshots has")
    func sets() throws {
        func names(_ request: ListRequest) throws -> [String?] {
            try fixture.manager.lists.sets(request).map(\.name)
        }
        #expect(try names(ListRequest()) == ["set-3", "set-6"])
        #expect(try names(ListRequest(filter: ListFilter(namePattern: "*6"))) == ["set-6"])
        #expect(try names(ListRequest(filter: ListFilter(tags: ["late"]))) == ["set-6"])
        #expect(try names(ListRequest(filter: ListFilter(until: "2h"))) == ["set-3"])
        #expect(try names(ListRequest(limit: 1)) == ["set-6"])
        #expect(try names(ListRequest(limit: 1, offset: 0)) == ["set-3"])
        #expect(try names(ListRequest(volumes: ["b"])) == ["set-3", "set-6"])
        #expect(try names(ListRequest(volumes: ["b"], offset: 1)) == ["set-6"])
    }
}
