import System
import Glibc
import MergeKit
import StoreFormat
import SnapshotModel

/// A temporary folder with volumes in it.
final class Workspace {
    let path: String
    private var count = 0

    /// Makes it in `$SNAPMGR_BENCH_DIR`, or in `/var/tmp`, which as a rule is a disk.
    init() throws {
        let base = getenv("SNAPMGR_BENCH_DIR").map { String(cString: $0) } ?? "/var/tmp"
        var template = Array("\(base)/snapmgr-bench-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else {
            throw IOFailure("make a folder in", path: base, code: errno)
        }
        path = String(cString: made)
    }

    func remove() { try? run(["rm", "-rf", path]) }

    /// A path that was not used before.
    func newPath(_ name: String) -> String {
        count += 1
        return "\(path)/\(name)-\(count)"
    }

    /// A new file whose bytes are written, not holes.
    func filledFile(_ name: String, byteCount: Int, seed: UInt64) throws -> FileDevice {
        let device = try FileDevice(path: newPath(name), access: .create)
        var pattern = Pattern(seed: seed)
        var buffer = AlignedBuffer(count: 1 << 20)
        for offset in stride(from: 0, to: byteCount, by: buffer.count) {
            pattern.fill(&buffer)
            try device.write(
                buffer.bytes(in: 0..<min(buffer.count, byteCount - offset)), at: offset)
        }
        try device.sync()
        return device
    }

    /// A volume whose origin is `origin`.
    func volume(
        on origin: any BlockDevice, chunkBytes: Int, store: String? = nil
    ) throws -> LiveEngine {
        let folder = FileFolder(path: store ?? newPath("store"))
        mkdir(folder.path, 0o700)
        let geometry = Geometry(volumeBytes: try origin.byteCount(), chunkBytes: chunkBytes)
        try Store(folder: folder).create(
            VolumeRecord(
                name: "bench", uuid: "bench", driver: "image", originPath: origin.path,
                geometry: geometry, storeFullPolicy: .breakWrites, createdAt: SystemClock().now()))
        return try LiveEngine.open(store: folder, origin: origin)
    }

    /// Runs a program and waits; fails when it does.
    func run(_ arguments: [String], quietly: Bool = false) throws {
        var status: Int32 = 0
        waitpid(try start(arguments, quietly: quietly), &status, 0)
        guard status == 0 else {
            throw IOFailure("run", path: arguments.joined(separator: " "), code: EIO)
        }
    }

    /// Starts a program.
    func start(_ arguments: [String], quietly: Bool = false) throws -> pid_t {
        var pid = pid_t()
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if quietly {
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        }
        let result = posix_spawnp(&pid, arguments[0], &actions, nil, &pointers, environ)
        guard result == 0 else { throw IOFailure("run", path: arguments[0], code: result) }
        return pid
    }

    /// A program that was built beside this one.
    func tool(_ name: String) throws -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0 else { throw IOFailure("find", path: name, code: errno) }
        let own = String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
        return own.split(separator: "/").dropLast()
            .reduce("") { "\($0)/\($1)" } + "/" + name
    }

    func plugin() throws -> String { try tool("libsnapmgr-nbdkit.so") }
}

/// Bytes that do not compress and are not zeroes.
struct Pattern {
    private var state: UInt64

    init(seed: UInt64) { state = seed | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }

    mutating func fill(_ buffer: inout AlignedBuffer) {
        let count = buffer.count
        var bytes = buffer.mutableBytes
        for offset in stride(from: 0, to: count, by: 8) {
            bytes.store(littleEndian: next(), at: offset)
        }
    }

    /// A number below `limit`.
    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}

extension LiveEngine {
    func snapshot(_ id: Int) throws {
        _ = try takeSnapshot(
            SnapshotRequest(
                id: SnapshotID(rawValue: Int64(id)), description: SnapshotDescription()))
    }
}
