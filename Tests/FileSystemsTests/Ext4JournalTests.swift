import SnapshotModel
import System
import Testing

@testable import FileSystems

@Suite("The journal of an ext4 that was in use")
struct Ext4JournalTests {
    private static let kinds = [
        ("-t ext4 -b 1024", 1024), ("-t ext4 -b 4096", 4096), ("-t ext3 -b 1024", 1024),
        ("-t ext4 -b 1024 -O ^64bit,^metadata_csum", 1024),
    ]

    private func tree(_ fileSystem: Ext4FileSystem) throws -> [String: String] {
        var found: [String: String] = [:]
        try TreeWalk(fileSystem).run(
            fileSystem.node(fileSystem.root), at: NodePath(), isWhole: true
        ) { step in
            guard case .node(let path, let node) = step else { throw Problem(.failed, "a flaw") }
            found[path.text] = "\(node.number) \(node.modeText) \(node.byteCount)"
            guard node.kind == .file else { return }
            try FileContents(fileSystem, of: node).forEachPiece { offset, piece in
                found[path.text]? += " \(offset): " + String(decoding: piece.array, as: UTF8.self)
            }
        }
        return found
    }

    @Test("What is in the journal alone is shown, as a mount would", arguments: kinds)
    func replay(options: String, blockBytes: Int) throws {
        let image = try Ext4Image("mkdir a; echo old >a/old; echo x >gone", options: options)
        try image.changeInJournal(
            [
                ["write commands new", "mkdir a/made", "rm gone"],
                ["mkdir a/made/twice", "set_inode_field a/old mode 0100600"],
            ], blockBytes: blockBytes)
        let raw = try Ext4FileSystem(WindowedBytes(ImageBytes(image.path)))
        let shown = try tree(image.open())
        #expect(shown["/gone"] == nil && shown["/a/made/twice"] != nil && shown["/new"] != nil)
        #expect(try tree(raw)["/gone"] != nil)
        #expect(try image.open().notes.isEmpty)
        // e2fsck brings all to its place.
        try Ext4Image.run("e2fsck -fy -E journal_only '\(image.path)' || test $? -le 1")
        let after = try Ext4FileSystem(WindowedBytes(ImageBytes(image.path)))
        #expect(try tree(after) == shown)
    }

    @Test("A journal that is damaged is told, and the rest shown")
    func damage() throws {
        let image = try Ext4Image("mkdir a; echo x >gone", options: "-t ext4 -b 1024")
        try image.changeInJournal([["rm gone"]], blockBytes: 1024)
        let raw = try Ext4FileSystem(WindowedBytes(ImageBytes(image.path)))
        let start = try #require(raw.stretches(of: raw.node(8)).first?.offset)
        // Its block's size.
        try image.set(9, at: start + 13)
        let fileSystem = try image.open()
        #expect(fileSystem.notes.count == 1)
        #expect(try tree(fileSystem)["/gone"] != nil)
    }
}
