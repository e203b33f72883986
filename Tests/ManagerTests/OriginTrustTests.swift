import System
import Control
import StoreFormat
import SnapshotModel
import Testing

@testable import Manager

@Suite struct OriginTrustTests {
    private func change(
        _ fixture: ManagerFixture, _ body: (inout VolumeRecord) -> Void
    ) throws {
        let store = Store(folder: FileFolder(path: fixture.storePath("a")))
        var record = try store.volume()
        body(&record)
        try store.writeVolume(record)
    }

    private func record(_ fixture: ManagerFixture) throws -> VolumeRecord {
        try Store(folder: FileFolder(path: fixture.storePath("a"))).volume()
    }

    @Test("H1: a store that names another origin than the catalog is refused; the catalog's wins")
    func otherPath() throws {
        let fixture = try ManagerFixture()
        for name in ["a", "b"] { try fixture.makeVolume(name) }
        try fixture.snapshot("a")
        let other = "\(fixture.folder)/b.img"
        try change(fixture) {
            $0.originPath = other
            $0.originIdentity = nil
        }
        func refuses() throws {
            let problem = #expect(throws: Problem.self) {
                _ = try fixture.manager.reverts.revert("1", RevertOptions(waits: false))
            }
            #expect(problem?.code == .refused)
            for path in [other, "\(fixture.folder)/a.img"] {
                #expect(problem?.message.contains(path) == true)
            }
        }
        try refuses()
        _ = try RebuildService(fixture.options).rebuild(store: nil)
        try refuses()
        _ = try fixture.manager.volumes.set(
            "a", VolumeSetting(originPath: "\(fixture.folder)/a.img"))
        try fixture.snapshot("a")
        #expect(try record(fixture).originPath == "\(fixture.folder)/a.img")
    }

    @Test("H1: a store of an older version learns its origin's identity and its owner when used")
    func upgrades() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        let made = try record(fixture)
        #expect(made.originIdentity != nil)
        #expect(made.owner?.path == fixture.options.state.path)
        try change(fixture) {
            $0.originIdentity = nil
            $0.owner = nil
        }
        try fixture.snapshot("a")
        let upgraded = try record(fixture)
        #expect(upgraded.originIdentity == made.originIdentity)
        #expect(upgraded.owner == made.owner)
    }

    @Test("H1: a store of an older version whose origin was exchanged since its close is refused")
    func exchanged() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.write(1, to: 0..<1, of: "a")
        try change(fixture) { $0.originIdentity = nil }
        let image = fixture.folder + "/a.img"
        try Paths.rename(image, to: image + ".old")
        try FileDevice(path: image, access: .create)
            .resize(to: ManagerFixture.chunkBytes * ManagerFixture.chunkCount)
        let problem = #expect(throws: Problem.self) { try fixture.snapshot("a") }
        #expect(problem?.code == .refused)
        #expect(problem?.hint?.description.contains("volumeSet(\"a\", origin: ") == true)
    }
}
