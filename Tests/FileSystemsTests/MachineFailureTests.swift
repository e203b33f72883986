import Foundation
import Glibc
import SnapshotModel
import System
import TestKit
import Testing

@testable import FileSystems

/// What is wrong with the machine is not taken for what is wrong with a filesystem.
@Suite struct MachineFailureTests {
    @Test(
        "an error of a mounted filesystem is damage where kernels say that, and the machine's all else",
        arguments: [
            (EUCLEAN, Problem.Code.corrupt), (EBADMSG, .corrupt), (ESTALE, .corrupt),
            (ELOOP, .corrupt), (EFBIG, .corrupt), (ENOKEY, .corrupt), (ENOENT, .corrupt),
            (ENOMEM, .inputOutput), (EACCES, .inputOutput), (EPERM, .inputOutput),
            (EMFILE, .inputOutput), (ENOTCONN, .inputOutput), (ENODEV, .inputOutput),
        ])
    func errors(code: Int32, expected: Problem.Code) {
        let failure = IOFailure("read", path: "/view/file", code: code)
        for answers in [false, true] {
            let problem = MachineCheck { answers }.problem(failure)
            #expect(problem.code == expected)
            #expect(problem.message.contains("/view/file"))
        }
    }

    @Test(
        "an I/O error is the file's while what the filesystem lies on answers, else the machine's")
    func inputOutput() {
        let failure = IOFailure("read", path: "/view/file", code: EIO)
        #expect(MachineCheck { true }.problem(failure).code == .corrupt)
        let problem = MachineCheck { false }.problem(failure)
        #expect(problem.code == .inputOutput && problem.hint != nil)
    }

    // MARK: By the library of ext4

    /// Bytes of which one read fails, as a store that cannot be read.
    private final class FailingBytes: VolumeBytes {
        private let image: ImageBytes
        private let failing: Int
        private(set) var reads = 0
        let byteCount: Int

        init(_ path: String, failing: Int) throws {
            image = try ImageBytes(path)
            self.failing = failing
            byteCount = image.byteCount
        }

        func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
            reads += 1
            guard reads != failing else { throw Problem(.inputOutput, "the store is gone") }
            try image.read(into: &buffer, at: offset)
        }
    }

    /// Goes through all that there is; returns the paths.
    private func lookAtAll(_ bytes: any VolumeBytes) throws -> [String] {
        let fileSystem = try Ext4FileSystem.open(WindowedBytes(bytes, windowsMaximum: 1))
        var paths: [String] = []
        let root = try fileSystem.node(fileSystem.root)
        try TreeWalk(fileSystem).run(root, at: NodePath(), isWhole: true) { step in
            guard case .node(let path, let node) = step else {
                guard case .flaw(_, let problem) = step else { return }
                throw problem
            }
            paths.append(path.text)
            _ = try fileSystem.attributes(of: node)
            if node.kind == .link { _ = try fileSystem.head(of: node, limit: 4096) }
            if node.kind == .file {
                try FileContents(fileSystem, of: node).forEachPiece { _, _ in }
            }
        }
        return paths
    }

    private func image(_ options: String) throws -> Ext4Image {
        try Ext4Image(
            """
            mkdir -p a/b; for i in $(seq 300); do echo $i >a/b/a-name-that-is-long-$i; done
            ln -s "$(printf 'long/%.0s' $(seq 1 150))" link
            seq 200000 >large; truncate -s 5M sparse; echo end >>sparse
            """, options: options, commands: ["ea_set large user.color blue"])
    }

    @Test(
        "a read of the store that fails is told as that, whichever it is",
        arguments: ["-t ext4", "-t ext3", "-t ext4 -O inline_data,^64bit"])
    func store(options: String) throws {
        let image = try image(options)
        let whole = try FailingBytes(image.path, failing: 0)
        let paths = try lookAtAll(whole)
        #expect(paths.count > 300)
        #expect(whole.reads > 10)
        for failing in 1...whole.reads {
            let problem = #expect(throws: Problem.self, "read \(failing)") {
                try lookAtAll(FailingBytes(image.path, failing: failing))
            }
            #expect(problem?.code == .inputOutput, "read \(failing): \(problem?.message ?? "")")
        }
    }

    @Test("a list of all files, kept for a comparison, keeps no failure of the store as damage")
    func listed() throws {
        let image = try image("-t ext4")
        func list(_ bytes: any VolumeBytes) throws {
            let fileSystem = try Ext4FileSystem.open(WindowedBytes(bytes, windowsMaximum: 1))
            _ = try ListedFileSystem(fileSystem) {}
        }
        let whole = try FailingBytes(image.path, failing: 0)
        try list(whole)
        #expect(whole.reads > 10)
        for failing in 1...whole.reads {
            let problem = #expect(throws: Problem.self, "read \(failing)") {
                try list(FailingBytes(image.path, failing: failing))
            }
            #expect(problem?.code == .inputOutput, "read \(failing)")
        }
    }

    @Test("an ext4 without extended attributes has none, and says that it cannot have any")
    func noAttributes() throws {
        let plain = try Ext4Image("echo x >file").open()
        #expect(plain.hasAttributes)
        let without = try Ext4Image("echo x >file", options: "-t ext4 -O ^ext_attr").open()
        #expect(!without.hasAttributes)
        let file = try PathLookup(without).node(NodePath("file"))
        #expect(try without.attributes(of: file).isEmpty)
    }

    // MARK: By mounts

    /// Mounts a filesystem in a file for as long as `body` takes.
    private func withMount(
        _ command: String, _ body: (String) throws -> Void
    ) throws {
        let folder = TemporaryFolder()
        let point = folder.path + "/view"
        try Ext4Image.run("mkdir '\(point)'; \(command) '\(point)'")
        defer { try? Ext4Image.run("umount '\(point)'") }
        try body(point)
    }

    static let mayMount = geteuid() == 0 && access("/dev/loop-control", W_OK) == 0

    @Test(
        "a name whose inode is damaged keeps nobody from the others of its folder",
        .enabled(if: mayMount, "root and loop devices"))
    func damaged() throws {
        let image = try Ext4Image(
            "mkdir folder; echo a >folder/a; echo b >folder/b", options: "-t ext4 -b 4096")
        // A time of the inode, whose checksum is wrong then.
        try Ext4Image.run(
            """
            set -- $(debugfs -R 'imap /folder/a' '\(image.path)' 2>/dev/null |
                sed -n 's/.*located at block \\([0-9]*\\), offset \\(0x[0-9a-f]*\\).*/\\1 \\2/p')
            printf '\\377' | dd of='\(image.path)' bs=1 seek=$(($1 * 4096 + $2 + 16)) conv=notrunc
            """)
        try withMount("mount -o loop,ro,noload '\(image.path)'") { point in
            let fileSystem = try MountedFileSystem(path: point, kind: "ext4")
            let folder = try PathLookup(fileSystem).node(NodePath("folder"))
            let entries = try fileSystem.entries(of: folder.number)
            #expect(Set(entries.map(\.name.text)) == ["a", "b"])
            for entry in entries {
                guard entry.name.text == "a" else {
                    #expect(try fileSystem.node(entry.number).byteCount == 2)
                    continue
                }
                let problem = #expect(throws: Problem.self) { try fileSystem.node(entry.number) }
                #expect(problem?.code == .corrupt)
            }
        }
    }

    static let mayMountNTFS =
        geteuid() == 0 && access("/dev/fuse", W_OK) == 0 && access("/usr/bin/ntfs-3g", X_OK) == 0

    @Test(
        "a name of 255 characters, which are more bytes, is listed, found and read",
        .enabled(if: mayMountNTFS, "root, FUSE and ntfs-3g"))
    func longNames() throws {
        let image = TemporaryFolder()
        let path = image.path + "/ntfs.img"
        try Ext4Image.run("truncate -s 8M '\(path)'; mkntfs -q -F -Q '\(path)'")
        // It stays in the background, and must not keep open what tells that the script has ended.
        let mount = """
            for file in /proc/$BASHPID/fd/*; do
                number=${file##*/}
                if ((number > 2)); then eval "exec $number>&-"; fi
            done
            ntfs-3g '\(path)'
            """
        try withMount(mount) { point in
            let name = String(repeating: "ü€", count: 127) + "x"
            #expect(name.utf8.count == 636)
            try Ext4Image.run("mkdir '\(point)/\(name)'; echo deep >'\(point)/\(name)/\(name)'")
            let fileSystem = try MountedFileSystem(path: point, kind: "ntfs3")
            let folder = try PathLookup(fileSystem).node(NodePath(name))
            #expect(folder.isFolder)
            let entries = try fileSystem.entries(of: folder.number)
            #expect(entries.map(\.name) == [FileName(name)])
            let names = try fileSystem.names(of: folder.number, limitBytes: 1 << 20)
            #expect(names.count == 1 && names[0].name == FileName(name))
            let file = try PathLookup(fileSystem).node(NodePath(name + "/" + name))
            #expect(try fileSystem.head(of: file, limit: 100) == Array("deep\n".utf8))
        }
    }

    // MARK: Names

    @Test("what is shown of a name that is no text leads back to it, and to no other")
    func escapedNames() {
        let names: [[UInt8]] = [
            [0xFF], [0x61, 0x5C, 0x78, 0x66, 0x66, 0xFE], [0x2F, 0xC3], [0x0A, 0xFF, 0x20],
            [0x5C, 0x78, 0x35, 0x63, 0x80], [0x5C, 0xFF],
        ]
        for bytes in names {
            let name = FileName(bytes)
            #expect(FileName(name.text).unescaped == name, "\(name.text)")
        }
        for text in ["plain", "a\\xff\\", "\\x41", "\\xfg", "\\x", "back\\slash", "\\xc3\\xbc"] {
            #expect(FileName(text).unescaped == nil, "\(text)")
        }
        let path = NodePath([FileName("a"), FileName([0xFF]), FileName("b")])
        #expect(NodePath("a/\\xff/b").unescaped == path)
    }
}
