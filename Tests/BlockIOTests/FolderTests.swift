import BlockIO
import Glibc
import TestKit
import Testing

/// The real filesystem and the simulated disk must agree, or the simulation proves nothing.
@Suite("A folder, real and simulated")
struct FolderTests {
    private let temporary = TemporaryFolder()

    private enum Kind: CaseIterable {
        case real
        case simulated
    }

    private func folder(_ kind: Kind) -> any Folder {
        switch kind {
        case .real: temporary.folder
        case .simulated: SimulatedDisk()
        }
    }

    @Test("makes, lists, renames and removes", arguments: Kind.allCases)
    private func names(kind: Kind) throws {
        let folder = folder(kind)
        try folder.makeFolder("a")
        try folder.writeFile("a/x", [1, 2, 3])
        _ = try folder.createFile("a/y", byteCount: 1000)
        #expect(try folder.list("a").sorted() == ["x", "y"])
        try folder.rename("a/x", to: "a/y")
        #expect(try folder.list("a") == ["y"])
        #expect(try folder.readFile("a/y", limitBytes: 3) == [1, 2, 3])
        try folder.syncFolder("a")
        #expect(folder.exists("a/y") && !folder.exists("a/x") && folder.exists("a"))
        try folder.removeFile("a/y")
        try folder.removeFolder("a")
        #expect(try folder.list("") == [])
        #expect(try folder.freeBytes() > 0)
    }

    @Test("a file that is written again loses its old content", arguments: Kind.allCases)
    private func overwrite(kind: Kind) throws {
        let folder = folder(kind)
        try folder.writeFile("x", [1, 2, 3])
        try folder.writeFile("x", [9])
        #expect(try folder.readFile("x", limitBytes: 10) == [9])
        try folder.replaceFile("x", [7, 7])
        #expect(try folder.readFile("x", limitBytes: 10) == [7, 7])
        #expect(try folder.list("") == ["x"])
    }

    @Test("refuses what the filesystem refuses", arguments: Kind.allCases)
    private func refusals(kind: Kind) throws {
        let folder = folder(kind)
        try folder.makeFolder("a")
        try folder.writeFile("a/x", [1, 2, 3])
        func code(_ body: () throws -> Void) -> Int32? {
            do { try body() } catch let failure as IOFailure { return failure.code } catch {}
            return nil
        }
        #expect(code { _ = try folder.createFile("a/x", byteCount: 1) } == EEXIST)
        #expect(code { _ = try folder.openFile("a/z", writable: true) } == ENOENT)
        #expect(code { _ = try folder.openFile("a", writable: false) } == EISDIR)
        #expect(code { _ = try folder.readFile("a/x", limitBytes: 2) } == EFBIG)
        #expect(code { _ = try folder.readFile("b/x", limitBytes: 2) } == ENOENT)
        #expect(code { try folder.makeFolder("a") } == EEXIST)
        #expect(code { try folder.removeFolder("a") } == ENOTEMPTY)
        #expect(code { try folder.removeFile("a/z") } == ENOENT)
        #expect(code { try folder.rename("a/z", to: "a/x") } == ENOENT)
        #expect(code { _ = try folder.list("b") } == ENOENT)
    }

    @Test("a file open under no name can still be read and written", arguments: Kind.allCases)
    private func unlinked(kind: Kind) throws {
        let folder = folder(kind)
        let device = try folder.createFile("x", byteCount: 8)
        try folder.removeFile("x")
        try folder.syncFolder("")
        try device.write([1, 2], at: 6)
        #expect(try device.content(5..<9) == [0, 1, 2, 0])
    }
}
