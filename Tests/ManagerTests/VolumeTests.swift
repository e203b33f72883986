import System
import Glibc
import SnapshotModel
import Testing

@testable import Manager
import VolumeAccess

@Suite struct VolumeTests {
    /// What is wrong with a request, and how it is made so.
    enum Mistake: CaseIterable {
        case name, chunkSize, chunkPower, taken, missing, odd, small, folder, sameOrigin
        case originInStore, storeInUse, storeNotEmpty, storeOverlaps, createExisting, createSize
    }

    private func request(_ mistake: Mistake, _ fixture: ManagerFixture) throws -> CreateRequest {
        let folder = fixture.folder
        var request = CreateRequest(name: "new", originPath: "\(folder)/new.img")
        try makeFile(request.originPath, byteCount: 1 << 20)
        switch mistake {
        case .name: request.name = "a/b"
        case .chunkSize: request.chunkBytes = 2048
        case .chunkPower: request.chunkBytes = 12_288
        case .taken: request.name = "old"
        case .missing: request.originPath = "\(folder)/none.img"
        case .odd: try makeFile(request.originPath, byteCount: 100_001)
        case .small: try makeFile(request.originPath, byteCount: 512)
        case .folder: request.originPath = folder
        case .sameOrigin:
            request.originPath = "\(folder)/link.img"
            symlink("\(folder)/old.img", request.originPath)
        case .originInStore: request.storePath = folder
        case .storeInUse: request.storePath = fixture.storePath("old")
        case .storeNotEmpty:
            request.storePath = "\(folder)/full"
            mkdir("\(folder)/full", 0o700)
            try makeFile("\(folder)/full/file", byteCount: 1)
        case .storeOverlaps: request.storePath = fixture.storePath("old") + "/snapshots/x"
        case .createExisting: request.createBytes = 1 << 20
        case .createSize:
            request.originPath = "\(folder)/other.img"
            request.createBytes = 1000
        }
        return request
    }

    private func makeFile(_ path: String, byteCount: Int) throws {
        unlink(path)
        try FileDevice(path: path, access: .create).resize(to: byteCount)
    }

    @Test("bad input is refused with its cause, and nothing is left", arguments: Mistake.allCases)
    func refuses(mistake: Mistake) throws {
        let expected: [Mistake: Problem.Code] = [
            .name: .usage, .chunkSize: .usage, .chunkPower: .usage, .taken: .exists,
            .missing: .notFound, .odd: .failed, .small: .failed, .folder: .failed,
            .sameOrigin: .exists, .originInStore: .refused, .storeInUse: .refused,
            .storeNotEmpty: .refused, .storeOverlaps: .refused, .createExisting: .exists,
            .createSize: .usage,
        ]
        let fixture = try ManagerFixture()
        try fixture.makeVolume("old")
        let request = try request(mistake, fixture)
        let problem = #expect(throws: Problem.self) {
            try fixture.manager.volumes.create(request)
        }
        #expect(problem?.code == expected[mistake])
        #expect(problem?.hint != nil || mistake == .name)
        #expect(try fixture.manager.volumes.list().map(\.record.name) == ["old"])
        #expect(try !Paths.exists(fixture.storePath("new")))
        #expect(try !Paths.exists("\(fixture.folder)/other.img"))
    }

    @Test("removing takes the store and leaves the origin")
    func removes() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.write(5, to: 0..<1, of: "a")
        try fixture.snapshot("a")
        let preview = try fixture.manager.volumes.remove("a", keepsStore: false, isDryRun: true)
        #expect(preview.snapshotCount == 1)
        #expect(try Paths.exists(fixture.storePath("a")))
        _ = try fixture.manager.volumes.remove("a", keepsStore: false, isDryRun: false)
        #expect(try !Paths.exists(fixture.storePath("a")))
        #expect(try Paths.exists("\(fixture.folder)/a.img"))
        #expect(try fixture.manager.volumes.list().isEmpty)
    }

    @Test("C2: what lies at the store's path is removed only when it is this volume's store")
    func removesOwnStoreOnly() throws {
        let fixture = try ManagerFixture()
        for name in ["a", "b"] {
            try fixture.makeVolume(name)
            try fixture.snapshot(name)
        }
        let folder = FileFolder(path: fixture.folder + "/state/stores")
        try folder.rename("a", to: "away")
        try folder.rename("b", to: "a")
        let report = try fixture.manager.volumes.remove("a", keepsStore: false, isDryRun: false)
        #expect(report.foreignStorePath == fixture.storePath("a") && report.freedBytes == 0)
        #expect(try folder.exists("a/snapshots/000001/area.cow"))
        #expect(try fixture.manager.volumes.list().map(\.record.name) == ["b"])
        // A folder of photographs.
        try folder.rename("a", to: "b-store")
        try folder.makeFolder("b")
        try folder.writeFile("b/photo.jpg", [1])
        _ = try fixture.manager.volumes.remove("b", keepsStore: false, isDryRun: false)
        #expect(try folder.list("b") == ["photo.jpg"])
    }

    @Test("C2: in a store that is removed, what is not snapmgr's stays and is named")
    func removesOwnNamesOnly() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.snapshot("a")
        let store = FileFolder(path: fixture.storePath("a"))
        try store.makeFolder("notes")
        try store.writeFile("notes/x", [1])
        try store.writeFile("snapshots/000001/mine", [2])
        #expect(symlink("/etc", store.path + "/snapshots/000009") == 0)
        let report = try fixture.manager.volumes.remove("a", keepsStore: false, isDryRun: false)
        #expect(
            report.leftPaths.map { $0.dropFirst(store.path.count + 1) }.sorted()
                == ["notes", "snapshots/000001/mine", "snapshots/000009"])
        #expect(try store.list("").sorted() == ["notes", "snapshots"])
        #expect(try !store.exists("snapshots/000001/area.cow"))
        #expect(try store.exists("snapshots/000001/mine") && store.exists("notes/x"))
        #expect(try FileFolder.exists(path: "/etc/passwd"))
    }

    @Test("C2: a removal that was cut is ended by another one")
    func removalCut() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.snapshot("a")
        let store = FileFolder(path: fixture.storePath("a"))
        try store.rename("volume.json", to: "volume.json.removed")
        try store.removeFile("snapshots/000001/manifest.json")
        let report = try fixture.manager.volumes.remove("a", keepsStore: false, isDryRun: false)
        #expect(report.foreignStorePath == nil && report.leftPaths.isEmpty)
        #expect(try !Paths.exists(store.path))
    }

    @Test("removing is refused while a snapshot is held or a merge runs")
    func removeRefused() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.snapshot("a")
        _ = try fixture.manager.holds.hold("1", owner: "me", reason: "x", until: nil)
        for keepsStore in [false, true] {
            let problem = #expect(throws: Problem.self) {
                try fixture.manager.volumes.remove("a", keepsStore: keepsStore, isDryRun: false)
            }
            #expect(problem?.code == .refused)
        }
        _ = try fixture.manager.holds.release("1", owner: "me")
        try fixture.write(3, to: 0..<4, of: "a")
        _ = try fixture.manager.reverts.revert("1", RevertOptions(waits: false))
        #expect(throws: Problem.self) {
            try fixture.manager.volumes.remove("a", keepsStore: false, isDryRun: false)
        }
    }

    @Test("a volume that somebody has open is locked to commands that need it alone")
    func locked() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        let state = try fixture.withEngine("a") { _ in
            let problem = #expect(throws: Problem.self) {
                try fixture.manager.volumes.remove("a", keepsStore: false, isDryRun: true)
            }
            #expect(problem?.code == .locked)
            return try fixture.manager.volumes.show("a").state
        }
        #expect(state == .served)
        #expect(try fixture.manager.volumes.show("a").state == .idle)
    }

    @Test("a snapshot keeps the size that the volume had")
    func resizes() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.snapshot("a")
        let size = 128 * 4096
        _ = try fixture.manager.volumes.resize("a", to: size, isDryRun: true)
        #expect(try fixture.manager.volumes.show("a").record.geometry.volumeBytes == 64 * 4096)
        _ = try fixture.manager.volumes.resize("a", to: size, isDryRun: false)
        #expect(try fixture.manager.volumes.show("a").record.geometry.volumeBytes == size)
        #expect(try fixture.manager.details.show("1").summary.manifest.volumeBytes == 64 * 4096)
        let diff = try fixture.manager.diffs.diff("1", "a@live")
        #expect(diff.ranges == [(64 * 4096)..<size])
    }

    @Test("an exported snapshot has its content, and no file is overwritten")
    func exports() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.write(5, to: 2..<3, of: "a")
        try fixture.snapshot("a")
        try fixture.write(6, to: 0..<64, of: "a")
        let path = "\(fixture.folder)/out.img"
        let report = try fixture.manager.exports.export("1", to: path)
        #expect(report.byteCount == 64 * 4096)
        let device = try FileDevice(path: path, access: .readOnly)
        var buffer = AlignedBuffer(count: 64 * 4096)
        var bytes = buffer.mutableBytes
        try device.read(into: &bytes, at: 0)
        let all = buffer.bytes.array
        #expect(all[2 * 4096] == 5)
        #expect(all.filter { $0 != 0 }.count == 4096)
        let problem = #expect(throws: Problem.self) {
            try fixture.manager.exports.export("1", to: path)
        }
        #expect(problem?.code == .exists)
    }

    @Test("R3: a file that appears during an export is not replaced by it")
    func exportsBesideOthers() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.snapshot("a")
        let files = FileFolder(path: fixture.folder)
        let stranger = fixture.manager.performing(
            Operation(
                clock: fixture.clock, onProgress: { _ in try? files.writeFile("out.img", [7]) }))
        let problem = #expect(throws: Problem.self) {
            try stranger.exports.export("1", to: "\(fixture.folder)/out.img")
        }
        #expect(problem?.code == .exists)
        #expect(try files.readFile("out.img", limitBytes: 10) == [7])
    }
}
