import SnapshotModel
import System
import Testing

@testable import FileSystems

@Suite("An ext4 read without a mount")
struct Ext4FileSystemTests {
    private func node(_ path: String, _ fileSystem: Ext4FileSystem) throws -> FileNode {
        try PathLookup(fileSystem).node(NodePath(path))
    }

    private func content(_ path: String, _ fileSystem: Ext4FileSystem) throws -> [UInt8] {
        let node = try node(path, fileSystem)
        var bytes = [UInt8](repeating: 0, count: node.byteCount)
        try FileContents(fileSystem, of: node).forEachPiece { offset, piece in
            bytes.replaceSubrange(offset..<offset + piece.byteCount, with: piece.array)
        }
        return bytes
    }

    private static let kinds = ["-t ext4", "-t ext3", "-t ext2", "-t ext4 -O inline_data,^64bit"]

    @Test("Names, kinds, sizes, modes and times are those of the files", arguments: kinds)
    func status(options: String) throws {
        let image = try Ext4Image(
            """
            mkdir -p a/b
            printf 12345 >a/b/file
            chmod 4750 a/b/file
            touch -d '2001-02-03 04:05:06 UTC' a/b/file
            ln a/b/file a/second
            ln -s ../somewhere a/link
            mkfifo a/pipe
            """, options: options)
        let fileSystem = try image.open()
        let file = try node("a/b/file", fileSystem)
        #expect(file.modeText == "-rwsr-x---")
        #expect(file.byteCount == 5)
        #expect(file.linkCount == 2)
        #expect(file.modified.seconds == 981_173_106)
        #expect(try node("/a/second", fileSystem).number == file.number)
        let link = try node("a/link", fileSystem)
        #expect(link.kind == .link)
        #expect(try fileSystem.head(of: link, limit: 4096) == Array("../somewhere".utf8))
        #expect(try node("a/pipe", fileSystem).kind == .fifo)
        #expect(try content("a/b/file", fileSystem) == Array("12345".utf8))
        let names = try fileSystem.entries(of: node("a", fileSystem).number).map(\.name.text)
        #expect(names.sorted() == ["b", "link", "pipe", "second"])
    }

    @Test("Blocks that are reserved and not written yet are a hole")
    func reserved() throws {
        let image = try Ext4Image("truncate -s 1M file", commands: ["fallocate /file 10 100"])
        let fileSystem = try image.open()
        let file = try node("file", fileSystem)
        #expect(file.allocatedBytes > 0)
        #expect(try fileSystem.stretches(of: file).isEmpty)
    }

    // mke2fs itself cuts a sparse file short where it may lie in its inode.
    @Test("A sparse file has its bytes, and holes between them", arguments: kinds.prefix(3))
    func sparseFile(options: String) throws {
        let image = try Ext4Image(
            """
            truncate -s 9M sparse
            printf begin | dd of=sparse conv=notrunc status=none
            printf middle | dd of=sparse bs=1M seek=5 conv=notrunc status=none
            """, options: options)
        let fileSystem = try image.open()
        let file = try node("sparse", fileSystem)
        let stretches = try fileSystem.stretches(of: file)
        #expect(stretches.map(\.fileOffset) == [0, 5 << 20])
        #expect(stretches.map(\.count).reduce(0, +) <= 128 << 10)
        let bytes = try content("sparse", fileSystem)
        #expect(bytes.count == 9 << 20)
        #expect(Array(bytes[(5 << 20)..<(5 << 20) + 6]) == Array("middle".utf8))
        #expect(bytes.dropFirst(5).prefix(1 << 20).allSatisfy { $0 == 0 })
    }

    @Test("Times have nanoseconds, and go on beyond 2038")
    func times() throws {
        let image = try Ext4Image(
            "touch -d '2001-02-03 04:05:06 UTC' file",
            commands: ["set_inode_field file mtime_extra \(123 << 2 | 1)"])
        let fileSystem = try image.open()
        let time = try node("file", fileSystem).modified
        #expect(time.seconds == 981_173_106 + 4_294_967_296)
        #expect(time.nanoseconds == 123)
    }

    @Test("Symbolic links on the way are followed within the filesystem, one at the end is not")
    func links() throws {
        let image = try Ext4Image(
            """
            mkdir -p a/deep
            echo x >a/deep/file
            ln -s /a/deep absolute
            ln -s a/../a/deep relative
            ln -s loop loop
            ln -s ../../.. a/out
            """)
        let fileSystem = try image.open()
        let file = try node("a/deep/file", fileSystem).number
        for path in [
            "absolute/file", "relative/file", "a/out/a/deep/file", "../a/./deep/../deep/file",
        ] {
            #expect(try node(path, fileSystem).number == file)
        }
        #expect(try node("absolute", fileSystem).kind == .link)
        #expect(throws: Problem.self) { try node("loop/file", fileSystem) }
        #expect(throws: Problem.self) { try node("a/deep/file/x", fileSystem) }
        #expect(throws: Problem.self) { try node("none", fileSystem) }
    }

    @Test("Extended attributes and access lists are as the kernel gives them")
    func attributes() throws {
        let image = try Ext4Image(
            "echo x >file", commands: ["ea_set file user.color blue", "ea_set file user.empty ?"])
        let fileSystem = try image.open()
        let file = try node("file", fileSystem)
        let found = try fileSystem.attributes(of: file)
        #expect(
            found.first { $0.name == "user.color" }?.value == Array("blue".utf8))
        #expect(found.count == 2)
    }

    @Test("A name that is no text is shown so that nothing of it is lost")
    func oddNames() throws {
        let image = try Ext4Image(#"touch $'\xff\xfe' $'new\nline' "ä""#)
        let fileSystem = try image.open()
        let names = try fileSystem.entries(of: fileSystem.root).map(\.name)
        #expect(Set(names.map(\.text)).isSuperset(of: [#"\xff\xfe"#, "new\nline", "ä"]))
        #expect(names.filter { !$0.isText }.count == 1)
        #expect(!FileName("a/b").isUsable)
        #expect(!FileName("..").isUsable)
    }

    @Test("A whole tree is gone through, each folder once, by the order of names")
    func walk() throws {
        let image = try Ext4Image("mkdir -p b/c a; touch b/c/1 b/0 a/2")
        let fileSystem = try image.open()
        var found: [String] = []
        try TreeWalk(fileSystem).run(
            fileSystem.node(fileSystem.root), at: NodePath(), isWhole: true
        ) { step in
            guard case .node(let path, _) = step else { throw Problem(.failed, "a flaw") }
            found.append(path.text)
        }
        #expect(found == ["/a", "/b", "/lost+found", "/a/2", "/b/0", "/b/c", "/b/c/1"])
    }

    @Test("What is beyond the volume's end is damage, and no trap")
    func shortVolume() throws {
        let image = try Ext4Image("dd if=/dev/urandom of=big bs=1M count=8 status=none")
        try Ext4Image.run("truncate -s 3M '\(image.path)'")
        #expect(throws: Problem.self) {
            let fileSystem = try image.open()
            _ = try content("big", fileSystem)
        }
    }

    @Test("A filesystem with a feature of the future is told as newer")
    func newer() throws {
        let image = try Ext4Image("touch a", options: "-t ext4 -O ^metadata_csum")
        // The highest byte of s_feature_incompat.
        try image.set(0x40, at: 1024 + 0x63)
        let problem = #expect(throws: Problem.self) { try image.open() }
        #expect(problem?.code == .newerVersion)
    }
}
