import CFuse
import FileSystems
import Foundation
import Glibc
import SnapshotModel
import System
import TestKit
import Testing

@testable import TreeMount

@Suite("The tree of all snapshots, as the kernel asks for it")
struct SnapshotTreeTests {
    private let shelf = TreeShelf()
    private let rootNumber = UInt64(SNAPMGR_FUSE_ROOT)

    private func find(_ path: String, _ tree: SnapshotTree) throws -> snapmgr_fuse_node {
        try path.split(separator: "/").reduce(try tree.look(rootNumber)) { folder, name in
            try tree.lookup(FileName(name), in: folder.number)
        }
    }

    private func names(_ number: UInt64, _ tree: SnapshotTree, room: Int = .max) throws -> [String]
    {
        let handle = try tree.openFolder(number)
        defer { tree.closeFolder(handle) }
        var (names, position, isAtEnd) = ([String](), UInt64(0), false)
        while !isAtEnd {
            var left = room
            isAtEnd = true
            try tree.list(handle, from: position) { name, _, next in
                guard left > 0 else {
                    isAtEnd = false
                    return false
                }
                left -= 1
                names.append(name.text)
                position = next
                return true
            }
        }
        return names
    }

    private func content(
        _ number: UInt64, _ tree: SnapshotTree, count: Int, at offset: Int = 0
    ) throws
        -> [UInt8]
    {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        var elements = bytes.mutableSpan
        var span = elements.mutableBytes
        let got = try tree.read(number, into: &span, at: offset)
        return Array(bytes.prefix(got))
    }

    /// The errno of what must fail.
    private func failure(_ body: () throws -> Void) -> Int32? {
        do { try body() } catch { return (error as? TreeFailure)?.code }
        return nil
    }

    @Test("each snapshot has a folder with its own files, and what they say of themselves")
    func folders() throws {
        try shelf.add(
            1,
            """
            mkdir a; printf first >a/file; chmod 4750 a/file; ln a/file a/second
            ln -s ../somewhere a/link; touch -d '2001-02-03 04:05:06 UTC' a/file
            """)
        try shelf.add(2, "mkdir a; printf other >a/file", options: "-t ext4 -O inline_data")
        let tree = SnapshotTree(shelf)
        #expect(try names(rootNumber, tree) == [".", "..", "snapshot 1", "snapshot 2"])
        // Names alone open nothing.
        #expect(shelf.openCount == 0)
        let file = try find("snapshot 1/a/file", tree)
        #expect(file.mode == S_IFREG | 0o4750)
        #expect((file.bytes, file.links) == (5, 2))
        #expect(file.modified.seconds == 981_173_106)
        #expect(try find("snapshot 1/a/second", tree).number == file.number)
        #expect(try content(file.number, tree, count: 100) == Array("first".utf8))
        let other = try find("snapshot 2/a/file", tree)
        #expect(other.number != file.number)
        #expect(try content(other.number, tree, count: 100, at: 2) == Array("her".utf8))
        let link = try find("snapshot 1/a/link", tree)
        #expect(try tree.target(link.number) == Array("../somewhere".utf8))
        #expect(try find("snapshot 1/a/none", tree).number == 0)
        #expect(failure { _ = try find("none", tree) } == ENOENT)
        #expect(failure { _ = try tree.target(file.number) } == EINVAL)
        #expect(failure { try tree.openFile(try find("snapshot 1/a", tree).number) } == EISDIR)
    }

    @Test("a new snapshot appears; of one that is deleted, what is open is a stale handle")
    func upToDate() throws {
        try shelf.add(1, "printf first >file")
        let tree = SnapshotTree(shelf)
        let file = try find("snapshot 1/file", tree).number
        try shelf.add(2, "printf second >file")
        shelf.shown[1] = nil
        Thread.sleep(forTimeInterval: 1.1)
        #expect(try names(rootNumber, tree) == [".", "..", "snapshot 2"])
        #expect(failure { _ = try tree.look(file) } == ESTALE)
        #expect(failure { _ = try content(file, tree, count: 1) } == ESTALE)
        let second = try find("snapshot 2/file", tree).number
        // Its number is no other one's, also when an older one comes back.
        shelf.shown = [1: "snapshot 1", 2: "renamed"]
        Thread.sleep(forTimeInterval: 1.1)
        #expect(failure { _ = try tree.look(file) } == ESTALE)
        #expect(try find("renamed/file", tree).number == second)
        #expect(try content(find("snapshot 1/file", tree).number, tree, count: 9).count == 5)
    }

    @Test(
        "a long folder is listed to its end, in pieces, and no position gives what is no name in it"
    )
    func longFolder() throws {
        try shelf.add(
            1,
            "mkdir long; cd long; seq 3000 | sed 's/^/a long name of file /' | xargs -d '\\n' touch"
        )
        let tree = SnapshotTree(shelf)
        let folder = try find("snapshot 1/long", tree).number
        let expected = Set((1...3000).map { "a long name of file \($0)" } + [".", ".."])
        for room in [1, 7, .max] {
            let found = try names(folder, tree, room: room)
            #expect(found.count == expected.count && Set(found) == expected)
        }
        let handle = try tree.openFolder(folder)
        for position in [UInt64.max, 1 << 63, 3002, 3003, 2, 1500, 2999] {
            try tree.list(handle, from: position) { name, _, _ in
                #expect(expected.contains(name.text))
                return true
            }
        }
        tree.closeFolder(handle)
        #expect(failure { try tree.list(handle, from: 0) { _, _, _ in true } } == EBADF)
    }

    @Test("holes are zeroes, and are told as holes; the end is the file's")
    func sparse() throws {
        try shelf.add(
            1,
            """
            truncate -s 3M file; printf begin | dd of=file conv=notrunc status=none
            printf middle | dd of=file bs=1M seek=1 conv=notrunc status=none
            """)
        let tree = SnapshotTree(shelf)
        let file = try find("snapshot 1/file", tree)
        #expect(file.bytes == 3 << 20)
        #expect(file.allocated_bytes < 1 << 20)
        let bytes = try content(file.number, tree, count: 4 << 20)
        #expect(bytes.count == 3 << 20)
        #expect(Array(bytes[..<6]) == Array("begin".utf8) + [0])
        #expect(Array(bytes[(1 << 20)..<(1 << 20) + 7]) == Array("middle".utf8) + [0])
        #expect(bytes[5..<1 << 20].allSatisfy { $0 == 0 })
        #expect(
            try content(file.number, tree, count: 10, at: (1 << 20) - 3) == [0, 0, 0]
                + Array("middle\0".utf8))
        #expect(try content(file.number, tree, count: 10, at: 3 << 20).isEmpty)
        #expect(try content(file.number, tree, count: 10, at: .max).isEmpty)
        let hole = try tree.seek(file.number, 0, forData: false)
        #expect(hole > 0 && hole < 1 << 20)
        #expect(try tree.seek(file.number, hole, forData: true) == 1 << 20)
        #expect(failure { _ = try tree.seek(file.number, 2 << 20, forData: true) } == ENXIO)
        #expect(try tree.seek(file.number, 2 << 20, forData: false) == 2 << 20)
        #expect(failure { _ = try tree.seek(file.number, 3 << 20, forData: false) } == ENXIO)
    }

    @Test("many snapshots take the memory of a few, and one that rests takes none")
    func memory() throws {
        try shelf.add(1, "mkdir a; printf first >a/file")
        for id in Int64(2)...80 {
            try FileManager.default.createSymbolicLink(
                atPath: shelf.imagePath(id), withDestinationPath: shelf.imagePath(1))
            shelf.shown[id] = "snapshot \(id)"
        }
        let tree = SnapshotTree(shelf)
        for round in 1...2 {
            for id in 1...80 {
                let file = try find("snapshot \(id)/a/file", tree).number
                #expect(try content(file, tree, count: 9).count == 5)
            }
            #expect(shelf.openCount == 80 * round)
            #expect(tree.openCount <= 32)
        }
        tree.rest()
        #expect(tree.openCount == 0 && shelf.restCount == 1)
        #expect(try content(find("snapshot 7/a/file", tree).number, tree, count: 9).count == 5)
    }

    @Test("one that is damaged is an error of its own folder's alone")
    func damaged() throws {
        try shelf.add(1, "printf first >file")
        try shelf.add(2, "printf second >file")
        try shelf.run(
            "dd if=/dev/urandom of='\(shelf.imagePath(1))' bs=1 seek=1028 count=60 conv=notrunc")
        let tree = SnapshotTree(shelf)
        #expect(try names(rootNumber, tree).count == 4)
        #expect([EIO, EOPNOTSUPP].contains(failure { _ = try find("snapshot 1", tree) } ?? 0))
        #expect(try content(find("snapshot 2/file", tree).number, tree, count: 9).count == 6)
    }

    @Test(
        "whatever a filesystem says, it is read to an end, and nothing ends but that",
        arguments: 1...40)
    func hostile(seed: Int) throws {
        try shelf.add(
            1,
            """
            mkdir -p a/b long; (cd long; seq 300 | xargs touch); seq 9000 >a/file; ln -s a link
            truncate -s 2M a/sparse; printf end >>a/sparse
            """, options: seed % 2 == 0 ? "-t ext4" : "-t ext4 -O inline_data,^metadata_csum",
            megabytes: 8)
        var random = SeededGenerator(seed: UInt64(seed))
        let device = try FileDevice(path: shelf.imagePath(1), access: .readWrite)
        for _ in 0..<64 {
            // Where superblock, descriptors, inodes and folders lie.
            let byte = UInt8.random(in: 0...255, using: &random)
            try device.write([byte].span.bytes, at: Int.random(in: 1100..<400_000, using: &random))
        }
        let tree = SnapshotTree(shelf)
        var (waiting, looks) = ([rootNumber], 0)
        while let number = waiting.popLast(), looks < 3000 {
            guard let handle = try? tree.openFolder(number) else { continue }
            try? tree.list(handle, from: 0) { name, node, _ in
                looks += 1
                guard ![".", ".."].contains(name.text) else { return looks < 3000 }
                #expect(name.isUsable)
                let found = try? tree.lookup(name, in: number)
                if let found, found.number != 0 {
                    _ = try? tree.attributes(found.number)
                    _ = try? tree.target(found.number)
                    _ = try? content(found.number, tree, count: 4096, at: 100)
                    if found.mode & S_IFMT == S_IFDIR, waiting.count < 100 {
                        waiting.append(found.number)
                    }
                }
                return looks < 3000
            }
            tree.closeFolder(handle)
        }
        #expect(try names(rootNumber, tree).count == 3)
    }
}
