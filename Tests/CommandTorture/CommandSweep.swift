import System
import Glibc
import SnapshotModel
import Synchronization
import TestKit

/// Records histories, and cuts the power in each of them at every sync and at a part of the other
/// operations.
struct CommandSweep: Sendable {
    let pointsMaximum: Int
    let seed: UInt64?
    let workers: Int

    struct Result: Sendable {
        var histories = 0
        var points = 0
        var syncs = 0
        var rebuilds = 0
        var failed = 0
    }

    /// One operation of so many that is not a sync is swept.
    private static let stride = 6
    private static let failuresMaximum = 5

    func run() -> Result {
        let next = Atomic<UInt64>(seed ?? 1)
        let total = Mutex(Result())
        WorkerThreads.run(seed == nil ? workers : 1) { _ in
            while total.withLock({ $0.points < pointsMaximum && $0.failed < Self.failuresMaximum })
            {
                let seed = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard self.seed == nil || self.seed == seed else { return }
                do {
                    try sweep(seed, total)
                } catch {
                    total.withLock { $0.failed += 1 }
                    print("FAILED commands, seed \(seed): \(error)")
                }
            }
        }
        return total.withLock { $0 }
    }

    private func sweep(_ seed: UInt64, _ total: borrowing Mutex<Result>) throws {
        let folder = TemporaryFolder()
        let root = folder.path + "/machine"
        let record = try Self.record(seed, folder: folder, root: root)
        try FileFolder(path: root).removeAll()
        let replay = DiskReplay()
        var generator = SeededGenerator(seed: seed).forked(1)
        var entry = LedgerEntry(
            known: KnownState(), begun: nil, seconds: CommandHistory.beginning)
        total.withLock { $0.histories += 1 }
        for (index, operation) in record.operations.enumerated() {
            if operation.path == LedgerEntry.fileName {
                if operation.kind == .write {
                    entry = try LedgerEntry(line: Array(operation.data))
                    if let command = entry.begun, self.seed != nil { print("\(index): \(command)") }
                }
                continue
            }
            let isSync = operation.kind == .sync
            if isSync || generator.oneIn(Self.stride) {
                let mode = CrashMode.allCases[generator.below(CrashMode.allCases.count)]
                let rebuilds = generator.oneIn(16)
                let image = replay.disk.crashImage(using: &generator, mode: mode)
                try image.copy(to: FileFolder(path: root))
                let machine = Machine(root: root, seconds: entry.seconds)
                try machine.acceptOrigins()
                let check = RecoveryCheck(machine: machine, entry: entry)
                if let message = check.failure(
                    rebuildsCatalog: rebuilds, ticksFirst: generator.oneIn(2))
                {
                    print(
                        "FAILED commands, seed \(seed), before operation \(index) "
                            + "(\(operation.kind) of \(operation.path)), \(mode), "
                            + "in \(entry.begun.map { "\($0)" } ?? "no command"): \(message)")
                    total.withLock { $0.failed += 1 }
                    return
                }
                try FileFolder(path: root).removeAll()
                total.withLock {
                    $0.points += 1
                    $0.syncs += isSync ? 1 : 0
                    $0.rebuilds += rebuilds ? 1 : 0
                }
                guard total.withLock({ $0.points < pointsMaximum || self.seed != nil }) else {
                    return
                }
            }
            try replay.apply(operation)
        }
    }

    /// Runs a history in a process of its own, under the recorder.
    private static func record(
        _ seed: UInt64, folder: TemporaryFolder, root: String
    ) throws -> DiskRecord {
        try folder.folder.makeFolder("machine")
        let log = folder.path + "/record"
        let program = try programPath()
        let library =
            String(program[..<(program.lastIndex(of: "/") ?? program.startIndex)])
            + "/libsnapmgr-disk-recorder.so"
        guard access(library, R_OK) == 0 else { refuse("\(library) is missing: build the package") }
        let status = try ChildProcess.run(
            program, ["record", root, "\(seed)"],
            environment: [
                "LD_PRELOAD=\(library)", "SNAPMGR_RECORD_ROOT=\(root)", "SNAPMGR_RECORD_LOG=\(log)",
            ])
        guard status == 0 else { throw ChildFailure(status: status) }
        let device = try FileDevice(path: log, access: .readOnly)
        var buffer = AlignedBuffer(count: try device.byteCount())
        var bytes = buffer.mutableBytes
        try device.read(into: &bytes, at: 0)
        return try DiskRecord(buffer.bytes.array)
    }

    private static func programPath() throws -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard count > 0 else { throw IOFailure("find", path: "/proc/self/exe", code: errno) }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// The history's process did not end well; it has said why.
struct ChildFailure: Error {
    var status: Int32
}
