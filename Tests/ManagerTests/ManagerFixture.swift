import System
import Catalog
import Control
import DeviceDriver
import DeviceMapper
import FoundationEssentials
import Glibc
import MergeKit
import ShellWords
import SnapshotModel
import Synchronization

@testable import Manager
import VolumeAccess
import ImageDriver

/// A state folder with real volumes in a temporary folder, removed when the test ends.
final class ManagerFixture {
    let folder: String
    let clock = TestClock()
    let sessions: FaultySessions
    let notes = Notes()
    let manager: Manager

    init() throws {
        var template = Array("/tmp/snapmgr-manager-test-XXXXXX".utf8CString)
        guard let path = mkdtemp(&template) else {
            throw IOFailure("make", path: "/tmp", code: errno)
        }
        folder = String(cString: path)
        sessions = FaultySessions(clock: clock)
        manager = try Manager(
            Self.options(folder: folder, clock: clock, sessions: sessions, notes: notes))
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private static func options(
        folder: String, clock: TestClock, sessions: FaultySessions, notes: Notes
    ) -> ManagerOptions {
        ManagerOptions(
            state: StateFolder(path: folder + "/state"),
            drivers: DriverRegistry([
                sessions, DeviceVolumeDriver(purpose: "test", clock: clock),
            ]), timeZone: .utc, wording: .shell,
            operation: Operation(clock: clock, onNote: { notes.add($0) }))
    }

    var options: ManagerOptions {
        Self.options(folder: folder, clock: clock, sessions: sessions, notes: notes)
    }

    /// A manager of its own, as the next command would have.
    func nextCommand() throws -> Manager { try Manager(options) }

    /// The catalog, to simulate what a crash leaves.
    func catalog() throws -> CatalogStore {
        let clock = clock
        return try CatalogStore(path: options.state.catalogPath, now: { clock.now() })
    }

    static let chunkBytes = 4096
    static let chunkCount = 64

    @discardableResult
    func makeVolume(_ name: String) throws -> VolumeSummary {
        try manager.volumes.create(
            CreateRequest(
                name: name, originPath: "\(folder)/\(name).img",
                createBytes: Self.chunkBytes * Self.chunkCount, chunkBytes: Self.chunkBytes))
    }

    func storePath(_ volume: String) -> String { options.state.defaultStorePath(volume: volume) }

    /// Works on a volume as its server would.
    func withEngine<Result>(
        _ volume: String, _ body: (LiveEngine) throws -> Result
    ) throws -> Result {
        let host = try VolumeHost.open(
            storePath: storePath(volume), options: VolumeHost.Options(purpose: "test"))
        let result = try body(host.engine)
        try host.close()
        return result
    }

    /// Fills chunks with one byte each.
    func write(_ byte: UInt8, to chunks: Range<Int>, of volume: String) throws {
        try withEngine(volume) { engine in
            let bytes = [UInt8](repeating: byte, count: chunks.count * Self.chunkBytes)
            try engine.write(bytes.span.bytes, at: chunks.lowerBound * Self.chunkBytes)
        }
    }

    /// The first byte of each chunk, as the volume reads.
    func content(of volume: String) throws -> [UInt8] {
        try withEngine(volume) { engine in
            var buffer = AlignedBuffer(count: Self.chunkBytes * Self.chunkCount)
            var bytes = buffer.mutableBytes
            try engine.read(into: &bytes, at: 0)
            let all = buffer.bytes.array
            return (0..<Self.chunkCount).map { all[$0 * Self.chunkBytes] }
        }
    }

    /// Takes snapshots of volumes together, and returns their ids in the order of the names.
    @discardableResult
    func snapshot(_ volumes: String..., name: String? = nil) throws -> [SnapshotID] {
        try manager.snapshots.take(TakeRequest(volumes: volumes, name: name)).snapshots.map(\.id)
    }

    func list(_ manager: Manager? = nil) throws -> [SnapshotSummary] {
        var rows: [SnapshotSummary] = []
        try (manager ?? self.manager).lists.forEachPage(ListRequest(sort: "id")) { rows += $0 }
        return rows
    }
}

/// A wall clock that moves a second each time it is asked.
final class TestClock: Clock {
    /// 2026-11-22T12:00:00Z.
    private let seconds = Mutex<Int64>(1_795_348_800)
    /// By how much the wall clock is ahead of the machine's time, in seconds.
    private let jump = Mutex<Int64>(0)
    private let boot = Mutex("first")

    func now() -> Timestamp {
        seconds.withLock {
            $0 += 1
            return Timestamp(clampingSeconds: $0)
        }
    }

    /// Time passes, for the machine as well.
    func advance(bySeconds count: Int64) { seconds.withLock { $0 += count } }

    /// Somebody sets the wall clock.
    func jump(bySeconds count: Int64) {
        advance(bySeconds: count)
        jump.withLock { $0 += count }
    }

    /// The machine is off for so long, and starts again.
    func restart(afterSeconds count: Int64) {
        jump(bySeconds: count)
        let now = now().secondsSinceEpoch
        jump.withLock { $0 = now - Self.start }
        boot.withLock { $0 += "+" }
    }

    private static let start: Int64 = 1_795_348_800

    func reading() -> ClockReading {
        let now = now()
        let boot = now.secondsSinceEpoch - Self.start - jump.withLock { $0 }
        return ClockReading(
            wall: now, bootID: self.boot.withLock { $0 },
            bootNanoseconds: boot.multipliedClamped(by: 1_000_000_000))
    }

    func monotonicNanoseconds() -> Int64 { now().stored }
}

/// The notes that people would have seen.
final class Notes: Sendable {
    private let texts = Mutex<[String]>([])

    func add(_ text: String) { texts.withLock { $0.append(text) } }

    var all: [String] { texts.withLock { $0 } }
}

extension VolumeRequest {
    var isCommit: Bool { self == .commit }

    var isPreparation: Bool {
        if case .prepareSnapshot(_) = self { return true }
        return false
    }

    var isSnapshot: Bool {
        if case .snapshot(_) = self { return true }
        return false
    }

    var isHold: Bool {
        if case .holdIO = self { return true }
        return false
    }
}
