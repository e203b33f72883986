import SnapshotModel
import Testing

@testable import Catalog

@Suite("The event log")
struct EventTests {
    private let fixture: Fixture
    private let store: CatalogStore

    init() throws {
        fixture = try Fixture()
        store = try fixture.open()
    }

    @Test("an event comes back with every field and the clock's time")
    func roundTrip() throws {
        let event = Event(
            .warning, kind: "store_low", message: "5 % left", volume: "gone",
            snapshot: SnapshotID(rawValue: 77), details: #"{"bytes":1}"#)
        try store.record(event)
        let row = try #require(try store.events(limit: 1).first)
        #expect(row.event == event)
        #expect(row.time == fixture.now)
    }

    @Test("the log is read from either end and after an id")
    func reading() throws {
        for number in 1...5 {
            try store.record(Event(.info, kind: "n", message: "\(number)"))
        }
        #expect(try store.events(limit: 2).map(\.message) == ["1", "2"])
        #expect(try store.events(limit: 2, order: .newestFirst).map(\.message) == ["5", "4"])
        let third = try store.events(limit: 3)[2].id
        #expect(try store.events(after: third, limit: 9).map(\.message) == ["4", "5"])
        #expect(try store.events(limit: 0).isEmpty)
    }

    @Test("R11: the log does not grow for ever: the oldest events go")
    func bounded() throws {
        let count = CatalogStore.eventsMaximum + 2000
        try store.atomically("filling the log") {
            for _ in 0..<count { try store.record(Event(.info, kind: "n", message: "")) }
        }
        let all = try store.events(limit: Int(count) + 1)
        #expect(all.count == CatalogStore.eventsMaximum)
        #expect(all.last?.id == count)
    }

    @Test("old events are forgotten, but for the newest of them, and only when there are some")
    func forgotten() throws {
        for number in 1...5 {
            try store.record(Event(.info, kind: "n", message: "\(number)"))
        }
        let now = fixture.now
        try store.forgetEvents(before: now.advanced(bySeconds: -3600), keeping: 0)
        #expect(try store.events(limit: 9).count == 5)
        let later = now.advanced(bySeconds: 3600)
        try store.forgetEvents(before: later, keeping: 2)
        #expect(try store.events(limit: 9).map(\.message) == ["4", "5"])
        try store.forgetEvents(before: later, keeping: 0)
        #expect(try store.events(limit: 9).isEmpty)
        try store.forgetEvents(before: later, keeping: 0)
    }

    @Test("details that are not JSON are refused")
    func details() throws {
        expectError(.constraint) {
            try store.record(Event(.error, kind: "k", message: "m", details: "{"))
        }
        #expect(try store.events(limit: 1).isEmpty)
    }
}
