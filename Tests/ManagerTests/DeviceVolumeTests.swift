import System
import Catalog
import Glibc
import StoreFormat
import SnapshotModel
import Testing

@testable import Manager
import VolumeAccess

/// Volumes under device-mapper as far as they need no kernel: what has devices is tested in the guest.
@Suite struct DeviceVolumeTests {
    /// A fixture with a volume whose devices are not there: its store is taken over from elsewhere.
    static func fixture() throws -> ManagerFixture {
        let fixture = try ManagerFixture()
        let origin = fixture.folder + "/origin"
        try FileDevice(path: origin, access: .create).resize(
            to: ManagerFixture.chunkBytes * ManagerFixture.chunkCount)
        let store = fixture.folder + "/device-store"
        try Paths.makeFolders(store)
        try Store(folder: FileFolder(path: store)).create(
            VolumeRecord(
                name: "device", uuid: "7a0d7c1e-5a5e-4f6e-9d3b-000000000001", driver: "dm",
                originPath: origin,
                geometry: Geometry(
                    volumeBytes: ManagerFixture.chunkBytes * ManagerFixture.chunkCount,
                    chunkBytes: ManagerFixture.chunkBytes),
                storeFullPolicy: .breakWrites, createdAt: fixture.clock.now()))
        _ = try RebuildService(fixture.options).rebuild(store: store)
        return fixture
    }

    @Test("a volume without its devices is inactive, and can be looked at")
    func looking() throws {
        let fixture = try Self.fixture()
        let summary = try fixture.manager.volumes.show("device")
        #expect(summary.state == .inactive)
        #expect(summary.devicePath == "/dev/mapper/snapmgr-device")
        #expect("\(summary.json)".contains(#""device":"/dev/mapper/snapmgr-device""#))
        let health = try #require(try fixture.manager.status.status(["device"]).first)
        #expect(!health.isInUse && health.merge == nil && health.queuedRevert == nil)
        let check = try fixture.manager.checks.check(["device"], readsData: true, repairs: true)
        #expect(check.damageCount == 0)
        #expect(try fixture.manager.merges.status([]).isEmpty)
    }

    @Test("an image has no device in its document")
    func image() throws {
        let fixture = try ManagerFixture()
        let summary = try fixture.makeVolume("image")
        #expect(summary.devicePath == nil)
        #expect("\(summary.json)".contains(#""device":null"#))
    }

    @Test("it is not served, and is left out where all are")
    func serving() throws {
        let fixture = try Self.fixture()
        let tools = fixture.folder + "/nbdkit"
        try FileDevice(path: tools, access: .create).resize(to: 512)
        #expect(chmod(tools, 0o700) == 0)
        let environment = ["PATH": fixture.folder, "SNAPMGR_NBDKIT_PLUGIN": tools]
        func prepare(_ volumes: [String]) throws -> ServeCommand {
            try fixture.manager.serving.prepare(
                ServeRequest(volumes: volumes, endpoint: .inherited), environment: environment)
        }
        let problem = #expect(throws: Problem.self) { _ = try prepare(["device"]) }
        #expect(problem?.code == .refused)
        #expect(problem?.hint == "run \(.activate("device"))")
        let none = #expect(throws: Problem.self) { _ = try prepare([]) }
        #expect(none?.hint == "run \(.activate("device"))")
        try fixture.makeVolume("image")
        #expect(try prepare([]).arguments.contains { $0.hasPrefix("volume=image:") })
        #expect(try !prepare([]).arguments.contains { $0.hasPrefix("volume=device:") })
    }

    @Test("images are not activated, nor are their snapshots mounted to be written to")
    func images() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("image")
        let id = try #require(try fixture.snapshot("image").first)
        let activation = #expect(throws: Problem.self) {
            _ = try fixture.manager.activations.activate(
                ["image"], acceptsOrigin: false, isDryRun: false)
        }
        #expect(activation?.code == .refused)
        let mount = #expect(throws: Problem.self) {
            _ = try fixture.manager.mounts.mount(
                MountRequest(reference: "\(id)", folder: fixture.folder, isForWriting: true),
                environment: [:])
        }
        #expect(mount?.code == .refused)
        #expect(mount?.hint?.remedies == [.cloneCreate(id)])
        let all = try fixture.manager.activations.activate(
            nil, acceptsOrigin: false, isDryRun: false)
        #expect(all.items.isEmpty && all.problem == nil)
    }

    @Test("a revert waits for no image and for no set")
    func lazyReverts() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.makeVolume("b")
        let id = try #require(try fixture.snapshot("a").first)
        let options = RevertOptions(isQueuedWhileOpen: true)
        let image = #expect(throws: Problem.self) {
            _ = try fixture.manager.reverts.revert("\(id)", options)
        }
        #expect(image?.code == .refused)
        let set = try #require(
            try fixture.manager.snapshots.take(TakeRequest(volumes: ["a", "b"])).set)
        let whole = #expect(throws: Problem.self) {
            _ = try fixture.manager.reverts.revert("set:\(set)", options)
        }
        #expect(whole?.code == .usage)
    }

    @Test("a volume without devices is removed, its origin stays")
    func removal() throws {
        let fixture = try Self.fixture()
        let report = try fixture.manager.volumes.remove(
            "device", keepsStore: false, isDryRun: false)
        #expect(report.snapshotCount == 0)
        #expect(try Paths.exists(fixture.folder + "/origin"))
        #expect(try !Paths.exists(fixture.folder + "/device-store"))
    }

    @Test("one volume's failure is the command's, one of several a part")
    func partialFailures() {
        func item(_ failure: Problem?) -> ActivationReport.Item {
            ActivationReport.Item(
                volume: "v", devicePath: "/dev/mapper/snapmgr-v", isActive: failure == nil,
                hasChanged: true, failure: failure)
        }
        let failure = Problem(.refused, "it is open", hint: "close it")
        let one = ActivationReport(items: [item(failure)], isDryRun: false)
        #expect(one.problem == failure)
        let two = ActivationReport(items: [item(nil), item(failure)], isDryRun: false)
        #expect(two.problem?.code == .partial && two.problem?.hint == "close it")
        #expect(ActivationReport(items: [item(nil)], isDryRun: false).problem == nil)
    }

    static let heads: [(Int, [UInt8], FilesystemKind, Bool)] = [
        (1080, [0x53, 0xEF], .ext4, true),
        (0, Array("XFSB".utf8), .xfs, true),
        (0x10040, Array("_BHRfS_M".utf8), .btrfs, true),
        (82, Array("FAT32".utf8), .vfat, true),
        (0, Array("LUKS".utf8) + [0xBA, 0xBE], .encrypted, false),
        (536, Array("LVM2 001".utf8), .lvmVolume, false),
        (1560, Array("LVM2 001".utf8), .lvmVolume, false),
        (65_526, Array("SWAPSPACE2".utf8), .swap, false),
    ]

    @Test(
        "what a device holds is known by its superblock, and whether it can be mounted",
        arguments: heads)
    func filesystems(
        offset: Int, magic: [UInt8], kind: FilesystemKind, isFilesystem: Bool
    ) {
        var head = [UInt8](repeating: 0, count: 128 << 10)
        #expect(FilesystemKind.detect(head) == nil)
        head.replaceSubrange(offset..<offset + magic.count, with: magic)
        #expect(FilesystemKind.detect(head) == kind)
        #expect(FilesystemKind.detect(Array(head.prefix(offset + magic.count - 1))) == nil)
        #expect(kind.isFilesystem == isFilesystem)
    }

    /// What makes a filesystem in a file, and how large the file is, in MiB.
    static let makers: [(words: [String], size: Int)] = [
        (["mkfs.ext2", "-q", "-F"], 16), (["mkfs.ext4", "-q", "-F", "-b", "1024"], 16),
        (["mkfs.ext4", "-q", "-F"], 16), (["mkfs.xfs", "-q"], 320), (["mkswap"], 16),
        (["mkswap", "-p", "65536"], 16), (["mkfs.btrfs", "-q"], 128), (["mkfs.f2fs"], 64),
        (["mkfs.exfat"], 64), (["mkfs.ntfs", "-q", "-F"], 64), (["mkfs.vfat", "-F", "32"], 64),
        (["mkfs.vfat", "-F", "16"], 16), (["mkfs.vfat", "-F", "12"], 2),
    ].filter { access("/usr/sbin/\($0.0[0])", X_OK) == 0 }

    @Test("what is made is known as libblkid knows it", arguments: makers)
    func made(words: [String], size: Int) throws {
        let fixture = try ManagerFixture()
        let path = fixture.folder + "/image"
        let device = try FileDevice(path: path, access: .create)
        try device.resize(to: size << 20)
        _ = try ProgramOutput.lines(of: ["/usr/sbin/" + words[0]] + words.dropFirst() + [path])
        let told = try ProgramOutput.lines(
            of: ["/usr/sbin/blkid", "-p", "-o", "value", "-s", "TYPE", path])
        let names = ["ext2": "ext4", "ext3": "ext4", "ntfs": "ntfs3"]
        let expected = try #require(told.first)
        #expect(try FilesystemKind.detect(device)?.rawValue == names[expected] ?? expected)
    }
}
