import System
import DeviceDriver
import DeviceMapper
import Glibc
import SnapshotModel
import TestKit

/// A state folder, a filesystem for stores, and origins on the first scratch disks. Whatever a case
/// leaves is taken away at its end.
final class CommandRig {
    static let storeRoot = "/mnt/snapmgr-stores"
    static let volumeRoot = "/mnt/snapmgr-volumes"

    var snapmgr: Snapmgr
    let origins: [String]
    private var mountPoints: [String] = []

    /// - Parameters:
    ///   - storeDisk: what the stores' filesystem is made on; nil is the last scratch disk.
    ///   - storeOptions: mkfs.ext4's.
    init(
        _ context: GuestContext, storeDisk: String? = nil, storeOptions: [String] = []
    ) throws {
        snapmgr = Snapmgr(statePath: "/run/snapmgr-state")
        if context.separatesMounts { snapmgr.launcher = Snapmgr.inMountsOfItsOwn }
        origins = Array(context.disks.prefix(3))
        context.cleanUp { [self] in try takeDown() }
        let disk = storeDisk ?? context.disks[3]
        try Mounting.make("ext4", on: disk, options: storeOptions)
        try mount(disk, on: Self.storeRoot)
    }

    private func takeDown() throws {
        try takeDownVolumes()
        _ = umount(Self.storeRoot)
        try Program.run("rm", "-rf", snapmgr.statePath)
    }

    /// Unmounts everything, and takes all volumes' devices down.
    func takeDownVolumes() throws {
        for point in mountPoints.reversed() where point != Self.storeRoot { _ = umount(point) }
        for name in (try? FileFolder(path: Self.storeRoot).list("")) ?? [] {
            let store = Self.store(name)
            let isStore = access(store + "/volume.json", F_OK) == 0
            if try isStore && !KernelDeviceMapper().devices().isEmpty { try takeDown(store) }
        }
    }

    /// In this process, because each command costs much more; when a merge runs, after it.
    private func takeDown(_ store: String) throws {
        let deadline = Deadline(milliseconds: 60_000)
        while true {
            do throws(Problem) {
                let volume = try DeviceVolume.openUnlessHeld(
                    storePath: store, purpose: "test", mapper: KernelDeviceMapper(),
                    clock: SystemClock())
                try volume?.deactivate()
                return
            } catch {
                // An image has no devices.
                if error.message.contains("is an image") { return }
                guard error.message.contains("a merge runs"), !deadline.hasPassed else {
                    throw error
                }
                BackgroundThread.sleep(milliseconds: 50)
            }
        }
    }

    /// Returns when the kernel has ended all merges and the command line has noted it.
    func waitForMerges() throws {
        let deadline = Deadline(milliseconds: 300_000)
        while try !snapmgr.run("merge", "status", "--json").numbers("revert_id").isEmpty {
            try expect(!deadline.hasPassed, "a merge does not end")
            BackgroundThread.sleep(milliseconds: 100)
        }
    }

    // MARK: Volumes

    static func device(_ volume: String) -> String { "/dev/mapper/snapmgr-\(volume)" }
    static func store(_ volume: String) -> String { "\(storeRoot)/\(volume)" }

    /// Puts an origin under management; it holds what it holds.
    func create(_ volume: String, on origin: String, _ options: String...) throws {
        let words = ["--driver", "dm", "--origin", origin, "--store", Self.store(volume)]
        try expectEqual(
            try snapmgr.create(volume, words + options), 0, "status of volume create \(volume)")
    }

    /// As ``create(_:on:_:)`` on the first origin with a new ext4, which is mounted from the volume.
    func createMounted(_ volume: String) throws -> String {
        try Program.run("mkfs.ext4", "-q", "-F", origins[0])
        try create(volume, on: origins[0])
        let point = "\(Self.volumeRoot)/\(volume)"
        try mount(Self.device(volume), on: point)
        return point
    }

    /// Writes all blocks of a volume's device.
    func fill(_ volume: String, version: Int, seed: UInt64) throws -> DiskContent {
        let device = try DirectDevice(path: Self.device(volume))
        var content = DiskContent(
            seed: seed, byteCount: try device.byteCount(), blockBytes: 256 << 10)
        content.set(ChunkPattern.Version(version), blocks: 0..<content.blockCount)
        try content.write(0..<content.blockCount, to: device)
        return content
    }

    /// Writes every second block of a volume's device, each of which the kernel merges in a step of its own.
    func fillScattered(_ content: inout DiskContent, _ volume: String, version: Int) throws {
        let device = try DirectDevice(path: Self.device(volume))
        for block in stride(from: 0, to: content.blockCount, by: 2) {
            content.set(ChunkPattern.Version(version), blocks: block..<block + 1)
            try content.write(block..<block + 1, to: device)
        }
    }

    @discardableResult
    func snapshot(_ volume: String, _ name: String) throws -> Int {
        try require(
            snapmgr.run("snapshot", volume, "--name", name, "--json").number("id"), "snapshot id")
    }

    // MARK: Mounts

    func mount(_ device: String, on point: String, type: String = "ext4") throws {
        try makeFolder(point)
        guard Glibc.mount(device, point, type, 0, nil) == 0 else {
            throw IOFailure("mount \(device) on", path: point, code: errno)
        }
        mountPoints.append(point)
    }

    func unmount(_ point: String) throws {
        guard umount(point) == 0 else { throw IOFailure("unmount", path: point, code: errno) }
        mountPoints.removeAll { $0 == point }
    }

    func makeFolder(_ path: String) throws { try Program.run("mkdir", "-p", path) }

    /// A folder on which a snapshot can be mounted; unmounted at the end if need be.
    func viewFolder(_ name: String) throws -> String {
        let point = "/mnt/snapmgr-views/\(name)"
        try makeFolder(point)
        mountPoints.append(point)
        return point
    }

    func checkFilesystem(
        _ device: String, fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        try expectEqual(
            try Program.status(["e2fsck", "-fn", device]), 0, "e2fsck -fn \(device)",
            fileID: fileID, line: line)
    }

    // MARK: Content

    /// Fills a tree with files that a seed tells.
    func fill(_ folder: String, seed: UInt64, fileCount: Int = 24) throws {
        try makeFolder(folder)
        var random = SeededGenerator(seed: seed)
        for index in 0..<fileCount {
            let size = 200 + random.below(60_000)
            let letters = (0..<64).map { _ in
                Character(UnicodeScalar(UInt8(97 + random.below(26))))
            }
            let line = String(letters) + "\n"
            try TextFile.write(
                String(repeating: line, count: 1 + size / line.utf8.count),
                to: "\(folder)/f\(index)")
        }
    }

    /// What a folder holds: names and checksums.
    func digest(_ folder: String) throws -> [String] {
        try FileFolder(path: folder).list("").filter { $0 != "lost+found" }.sorted().map { name in
            let text = try TextFile.read("\(folder)/\(name)")
            return "\(name) \(CRC32C.checksum(Array(text.utf8)))"
        }
    }

    /// The checksum of a device's bytes, past the page cache.
    func checksum(_ path: String) throws -> UInt32 {
        let device = try DirectDevice(path: path, isReadOnly: true)
        let count = try device.byteCount()
        var sums: [UInt8] = []
        for offset in stride(from: 0, to: count, by: 1 << 20) {
            var buffer = AlignedBuffer(count: min(1 << 20, count - offset))
            try device.read(into: &buffer, at: offset)
            let sum = CRC32C.checksum(buffer.bytes.array)
            sums += (0..<4).map { UInt8(truncatingIfNeeded: sum >> ($0 * 8)) }
        }
        return CRC32C.checksum(sums)
    }
}

extension Snapmgr {
    /// The status of `volume create`.
    func create(_ volume: String, _ words: [String]) throws -> Int32 {
        try start(["volume", "create", volume] + words).status
    }
}
