import ImageDriver
import MergeKit
import SnapshotModel
import StoreFormat
import Synchronization
import System
import TestKit
import Testing

@testable import Manager

/// What the store tells of what has changed while others change it: no lock is taken.
@Suite("Changed ranges of a store that is at work")
struct ChangedRangesTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
    }

    private static func chunks(_ ranges: Range<Int>...) -> [Range<Int>] {
        let bytes = ManagerFixture.chunkBytes
        return ranges.map { $0.lowerBound * bytes..<$0.upperBound * bytes }
    }

    /// Something that happens once, when it is asked for.
    private final class Moment: Sendable {
        private let body: Mutex<(@Sendable () throws -> Void)?>
        private let failure = Mutex<String?>(nil)

        init(_ body: @escaping @Sendable () throws -> Void) { self.body = Mutex(body) }

        var hasPassed: Bool { body.withLock { $0 == nil } }
        var problem: String? { failure.withLock { $0 } }

        func come() {
            let body = body.withLock { body in
                defer { body = nil }
                return body
            }
            do { try body?() } catch { failure.withLock { $0 = "\(error)" } }
        }
    }

    private func ranges(
        _ older: Int, _ newer: Int, _ moment: Moment? = nil,
        when isMoment: @escaping @Sendable (WatchedFolder.Access, String) -> Bool = { _, _ in false
        }
    ) throws -> [Range<Int>] {
        let reader = try StoreReader(
            folder: WatchedFolder(FileFolder(path: fixture.storePath("a"))) { access, name in
                if isMoment(access, name) { moment?.come() }
            })
        func manifest(_ ordinal: Int) throws -> SnapshotManifest {
            try reader.manifest(SnapshotOrdinal(rawValue: ordinal))
        }
        return try reader.changedRanges(from: manifest(older), to: manifest(newer))
    }

    @Test("what a merge has not copied yet has changed, whether it ends meanwhile or not")
    func merging() throws {
        try fixture.write(1, to: 0..<8, of: "a")
        try fixture.snapshot("a")
        try fixture.write(2, to: 0..<16, of: "a")
        _ = try fixture.manager.reverts.revert("1", RevertOptions(waits: false))
        _ = try fixture.manager.merges.pause(["a"])
        try fixture.snapshot("a")
        #expect(try ranges(2, 3) == Self.chunks(0..<16))
        #expect(try ranges(1, 2) == Self.chunks(0..<16))
        let manager = fixture.manager
        let moment = Moment { _ = try manager.merges.resume(["a"]) }
        let area = StoreLayout.snapshotFolder(SnapshotOrdinal(rawValue: 2)) + "/area.cow"
        #expect(
            try ranges(2, 3, moment) { access, name in access == .opens && name == area }
                == Self.chunks(0..<16))
        #expect(moment.hasPassed && moment.problem == nil)
        #expect(try ranges(2, 3) == Self.chunks(0..<16))
    }

    @Test("what a snapshot between the two had is not lost when that goes meanwhile")
    func folding() throws {
        try fixture.write(1, to: 0..<8, of: "a")
        for number in 2..<5 {
            try fixture.snapshot("a")
            try fixture.write(UInt8(number), to: number..<number + 1, of: "a")
        }
        let expected = Self.chunks(2..<4)
        #expect(try ranges(1, 3) == expected)
        let store = fixture.storePath("a")
        let moment = Moment {
            let host = try VolumeHost.open(
                storePath: store, options: VolumeHost.Options(purpose: "test"))
            _ = try host.engine.delete([SnapshotID(rawValue: 2)])
            while try host.engine.fold(byteLimit: 1 << 20) {}
            try host.close()
        }
        let folder = StoreLayout.snapshotFolder(SnapshotOrdinal(rawValue: 2))
        #expect(
            try ranges(1, 3, moment) { _, name in name.hasPrefix(folder + "/") } == expected)
        #expect(moment.hasPassed && moment.problem == nil)
        #expect(try !FileFolder.exists(path: store + "/" + folder), "it has gone")
        #expect(try ranges(1, 3) == expected)
    }

    @Test("what a volume got when it became larger has changed, and what it lost is not told")
    func sizes() throws {
        let bytes = ManagerFixture.chunkBytes * ManagerFixture.chunkCount
        try fixture.write(1, to: 60..<64, of: "a")
        try fixture.snapshot("a")
        try fixture.withEngine("a") { try $0.resize(to: bytes + 3 * 512) }
        try fixture.snapshot("a")
        try fixture.withEngine("a") { try $0.resize(to: bytes / 2 + 512) }
        try fixture.snapshot("a")
        #expect(try ranges(1, 2) == [bytes..<bytes + 3 * 512])
        #expect(try ranges(1, 3).allSatisfy { $0.upperBound <= bytes / 2 + 512 })
    }
}
