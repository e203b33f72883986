import Foundation
import SnapshotModel
import TestKit
import Testing

/// Files in clones, trees, and what the partitions of a disk hold: without root.
@Suite(.enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct CloneFilesTests {
    /// A snapshot, and a clone of it in which something was written as a client does.
    private func scene() throws -> FileImage {
        let image = try FileImage("mkdir -p etc/deep; echo old >etc/conf; echo x >etc/deep/file")
        let harness = image.harness
        try harness.json("snapshot", "data")
        try harness.json("clone", "create", "1", "trial")
        try image.run(
            """
            cp --sparse=always disk.img clone.img; echo 'in the clone' >new
            printf 'rm etc/conf\\ncd etc\\nwrite new conf\\nwrite new more\\n' >commands
            debugfs -w -f commands clone.img >debugfs.log 2>&1
            """)
        let server = try image.serve()
        defer { server.end() }
        let client = try NBDClient(socket: harness.folder + "/nbd.sock", export: "trial")
        let known = try Data(contentsOf: URL(filePath: harness.folder + "/disk.img"))
        let next = try Data(contentsOf: URL(filePath: harness.folder + "/clone.img"))
        let piece = 16 << 10
        for start in stride(from: 0, to: next.count, by: piece) {
            let part = start..<min(next.count, start + piece)
            if known[part] != next[part] { try client.write([UInt8](next[part]), at: start) }
        }
        try client.flush()
        return image
    }

    @Test(
        "what is in a clone is listed, brought back, compared and put back",
        arguments: [false, true])
    func clone(isServed: Bool) throws {
        let image = try scene()
        let harness = image.harness
        let server = isServed ? try image.serve() : nil
        defer { server?.end() }
        #expect(try harness.run("files", "trial", "/etc").output.contains("/etc/more"))
        #expect(try harness.run("files", "1", "/etc/more").status == 4)
        for name in ["trial", "data@trial"] {
            let content = try harness.run("get", name, "/etc/conf", "--to", "-")
            #expect(content.output == "in the clone\n", "\(content)")
        }
        #expect(try harness.run("get", "1", "/etc/conf", "--to", "-").output == "old\n")
        try image.run("mkdir out live live/etc; echo now >live/etc/conf")
        let got = try harness.json("get", "trial", "/etc", "--to", "out")
        #expect((got["get"] as? [String: Any])?["clone"] as? String == "trial")
        #expect((got["get"] as? [String: Any])?["snapshot_id"] as? Int == 1)
        #expect(try image.run("cat out/etc/conf out/etc/more") == "in the clone\nin the clone\n")
        try harness.json("restore", "trial", "/etc/conf", "--to", "live")
        #expect(try image.run("cat live/etc/conf live/etc/conf.before*") == "in the clone\nnow\n")

        func changes(_ arguments: String...) throws -> Set<String> {
            let result = try harness.run(["diff", "--files", "--json"] + arguments)
            let document =
                try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
            let files = (document?["diff"] as? [String: Any])?["files"] as? [[String: Any]]
            return Set(try #require(files).map { "\($0["change"] ?? "") \($0["path"] ?? "")" })
        }
        let expected: Set<String> = ["added /etc/more", "changed /etc", "changed /etc/conf"]
        // Of a clone alone, what differs from the snapshot that it began as.
        for told in [try changes("trial"), try changes("1", "trial")] {
            #expect(told.subtracting(["changed /etc"]) == expected.subtracting(["changed /etc"]))
        }
        #expect(try changes("trial", "data@live").contains("deleted /etc/more"))
        #expect(try harness.run("find", "data", "/etc/conf").status == 0)
    }

    @Test("a clone that nobody has any more is no object, and one that is read is not deleted")
    func gone() throws {
        let image = try scene()
        try image.harness.json("clone", "delete", "trial")
        let result = try image.harness.run("files", "trial")
        #expect(result.status == 4, "\(result)")
    }

    @Test("files are shown as a tree, and what differs is, too")
    func tree() throws {
        let image = try scene()
        let tree = try image.harness.run("files", "trial", "/etc", "--tree", "--bytes").output
        #expect(
            tree == """
                /etc
                ├── conf  13
                ├── deep/
                │   └── file  2
                └── more  13

                """, "\(tree)")
        let all = try image.harness.run("files", "1", "--tree").output
        #expect(all.hasPrefix("/\n├── etc/\n│   ├── conf  4 B\n│   └── deep/\n"), "\(all)")
        let diff = try image.harness.run("diff", "1", "trial", "--files", "--tree").output
        #expect(diff.hasPrefix("/\n└── "), "\(diff)")
        #expect(diff.contains("    └── A more\n"), "\(diff)")
        for options in [["--tree", "--json"], ["--tree", "--partitions"]] {
            #expect(try image.harness.run(["files", "1"] + options).status == 2, "\(options)")
        }
        #expect(try image.harness.run("diff", "1", "trial", "--tree").status == 2)
    }

    @Test("what the partitions of a disk hold is told, and a filesystem is not taken for a disk")
    func partitions() throws {
        let image = try scene()
        let harness = image.harness
        try image.run(
            """
            truncate -s 80M disk2.img; dd if=disk.img of=disk2.img bs=1M seek=2 conv=notrunc status=none
            printf 'LUKS\\xba\\xbe' | dd of=disk2.img bs=1M seek=1 conv=notrunc status=none
            entry() { printf '\\0\\0\\0\\0\\x83\\0\\0\\0'; }
            { entry; printf '\\0\\x08\\0\\0\\0\\x08\\0\\0'; entry; printf '\\0\\x10\\0\\0\\0\\0\\x02\\0'; } |
                dd of=disk2.img bs=1 seek=446 conv=notrunc status=none
            printf '\\x55\\xaa' | dd of=disk2.img bs=1 seek=510 conv=notrunc status=none
            """)
        try harness.json("volume", "create", "disk2", "--origin", "disk2.img")
        try harness.json("snapshot", "disk2")
        for verb in ["files", "mount"] {
            let told = try harness.run(verb, "disk2@latest", "--partitions", "--json")
            let flaws = try JSONSchema(named: "partitions").flaws(of: JSONDocument(told.output))
            #expect(flaws.isEmpty, "\(flaws)")
            let document =
                try JSONSerialization.jsonObject(with: Data(told.output.utf8)) as? [String: Any]
            let list = try #require(document?["partitions"] as? [[String: Any]])
            #expect(document?["table"] as? String == "MBR")
            #expect(list.map { $0["offset"] as? Int } == [1 << 20, 2 << 20])
            #expect(list.map { $0["content"] as? String } == ["crypto_LUKS", "ext4"])
            #expect(list.map { $0["filesystem"] as? Bool } == [false, true])
        }
        #expect(try harness.run("files", "disk2@live", "--partitions").output.contains("ext4"))
        #expect(try harness.run("files", "data@live", "--partitions").output == "no partitions\n")
        let refused = try harness.run("files", "disk2@latest")
        #expect(refused.status == 13 && refused.errors.contains("--partitions"), "\(refused)")
        #expect(try harness.run("mount", "1").status == 2)
        #expect(try harness.run("mount", "1", "/mnt", "--partitions").status == 2)
        let clone = try harness.run("files", "disk2@latest", "--partition", "1")
        #expect(clone.status == 13 && clone.errors.contains("crypto_LUKS"), "\(clone)")
    }
}
