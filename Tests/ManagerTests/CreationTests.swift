import System
import Catalog
import Control
import FoundationEssentials
import Glibc
import StoreFormat
import SnapshotModel
import Synchronization
import TestKit
import Testing

@testable import Manager

@Suite struct CreationTests {
    /// How far a creation came that was killed.
    enum Progress: CaseIterable {
        case folder, lock, oneFolder, folders, halfRecord, record, emptyImage, image
    }

    private static let byteCount = ManagerFixture.chunkBytes * ManagerFixture.chunkCount

    /// Leaves what a creation of volume `a` does that is killed there.
    private func leave(_ progress: Progress, in fixture: ManagerFixture) throws {
        let steps = Progress.allCases
        let done = { (step: Progress) in
            (steps.firstIndex(of: step) ?? 0) <= (steps.firstIndex(of: progress) ?? 0)
        }
        let path = fixture.storePath("a")
        let folder = FileFolder(path: path)
        try Paths.makeFolders(path)
        if done(.lock) { _ = try StoreHolder.lock(folder, purpose: "snapmgr volume create") }
        if done(.oneFolder) { try folder.makeFolder("snapshots") }
        if done(.folders) { try folder.makeFolder("reverts") }
        if done(.halfRecord) { try folder.writeFile("volume.json.new", [1, 2]) }
        if done(.record) {
            try folder.removeFile("volume.json.new")
            try Store(folder: folder).writeVolume(try record(fixture))
        }
        let image = FileFolder(path: fixture.folder)
        if done(.emptyImage) { _ = try image.createFile("a.img", byteCount: 0) }
        if done(.image) {
            try image.openFile("a.img", writable: true).resize(to: Self.byteCount)
        }
    }

    private func record(_ fixture: ManagerFixture) throws -> VolumeRecord {
        var record = VolumeRecord(
            name: "a", uuid: UUID().uuidString.lowercased(), driver: "image",
            originPath: "\(fixture.folder)/a.img",
            geometry: Geometry(volumeBytes: Self.byteCount, chunkBytes: 4096),
            storeFullPolicy: .breakWrites, createdAt: fixture.clock.now())
        record.owner = try StateIdentity(fixture.options.state).readOrMake()
        return record
    }

    @Test(
        "M6: a creation that was killed is finished by the next one", arguments: Progress.allCases)
    func restarts(progress: Progress) throws {
        let fixture = try ManagerFixture()
        try leave(progress, in: fixture)
        try fixture.makeVolume("a")
        try fixture.write(1, to: 0..<4, of: "a")
        try fixture.snapshot("a")
        #expect(
            try fixture.manager.checks.check([], readsData: true, repairs: false).damageCount == 0)
    }

    @Test("an index that an older snapmgr left of a removed store is in nobody's way; more is")
    func leftIndex() throws {
        for (name, isInTheWay) in [("1-000001.map", false), ("notes.txt", true)] {
            let fixture = try ManagerFixture()
            let folder = FileFolder(path: fixture.storePath("a"))
            try Paths.makeFolders(folder.path + "/index")
            try folder.writeFile("index/" + name, [1])
            guard !isInTheWay else {
                let problem = #expect(throws: Problem.self) { try fixture.makeVolume("a") }
                #expect(problem?.code == .refused)
                continue
            }
            try fixture.makeVolume("a")
            try fixture.write(1, to: 0..<4, of: "a")
            try fixture.snapshot("a")
            #expect(try !folder.exists("index/" + name))
            #expect(
                try fixture.manager.checks.check([], readsData: true, repairs: false).damageCount
                    == 0)
        }
    }

    @Test("M6: an image that holds anything is not taken for a killed creation's own")
    func keepsImage() throws {
        let fixture = try ManagerFixture()
        try leave(.image, in: fixture)
        let image = try FileDevice(path: fixture.folder + "/a.img", access: .readWrite)
        let bytes: [UInt8] = [1, 2, 3]
        try image.write(bytes.span.bytes, at: 0)
        try image.sync()
        let problem = #expect(throws: Problem.self) { try fixture.makeVolume("a") }
        #expect(problem?.code == .exists)
        #expect(try Paths.exists(fixture.folder + "/a.img"))
    }

    @Test("M6: a store that has snapshots is never taken for a killed creation's")
    func keepsStore() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.snapshot("a")
        for suffix in ["", "-wal", "-shm"] { unlink(fixture.options.state.catalogPath + suffix) }
        let problem = #expect(throws: Problem.self) {
            try fixture.nextCommand().volumes.create(
                CreateRequest(name: "a", originPath: fixture.folder + "/a.img"))
        }
        #expect(problem?.code == .refused)
        let report = try RebuildService(fixture.options).rebuild(store: nil)
        #expect(report.volumes.map(\.snapshotCount) == [1])
    }

    @Test("R2: a creation that meets another's store leaves it alone")
    func meetsAnother() throws {
        let fixture = try ManagerFixture()
        let path = fixture.folder + "/shared"
        try Paths.makeFolders(path)
        let lock = try StoreHolder.lock(FileFolder(path: path), purpose: "snapmgr volume create")
        let request = CreateRequest(
            name: "a", originPath: fixture.folder + "/a.img", storePath: path,
            createBytes: Self.byteCount)
        let problem = #expect(throws: Problem.self) {
            try fixture.manager.volumes.create(request)
        }
        #expect(problem?.code == .locked)
        #expect(try Paths.exists(path + "/lock"))
        #expect(try !Paths.exists(request.originPath))
        withExtendedLifetime(lock) {}
    }

    @Test("R2: of two creations of one name at once, one wins, and its volume is whole")
    func race() throws {
        let fixture = try ManagerFixture()
        let results = Mutex<[Problem.Code?]>([])
        let (options, folder) = (fixture.options, fixture.folder)
        WorkerThreads.run(4) { _ in
            var code: Problem.Code?
            do {
                _ = try Manager(options).volumes.create(
                    CreateRequest(
                        name: "a", originPath: "\(folder)/a.img",
                        createBytes: Self.byteCount, chunkBytes: 4096))
            } catch { code = Problem(error).code }
            results.withLock { $0.append(code) }
        }
        let codes = results.withLock { $0 }
        #expect(codes.count { $0 == nil } == 1, "\(codes)")
        #expect(codes.allSatisfy { [nil, .exists, .locked].contains($0) }, "\(codes)")
        try fixture.write(1, to: 0..<4, of: "a")
        try fixture.snapshot("a")
        #expect(
            try fixture.manager.checks.check([], readsData: true, repairs: false).damageCount == 0)
    }
}
