import Foundation
import Glibc
import SnapshotModel
import System
import TestKit
import Testing

@testable import FileSystems

/// What is read of a filesystem that is mounted.
@Suite struct MountedFileSystemTests {
    private let temporary = TemporaryFolder()

    private func path(_ name: String) -> String { temporary.path + "/" + name }

    private func make() throws -> MountedFileSystem {
        try #require(mkdir(path("folder"), 0o755) == 0 && mkdir(path("folder/inner"), 0o700) == 0)
        try Data("content".utf8).write(to: URL(filePath: path("folder/file")))
        try #require(link(path("folder/file"), path("again")) == 0)
        try #require(symlink("/etc/passwd", path("link")) == 0)
        try #require(mkfifo(path("pipe"), 0o600) == 0)
        try Data("end".utf8).write(to: URL(filePath: path("odd\u{1}name")))
        return try MountedFileSystem(path: temporary.path, kind: "xfs")
    }

    private func node(
        _ text: String, in fileSystem: any SnapshotFileSystem
    ) throws -> FileNode { try PathLookup(fileSystem).node(NodePath(text)) }

    @Test("all that is in it has its kind, its number and its place")
    func tree() throws {
        let fileSystem = try make()
        var kinds: [String: FileNode.Kind] = [:]
        let root = try fileSystem.node(fileSystem.root)
        try TreeWalk(fileSystem).run(root, at: NodePath(), isWhole: true) { step in
            guard case .node(let path, let node) = step else { throw Problem(.failed, "flaw") }
            kinds[path.text] = node.kind
        }
        #expect(
            kinds == [
                "/folder": .folder, "/folder/inner": .folder, "/folder/file": .file,
                "/again": .file, "/link": .link, "/pipe": .fifo, "/odd\u{1}name": .file,
            ])
        let (first, second) = (
            try node("folder/file", in: fileSystem), try node("again", in: fileSystem)
        )
        #expect(first == second && first.linkCount == 2 && first.byteCount == 7)
        #expect(try fileSystem.number(of: FileName("none"), in: fileSystem.root) == nil)
        #expect(try fileSystem.number(of: FileName(".."), in: fileSystem.root) == nil)
        #expect(throws: Problem.self) { try fileSystem.node(4_000_000_000) }
    }

    @Test("a file of a FAT, whose inodes have other numbers in each mount, is known by its place")
    func places() throws {
        _ = try make()
        let numbers = NodeNumbers()
        func look() throws -> [UInt32] {
            let fileSystem = try MountedFileSystem(
                path: temporary.path, kind: "vfat", numbers: numbers)
            return try ["folder/file", "again"].map { try node($0, in: fileSystem).number }
        }
        let first = try look()
        #expect(first[0] != first[1])
        // The other name keeps the inode, so that the file gets another one.
        try #require(unlink(path("folder/file")) == 0)
        try Data("content".utf8).write(to: URL(filePath: path("folder/file")))
        #expect(try look() == first)
    }

    @Test(
        "that one may not look is no damage, and ends the reading",
        .enabled(if: geteuid() != 0, "root may look at all"))
    func forbidden() throws {
        _ = try make()
        try #require(chmod(path("folder"), 0o444) == 0)
        defer { chmod(path("folder"), 0o755) }
        let fileSystem = try MountedFileSystem(path: temporary.path, kind: "xfs")
        let folder = try node("folder", in: fileSystem)
        let problem = #expect(throws: Problem.self) { try fileSystem.entries(of: folder.number) }
        #expect(problem?.code == .inputOutput)
    }

    @Test("a symbolic link is read, and not followed out of it")
    func links() throws {
        let fileSystem = try make()
        let node = try node("link", in: fileSystem)
        #expect(try fileSystem.head(of: node, limit: 4096) == Array("/etc/passwd".utf8))
        #expect(throws: Problem.self) { try FileContents(fileSystem, of: node) }
        let problem = #expect(throws: Problem.self) { try self.node("link/x", in: fileSystem) }
        #expect(problem?.code == .notFound)
    }

    @Test("content comes with its holes, and attributes with their names")
    func content() throws {
        let file = try FileDevice(path: path("sparse"), access: .create)
        try file.write(Array("middle".utf8).span.bytes, at: 2 << 20)
        try file.resize(to: 5 << 20)
        let fileSystem = try MountedFileSystem(path: temporary.path, kind: "xfs")
        let node = try node("sparse", in: fileSystem)
        var (found, count) = ([UInt8](), 0)
        try FileContents(fileSystem, of: node).forEachPiece { offset, piece in
            count += piece.byteCount
            if offset <= 2 << 20, offset + piece.byteCount >= (2 << 20) + 6 {
                let start = (2 << 20) - offset
                found = piece.withUnsafeBytes { Array($0[start..<start + 6]) }
            }
        }
        #expect(found == Array("middle".utf8))
        // A filesystem without holes has all of it as data, and as much room for it.
        #expect(try count <= file.allocatedBytes())
        #expect(try fileSystem.attributes(of: node).allSatisfy { !$0.name.isEmpty })
    }

    @Test("a list of it says the same of all files, and has none of their content")
    func listed() throws {
        let fileSystem = try make()
        let list = try ListedFileSystem(fileSystem) {}
        for text in ["folder/file", "folder/inner", "again", "link", "pipe"] {
            var (kept, found) = (try node(text, in: list), try node(text, in: fileSystem))
            // To list a folder is to access it.
            (kept.accessed, found.accessed) = (kept.modified, found.modified)
            #expect(kept == found, "\(text)")
        }
        #expect(
            try Set(list.entries(of: list.root).map(\.name))
                == Set(fileSystem.entries(of: fileSystem.root).map(\.name)))
        let file = try node("again", in: list)
        #expect(throws: Problem.self) { try list.stretches(of: file) }
    }

    @Test("inodes of one number in two parts of a filesystem are two, and the same in each mount")
    func numbers() throws {
        let numbers = NodeNumbers()
        let part = numbers.part(at: FileName("subvolume"), in: 256)
        #expect(part != 0 && part == numbers.part(at: FileName("subvolume"), in: 256))
        #expect(part != numbers.part(at: FileName("other"), in: 256))
        let (outer, inner) = (
            try numbers.number(of: 256, in: 0), try numbers.number(of: 256, in: part)
        )
        #expect(outer == 256 && inner != outer)
        #expect(try numbers.number(of: 256, in: part) == inner)
        // One that does not fit has another one.
        let large = try numbers.number(of: 1 << 40, in: 0)
        #expect(large != inner && large != outer)
        #expect(try numbers.number(of: 1 << 40, in: 0) == large)
    }
}
