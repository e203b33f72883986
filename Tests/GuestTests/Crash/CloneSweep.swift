import System
import CCrashPoint
import DeviceDriver
import DeviceMapper
import Glibc
import SnapshotModel
import StoreFormat
import TestKit
import VolumeAccess

/// Kills the process that changes clones before some of its steps, and has the next one bring everything right.
struct CloneSweep {
    /// What is cut short.
    enum Kind: String, CaseIterable {
        case create = "a clone"
        case createOfClone = "a clone of a clone"
        case delete = "the deletion of a clone that has a layer"
        case snapshot = "a snapshot while a clone is open"
        case revert = "a revert with a clone that ends"
        case promote = "the promotion of a clone"
        case activate = "an activation with clones"
    }

    private let kind: Kind
    private let rig: DriverRig
    private var random: SeededGenerator
    private var version: ChunkPattern.Version = 0
    private var live: DiskContent
    private var snapshots: [SnapshotID: DiskContent] = [:]
    private var clones: [String: DiskContent] = [:]
    private var place = ""
    private(set) var done = 0

    private static let volumeBytes = 1 << 20
    /// As many stretches are written each time.
    private static let writesCount = 7
    private static let promotedName = "promoted.img"

    init(_ context: GuestContext, _ kind: Kind, seed: UInt64) throws {
        self.kind = kind
        random = SeededGenerator(seed: seed)
        live = DiskContent(seed: seed, byteCount: Self.volumeBytes, blockBytes: 4096)
        try CrashPoint.prepare()
        rig = try DriverRig(context, volumeBytes: Self.volumeBytes, chunkBytes: 4096)
    }

    /// Kills at every point (from `first` on, in steps of `stride`), until the change has come to its end.
    mutating func run(from first: Int, stride: Int) throws {
        var point = first
        while true {
            do {
                try prepare()
                if try !killAndMend(at: point) { return }
            } catch {
                throw ExpectationFailure(
                    message: "killed at point \(point), \(place): \(error)",
                    place: SourcePlace(fileID: #fileID, line: #line))
            }
            done += 1
            point += stride
        }
    }

    // MARK: Before

    private var newest: SnapshotID {
        get throws { try require(snapshots.keys.max(), "newest snapshot") }
    }

    /// Two snapshots with writes between, and a clone of the older one that was written to and has a layer.
    private mutating func prepare() throws {
        for name in clones.keys.sorted() {
            _ = try rig.perform(.deleteClone(name))
            clones[name] = nil
        }
        if !snapshots.isEmpty { try rig.delete(snapshots.keys.sorted()) }
        snapshots = [:]
        try writeVolume()
        snapshots[try rig.takeSnapshot()] = live
        let first = try newest
        try writeVolume()
        _ = try rig.perform(.createClone(CloneRequest(snapshot: first, name: "a")))
        clones["a"] = snapshots[first]
        try writeClone("a")
        if kind != .create {
            _ = try rig.perform(
                .createCloneAs(
                    CloneRequest(snapshot: first, name: "b"), CloneShape(parent: "a")))
            clones["b"] = clones["a"]
            try writeClone("a")
            try writeClone("b")
        }
        if kind == .delete {
            // Its layer is nobody else's then.
            _ = try rig.perform(.deleteClone("b"))
            clones["b"] = nil
        }
        try writeVolume()
        if kind == .activate { try rig.deactivate() }
    }

    private mutating func writeVolume() throws {
        var content = live
        try write(&content, to: DirectDevice(path: rig.devicePath))
        live = content
    }

    private mutating func writeClone(_ name: String) throws {
        var content = try require(clones[name], "clone \(name)")
        try write(&content, to: DirectDevice(path: path(name)))
        clones[name] = content
    }

    private mutating func write(_ content: inout DiskContent, to device: DirectDevice) throws {
        for _ in 0..<Self.writesCount {
            let first = random.below(content.blockCount)
            let blocks = first..<min(content.blockCount, first + 1 + random.below(5))
            version += 1
            content.set(version, blocks: blocks)
            try content.write(blocks, to: device)
        }
    }

    private func path(_ name: String) throws -> String {
        let clones = try rig.storedState().clones
        let clone = try require(clones.first { $0.name == name }, "clone \(name)")
        return DeviceName(volume: DriverRig.name, .clone(clone.ordinal)).path
    }

    // MARK: The change

    private enum Change {
        case snapshot(SnapshotRequest)
        case revert(RevertRequest)
        case other((DriverRig) throws -> Void)

        func perform(on rig: DriverRig) throws {
            switch self {
            case .snapshot(let request): _ = try rig.perform(.snapshot(request))
            case .revert(let request):
                _ = try rig.perform(
                    .revertWith(request, clone: CloneUse(name: "a", ends: true)))
            case .other(let body): try body(rig)
            }
        }
    }

    private func change() throws -> Change {
        let first = try newest
        return switch kind {
        case .create:
            .other {
                _ = try $0.perform(.createClone(CloneRequest(snapshot: first, name: "new")))
            }
        case .createOfClone:
            .other {
                _ = try $0.perform(
                    .createCloneAs(
                        CloneRequest(snapshot: first, name: "new"), CloneShape(parent: "a")))
            }
        case .delete: .other { _ = try $0.perform(.deleteClone("a")) }
        case .promote: .other(Self.promote)
        case .snapshot: .snapshot(rig.snapshotRequest())
        case .revert: .revert(rig.revertRequest(to: first))
        case .activate: .other { try $0.activate() }
        }
    }

    /// What makes a clone a volume of its own: its content in a file, and then its end.
    private static func promote(_ rig: DriverRig) throws {
        try rig.withSession { session in
            let path = DriverRig.mountPoint + "/" + promotedName
            _ = try session.perform(.exportClone("a", path: path, holds: true))
            _ = try session.perform(.deleteClone("a"))
        }
    }

    /// Whether it was killed.
    private mutating func killAndMend(at point: Int) throws -> Bool {
        let change = try change()
        let reader =
            kind == .snapshot ? try DirectDevice(path: try path("a"), isReadOnly: true) : nil
        let status = try ChildProcess.fork { [rig] in
            try CrashPoint.run(after: point, SNAPMGR_CRASH_PROCESS) { try change.perform(on: rig) }
        }
        place = "after \"\(CrashPoint.beforeLast)\", before \"\(CrashPoint.last)\""
        let wasKilled = status == SIGKILL
        try expect(wasKilled || status == 0, "it ended with the status \(status)")
        if kind == .activate || point.isMultiple(of: 2) {
            try rig.activate()
        } else {
            try rig.withSession { _ in }
        }
        if let reader { try clones["a"]?.expect(on: reader, "the open clone") }
        try resolve(change, wasKilled: wasKilled)
        try check()
        return wasKilled
    }

    // MARK: Behind

    private mutating func resolve(_ change: Change, wasKilled: Bool) throws {
        let found = Set(try rig.storedState().clones.map(\.name))
        switch change {
        case .snapshot(let request):
            if try ExpectedVolume.ids(rig).contains(request.id) { snapshots[request.id] = live }
        case .revert(let request): try resolve(request, found)
        case .other: break
        }
        switch kind {
        case .create, .createOfClone:
            if found.contains("new") {
                clones["new"] = kind == .create ? snapshots[try newest] : clones["a"]
            }
            try expect(wasKilled || found.contains("new"), "it was made, and is not there")
        case .delete:
            if !found.contains("a") { clones["a"] = nil }
            try expect(wasKilled || !found.contains("a"), "it was deleted, and is there")
        case .promote:
            try checkPromoted(isGone: !found.contains("a"))
            if !found.contains("a") { clones["a"] = nil }
            try expect(wasKilled || !found.contains("a"), "it was promoted, and is there")
        default: break
        }
    }

    /// The file is complete when it has its name, and has it when the clone is gone.
    private func checkPromoted(isGone: Bool) throws {
        let folder = FileFolder(path: DriverRig.mountPoint)
        let isThere = try folder.exists(Self.promotedName)
        try expect(isThere || !isGone, "the clone is gone, and its file is not there")
        if isThere {
            let file = try FileDevice(
                path: folder.path + "/" + Self.promotedName, access: .readOnly)
            try clones["a"]?.expect(on: file, "the promoted clone")
        }
        for name in try folder.list("") where name.hasPrefix(Self.promotedName) {
            try folder.removeFile(name)
        }
    }

    private mutating func resolve(_ request: RevertRequest, _ found: Set<String>) throws {
        try rig.finishMerge()
        let ids = try ExpectedVolume.ids(rig)
        if let safety = request.safety, ids.contains(safety.id) { snapshots[safety.id] = live }
        guard !found.contains("a") || isReverted else { return }
        live = try require(clones["a"], "clone a")
        if try !rig.storedState().clones.contains(where: { $0.name == "a" }) { clones["a"] = nil }
    }

    private var isReverted: Bool {
        guard let content = clones["a"] else { return false }
        do { try rig.withDevice { try content.expect(on: $0, "the volume") } } catch {
            return false
        }
        return true
    }

    private mutating func check() throws {
        try rig.withDevice { try live.expect(on: $0, "the volume") }
        for (id, content) in snapshots.sorted(by: { $0.key < $1.key }) {
            try rig.withView(id) { try content.expect(on: $0, "snapshot \(id)") }
        }
        try checkClones()
        // They go on apart from each other and from the volume.
        for name in clones.keys.sorted() { try writeClone(name) }
        try writeVolume()
        try checkClones()
        let store = Store(folder: FileFolder(path: rig.storePath))
        let reading = try StoreReading(store)
        try expect(reading.cloneSurvey.unfinished.isEmpty, "unfinished folders of clones are left")
        try expect(reading.cloneSurvey.doubtful.isEmpty, "doubtful folders of clones are left")
        let volume = try rig.volume()
        let count = try CrashPoint.countChanges { try volume.recover() }
        try expectEqual(count, 0, "changes of a further recovery, at last \(CrashPoint.last)")
    }

    private func checkClones() throws {
        let found = try rig.storedState().clones.map(\.name).sorted()
        try expectEqual(found, clones.keys.sorted(), "clones")
        for (name, content) in clones.sorted(by: { $0.key < $1.key }) {
            let device = try DirectDevice(path: try path(name), isReadOnly: true)
            try content.expect(on: device, "clone \(name)")
        }
    }
}
