import System
import Glibc
import Synchronization
import TestKit

/// A process that writes to a volume without a pause, one write after the other, until it is told to
/// end. What it writes follows from the number of the write.
final class VolumeWriter {
    private struct Shared: ~Copyable {
        let mustEnd = Atomic<Bool>(false)
        /// The newest version of which all is written.
        let written = Atomic<Int>(0)
    }

    private let process: pid_t
    private var hasEnded = false
    private let shared: UnsafeMutablePointer<Shared>
    private let base: DiskContent
    private let first: ChunkPattern.Version

    private static let endMilliseconds = 60_000

    /// Starts it; it has written something when this returns.
    ///
    /// - Parameter first: the version of the first write.
    init(path: String, base: DiskContent, first: ChunkPattern.Version) throws {
        let memory = mmap(
            nil, MemoryLayout<Shared>.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
            0)
        guard let memory, memory != MAP_FAILED else {
            throw IOFailure("share", path: "memory", code: errno)
        }
        let shared = memory.bindMemory(to: Shared.self, capacity: 1)
        shared.initialize(to: Shared())
        shared.pointee.written.store(Int(first) - 1, ordering: .relaxed)
        self.shared = shared
        self.base = base
        self.first = first
        process = try ChildProcess.begin {
            let device = try DirectDevice(path: path)
            var version = first
            while !shared.pointee.mustEnd.load(ordering: .acquiring) {
                let blocks = WriterHistory.blocks(of: version, among: base.blockCount)
                var content = base
                content.set(version, blocks: blocks)
                try content.write(blocks, to: device)
                shared.pointee.written.store(Int(version), ordering: .releasing)
                version += 1
            }
        }
        try waitForWrites(1)
    }

    deinit {
        // Of a case that has failed; its write may wait until the clean-up lets it go on.
        if !hasEnded { kill(process, SIGKILL) }
    }

    /// The newest version that is written.
    var written: ChunkPattern.Version {
        ChunkPattern.Version(shared.pointee.written.load(ordering: .acquiring))
    }

    /// Waits until it has written so often more: ends the case if it cannot.
    func waitForWrites(_ count: Int) throws {
        let start = written
        let deadline = Deadline(milliseconds: Self.endMilliseconds)
        while written < start + ChunkPattern.Version(count) {
            try expect(!deadline.hasPassed, "the writer has got stuck")
            usleep(500)
        }
    }

    /// Has it end after its present write. What it has written.
    ///
    /// - Parameter since: the newest version written when the snapshot was asked for.
    func end(since: ChunkPattern.Version) throws -> WriterHistory {
        shared.pointee.mustEnd.store(true, ordering: .releasing)
        let deadline = Deadline(milliseconds: Self.endMilliseconds)
        var status: Int32 = 0
        while waitpid(process, &status, WNOHANG) == 0 {
            try expect(!deadline.hasPassed, "the writer does not end: its write waits")
            usleep(500)
        }
        hasEnded = true
        try expectEqual(status, 0, "status of the writer")
        let last = written
        munmap(shared, MemoryLayout<Shared>.size)
        return WriterHistory(base: base, first: first, known: since, last: last)
    }
}

/// What a writer has written.
struct WriterHistory {
    /// What there was before.
    let base: DiskContent
    let first: ChunkPattern.Version
    /// What was written when the snapshot was asked for: it must have it.
    let known: ChunkPattern.Version
    let last: ChunkPattern.Version

    /// One block, which is one chunk: a longer write may be cut by a snapshot between two chunks.
    static func blocks(of version: ChunkPattern.Version, among count: Int) -> Range<Int> {
        var random = SeededGenerator(seed: UInt64(version))
        let first = random.below(count)
        return first..<first + 1
    }

    func content(after version: ChunkPattern.Version) -> DiskContent {
        var content = base
        guard version >= first else { return content }
        for version in first...version {
            content.set(version, blocks: Self.blocks(of: version, among: base.blockCount))
        }
        return content
    }

    /// What a snapshot holds that was taken meanwhile: all writes up to some one, and none behind it.
    func contentOfSnapshot(_ device: DirectDevice) throws -> DiskContent {
        let found = try base.sectorVersions(of: 0..<base.blockCount, on: device)
        let newest = max(known, found.max() ?? 0)
        try expect(
            newest <= last && !found.contains(ChunkPattern.invalid),
            "the snapshot holds version \(newest); written were \(known) to \(last)")
        // One that was on its way may lie behind what is known.
        let content = content(after: newest)
        try content.expect(on: device, "the snapshot, of version \(newest),")
        return content
    }
}
