import System
import Control
import Glibc
import Manager
import MergeKit
import StoreFormat
import Scheduler
import Settings
import ShellWords
import SnapshotModel
import Synchronization
import OriginAccess
import ImageDriver
import Drivers

/// A folder with a catalog, stores and origins in it, and what a command does there.
final class Machine: Sendable {
    let root: String
    /// What the commands believe that the time is, in seconds since 1970.
    let clock: MachineClock
    private let noted = Mutex<[String]>([])

    init(root: String, seconds: Int64) {
        self.root = root
        clock = MachineClock(seconds: seconds)
    }

    /// What the commands said that they put right.
    var notes: [String] { noted.withLock { $0 } }

    var options: ManagerOptions {
        ManagerOptions(
            state: StateFolder(path: root + "/state"),
            drivers: Drivers.all(purpose: "test", clock: clock, wording: .shell), timeZone: .utc,
            wording: .shell,
            operation: Operation(
                clock: clock, settings: SettingsSource { Self.settings },
                onNote: { note in self.noted.withLock { $0.append(note) } }))
    }

    static let schedule = "minutely"
    static let keptCount = 4
    static let periodSeconds: Int64 = 60

    /// The first volume has a schedule, and a policy that keeps few of its snapshots.
    private static var settings: Settings {
        let policy = NamedPolicy(
            name: "few", policy: RetentionPolicy(rules: [.last(.atMost(keptCount))]))
        let everything = NamedPolicy(name: "all", policy: RetentionPolicy(rules: []))
        var settings = Settings(
            defaults: SettingsDefaults(safetyPolicy: everything, freeSpaceFloor: .bytes(0)))
        settings.volumes["a"] = VolumeSettings(
            name: "a",
            schedules: [Schedule(name: schedule, timetable: .every(.minute), zone: .utc)],
            policy: policy, safetyPolicy: everything, hooks: [], freeSpaceFloor: .bytes(0))
        return settings
    }

    /// A disk that was played back has the same files in other inodes.
    func acceptOrigins() throws {
        let stores = FileFolder(path: options.state.storesPath)
        guard let names = try? stores.list("") else { return }
        for name in names {
            let store = Store(folder: FileFolder(path: stores.path + "/" + name))
            guard var record = try? store.volume(), record.originIdentity != nil,
                let origin = try? OriginGuard.acquire(
                    path: record.originPath, volume: name, recorded: nil)
            else { continue }
            record.originIdentity = origin.identity
            try store.writeVolume(record)
        }
    }

    /// A manager of its own, as the next command has.
    func manager() throws -> Manager { try Manager(options) }

    /// Works on a volume as its server would.
    func withEngine<Result>(
        _ volume: String, _ body: (LiveEngine) throws -> Result
    ) throws -> Result {
        let host = try VolumeHost.open(
            storePath: options.state.defaultStorePath(volume: volume),
            options: VolumeHost.Options(purpose: "test"))
        let result: Result
        do {
            result = try body(host.engine)
        } catch {
            try? host.close()
            throw error
        }
        try host.close()
        return result
    }

    /// Fills chunks of a clone, durably, as a client of its volume's server would.
    func write(_ byte: UInt8, to chunks: Range<Int>, ofClone name: String) throws {
        let clones = try manager().clones.list([])
        guard let volume = clones.first(where: { $0.record.name == name })?.volume else {
            throw Problem.noClone(name, of: "any")
        }
        try withEngine(volume) { engine in
            let open = try engine.openClone(name)
            defer { open.close() }
            let size = CommandHistory.chunkBytes
            let bytes = [UInt8](repeating: byte, count: chunks.count * size)
            try open.clone.write(bytes.span.bytes, at: chunks.lowerBound * size)
            try open.clone.flush()
        }
    }
}

/// A clock that stands still until the history moves it, but never shows a moment twice.
final class MachineClock: System.Clock {
    private let state: Mutex<(seconds: Int64, nanoseconds: Int64)>

    init(seconds: Int64) { state = Mutex((seconds, 0)) }

    var seconds: Int64 {
        get { state.withLock { $0.seconds } }
        set { state.withLock { $0 = (newValue, 0) } }
    }

    func now() -> Timestamp {
        state.withLock {
            $0.nanoseconds += 1000
            return Timestamp(clampingSeconds: $0.seconds, nanoseconds: $0.nanoseconds)
        }
    }

    func reading() -> ClockReading {
        let now = now()
        return ClockReading(
            wall: now, bootID: "machine", bootNanoseconds: max(0, now.stored))
    }

    func monotonicNanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
