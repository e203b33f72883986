import Foundation
import Glibc
import TestKit
import Testing

@testable import System

/// Files that are made in a folder that somebody else may change at the same time.
@Suite struct TargetFolderTests {
    private let temporary = TemporaryFolder()
    private var path: String { temporary.path }

    private func bytes(_ name: String) -> [UInt8] { Array(name.utf8) }

    /// - Parameter isShared: whether others may change it.
    private func target(isShared: Bool = false) throws -> TargetFolder {
        try #require(chmod(path, isShared ? 0o777 : 0o700) == 0)
        return try TargetFolder(path: path)
    }

    private func mode(_ name: String) throws -> UInt32 {
        var status = stat()
        try #require(lstat(path + "/" + name, &status) == 0)
        return status.st_mode
    }

    private let metadata = NodeMetadata(
        owner: nil, permissions: 0o4777, accessed: .init(seconds: 7, nanoseconds: 1),
        modified: .init(seconds: 8, nanoseconds: 2), attributes: [])

    private func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path + "/" + name))
    }

    private func text(_ name: String) -> String? {
        try? String(contentsOfFile: path + "/" + name, encoding: .utf8)
    }

    // MARK: Owners and permissions

    @Test("what a node gets goes to no other file that comes in the place of its name")
    func swapped() throws {
        let folder = try target(isShared: true)
        try write("secret", to: "victim")
        try #require(chmod(path + "/victim", 0o600) == 0)
        let node = try folder.makeNode(bytes("pipe"), mode: S_IFIFO, major: 0, minor: 0)
        try #require(rename(path + "/pipe", path + "/away") == 0)
        try #require(symlink("victim", path + "/pipe") == 0)
        try node.apply(metadata)
        #expect(try mode("victim") == S_IFREG | 0o600)
        #expect(try mode("away") == S_IFIFO | 0o4777)
        let status = try FileStatus(path: path + "/away")
        #expect(status.modifiedNanoseconds == 8_000_000_002)
    }

    @Test("a link gets its times, and what it leads to keeps its own")
    func link() throws {
        let folder = try target()
        try write("other", to: "victim")
        let before = try FileStatus(path: path + "/victim")
        try folder.makeLink(bytes("link"), to: bytes("victim")).apply(metadata)
        #expect(try FileStatus(path: path + "/victim") == before)
        let link = try #require(try FileStatus.ofName(path + "/link"))
        #expect(link.kind == .link && link.modifiedNanoseconds == 8_000_000_002)
    }

    @Test("what is not what was made is not taken up")
    func others() throws {
        let folder = try target(isShared: true)
        try write("x", to: "file")
        try #require(symlink("file", path + "/link") == 0)
        for name in ["file", "link"] {
            #expect(throws: IOFailure.replaced(path + "/" + name)) {
                _ = try folder.takeUp(bytes(name), kind: S_IFIFO)
            }
        }
        try #require(Glibc.link(path + "/file", path + "/second") == 0)
        #expect(throws: IOFailure.self) { _ = try folder.takeUp(bytes("file"), kind: S_IFREG) }
    }

    @Test(
        "a folder that others can replace is taken up as it was made alone: empty, and for its owner",
        arguments: [(true, false), (false, false), (false, true)])
    func folders(isFull: Bool, isOpen: Bool) throws {
        let folder = try target(isShared: true)
        _ = try folder.makeFolder(bytes("fresh"))
        try #require(mkdir(path + "/other", 0o700) == 0)
        if isFull { try write("x", to: "other/file") }
        if isOpen { try #require(chmod(path + "/other", 0o755) == 0) }
        let isGood = !isFull && !isOpen
        #expect(((try? folder.takeUp(bytes("other"))) != nil) == isGood)
        // Nobody else could have put it there.
        #expect((try? target().takeUp(bytes("other"))) != nil)
    }

    // MARK: Exchanging

    /// Exchanges `name`, the original, with `new` in steps of which some fail.
    private func exchange(failing: Set<Int>) throws -> IOFailure? {
        let folder = try target()
        try write("original", to: "name")
        try write("restored", to: "new")
        var count = 0
        do throws(IOFailure) {
            try folder.exchangeInSteps(bytes("name"), bytes("new")) {
                (name, new) throws(IOFailure) in
                count += 1
                guard !failing.contains(count) else {
                    throw IOFailure("rename to", path: "x", code: ENOSPC)
                }
                try folder.rename(name, to: new, replaces: false)
            }
        } catch {
            return error
        }
        return nil
    }

    @Test(
        "an exchange that fails at any step leaves each file under its own name", arguments: 1...3)
    func failedStep(step: Int) throws {
        #expect(try exchange(failing: [step]) != nil)
        #expect(text("name") == "original")
        #expect(text("new") == "restored")
        #expect(try FileManager.default.contentsOfDirectory(atPath: path).count == 2)
    }

    @Test("an exchange in steps gives both names to each other")
    func steps() throws {
        #expect(try exchange(failing: []) == nil)
        #expect(text("name") == "restored" && text("new") == "original")
    }

    @Test("an exchange that cannot be taken back says where the original is")
    func stuck() throws {
        let failure = try #require(try exchange(failing: [3, 4]))
        #expect(text("new") == "original")
        #expect(failure.description.contains("\(path)/name back"), "\(failure)")
        #expect(failure.description.contains("\(path)/new:"), "\(failure)")
    }

    @Test("a tree is removed as the one that is known alone")
    func known() throws {
        let folder = try target()
        try write("one", to: "one")
        try write("two", to: "two")
        let one = try #require(try folder.status(bytes("one")))
        try folder.removeTree(bytes("two"), of: one)
        #expect(text("two") == "two")
        try folder.removeTree(bytes("one"), of: one)
        #expect(text("one") == nil)
    }
}
