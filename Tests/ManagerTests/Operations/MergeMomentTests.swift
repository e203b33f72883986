import SnapshotModel
import StoreFormat
import Synchronization
import System
import TestKit
import Testing

@testable import Manager

/// Who looks at a store without a lock, at the very moment that its merge ends.
@Suite struct MergeMomentTests {
    private let fixture: ManagerFixture

    /// A revert to snapshot 1 that has merged nothing yet, with 2 as its safety snapshot, and a later one.
    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.write(1, to: 0..<8, of: "a")
        try fixture.snapshot("a")
        try fixture.write(2, to: 0..<16, of: "a")
        _ = try fixture.manager.reverts.revert("1", RevertOptions(waits: false))
        _ = try fixture.manager.merges.pause(["a"])
        try fixture.snapshot("a")
    }

    /// Reads the store; when it is asked for something, the merge runs to its end first.
    private func reader(
        endingAt isMoment: @escaping @Sendable (WatchedFolder.Access, String) -> Bool
    ) throws -> StoreReader {
        let end = MergeEnd(manager: fixture.manager)
        return try StoreReader(
            folder: WatchedFolder(FileFolder(path: fixture.storePath("a"))) { access, name in
                guard isMoment(access, name) else { return }
                end.come()
            })
    }

    private final class MergeEnd: Sendable {
        private let manager: Manager
        private let hasEnded = Mutex(false)

        init(manager: Manager) { self.manager = manager }

        func come() {
            let isFirst = hasEnded.withLock { hasEnded in
                defer { hasEnded = true }
                return !hasEnded
            }
            if isFirst { _ = try? manager.merges.resume(["a"]) }
        }
    }

    @Test("a diff lacks nothing that a merge copies while the areas are read")
    func diff() throws {
        let area = StoreLayout.snapshotFolder(SnapshotOrdinal(rawValue: 2)) + "/area.cow"
        let isRead = ReadMark()
        let reader = try reader { access, name in
            if access == .opens, name == area { isRead.set() }
            return access == .lists && name == "reverts" && isRead.isSet
        }
        let context = fixture.manager.status.context
        let volume = try context.volume("a")
        let chunks = try DiffService.changed(
            between: SnapshotOrdinal(rawValue: 2), SnapshotOrdinal(rawValue: 3)
        ) { AreaMaps(context, volume, reader: reader) }
        #expect(try reader.runningRevert() == nil, "it has ended meanwhile")
        #expect(chunks.count == 16)
    }

    private final class ReadMark: Sendable {
        private let mark = Mutex(false)
        var isSet: Bool { mark.withLock { $0 } }
        func set() { mark.withLock { $0 = true } }
    }

    @Test("a journal that goes after its record was read is that of no running merge")
    func journal() throws {
        let reader = try reader { access, name in
            access == .opens && name.hasSuffix("/journal")
        }
        #expect(try reader.revert() == nil)
    }

    @Test("of a merge that ends while its plan is read nothing is left to be merged")
    func plan() throws {
        let reader = try reader { access, name in
            access == .opens && name.hasSuffix("/journal")
        }
        #expect(try reader.unmergedChunks().isEmpty)
    }
}
