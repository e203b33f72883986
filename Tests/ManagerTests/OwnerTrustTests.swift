import System
import Glibc
import MergeKit
import SnapshotModel
import Testing

@testable import Manager

@Suite("Root does not work on what others can change", .enabled(if: geteuid() == 0))
struct OwnerTrustTests {
    private static let stranger: uid_t = 65534

    private func expectRefused(_ body: () throws -> Void) {
        let problem = #expect(throws: Problem.self) { try body() }
        #expect(problem?.code == .refused)
        #expect(problem?.hint?.description.contains("chown") == true)
    }

    @Test("H1: a store that another user owns is refused, by every verb, and nothing is changed")
    func store() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.snapshot("a")
        let path = fixture.storePath("a")
        #expect(chown(path, Self.stranger, Self.stranger) == 0)
        expectRefused { try fixture.snapshot("a") }
        expectRefused { _ = try fixture.manager.deletions.delete(["1"], isDryRun: false) }
        expectRefused {
            _ = try fixture.manager.volumes.remove("a", keepsStore: false, isDryRun: false)
        }
        expectRefused { _ = try RebuildService(fixture.options).rebuild(store: path) }
        #expect(chown(path, 0, 0) == 0)
        try fixture.snapshot("a")
    }

    @Test("H1: a store that everybody may write to, or a folder above it, is refused")
    func writable() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        for folder in [fixture.storePath("a"), fixture.options.state.path] {
            #expect(chmod(folder, 0o777) == 0)
            expectRefused { try fixture.snapshot("a") }
            #expect(chmod(folder, 0o700) == 0)
        }
        try fixture.snapshot("a")
    }

    @Test("H1: a state folder that another user owns is refused")
    func state() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        #expect(chown(fixture.options.state.path, Self.stranger, Self.stranger) == 0)
        expectRefused { _ = try fixture.nextCommand() }
        expectRefused { _ = try RebuildService(fixture.options).rebuild(store: nil) }
    }

    @Test("H1: an origin in a folder that another user owns is refused")
    func origin() throws {
        let fixture = try ManagerFixture()
        let folder = fixture.folder + "/images"
        #expect(mkdir(folder, 0o700) == 0)
        _ = try fixture.manager.volumes.create(
            CreateRequest(name: "a", originPath: folder + "/a.img", createBytes: 1 << 20))
        #expect(chown(folder, Self.stranger, Self.stranger) == 0)
        expectRefused { try fixture.snapshot("a") }
        // An image may be another user's, as a virtual machine's is; its place may not.
        #expect(chown(folder, 0, 0) == 0)
        #expect(chown(folder + "/a.img", Self.stranger, Self.stranger) == 0)
        try fixture.snapshot("a")
    }

    @Test("H1: a new store is not made where another user could exchange it")
    func newStore() throws {
        let fixture = try ManagerFixture()
        let folder = fixture.folder + "/theirs"
        #expect(mkdir(folder, 0o700) == 0 && chown(folder, Self.stranger, Self.stranger) == 0)
        let image = fixture.folder + "/x.img"
        expectRefused {
            _ = try fixture.manager.volumes.create(
                CreateRequest(
                    name: "x", originPath: image, storePath: folder + "/store",
                    createBytes: 1 << 20))
        }
        #expect(try !Paths.exists(folder + "/store") && !Paths.exists(image))
    }
}
