import Foundation
import SnapshotModel
import TestKit
import Testing

@Suite(
    "Files found and compared in snapshots",
    .enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct FindTests {
    /// A volume with a history: each step is what debugfs does to it before the next snapshot.
    private func history(isServed: Bool) throws -> FileImage {
        let image = try FileImage(
            """
            mkdir -p etc home/eve home/bob logs empty/deep
            echo first >etc/conf; echo a >home/eve/a; echo b >home/bob/b; echo odd >$'etc/\\xff'
            for i in $(seq 1 300); do echo "$i" >logs/$i; done
            echo changed >../changed; seq 1 5000 >../large
            """, options: "-t ext4 -O ^metadata_csum")
        let steps: [[String]] = [
            [], ["cd /home/eve", "write changed new", "cd /"],
            ["set_inode_field etc/conf mode 0100640"],
            ["rm etc/conf", "cd /etc", "write large conf", "cd /"], [],
            ["rm logs/7", "ln home/bob/b home/bob/b2", "unlink home/bob/b"],
            ["set_inode_field etc/conf mode 0100600"],
            ["mkdir home/zoe", "cd /home/zoe", "write changed f", "cd /"],
            ["rm etc/conf"], ["cd /etc", "write changed conf", "cd /"],
        ]
        let server = isServed ? try image.serve() : nil
        defer {
            server?.send(15)
            _ = try? server?.wait()
        }
        for step in steps {
            if !step.isEmpty {
                try image.change(step, isServed: isServed)
            }
            try image.harness.json("snapshot", "data")
        }
        return image
    }

    /// What `files` says of a path in a snapshot; nil when nothing has it.
    private func facts(_ path: String, _ id: Int, _ image: FileImage) throws -> [String]? {
        let result = try image.harness.run("files", "\(id)", path, "--json")
        guard result.status == 0 else { return nil }
        let document =
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        let file = try #require((document?["files"] as? [[String: Any]])?.first)
        return ["bytes", "modified_at", "changed_at", "inode", "mode"].map { "\(file[$0] ?? "")" }
    }

    private func found(_ arguments: String..., in image: FileImage) throws -> [[String: Any]] {
        let result = try image.harness.run(["find", "data"] + arguments + ["--json"])
        guard result.status == 0 else { throw Problem(.failed, result.errors) }
        let document =
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        return try #require((document?["find"] as? [String: Any])?["files"] as? [[String: Any]])
    }

    private func versions(_ file: [String: Any]) throws -> [(id: Int, isThere: Bool, bytes: Int?)] {
        try #require(file["versions"] as? [[String: Any]]).map {
            (
                $0["snapshot_id"] as? Int ?? 0, $0["state"] as? String == "present",
                $0["bytes"] as? Int
            )
        }
    }

    @Test(
        "A file's versions are those that a look into each snapshot tells",
        arguments: [false, true])
    func versions(isServed: Bool) throws {
        let image = try history(isServed: isServed)
        // A snapshot that is gone, whose area others still need.
        try image.harness.json("delete", "3")
        let ids = [1, 2, 4, 5, 6, 7, 8, 9, 10]
        for path in ["etc/conf", "home/eve/new", "home/bob/b2", "logs/7", "home/zoe/f", "etc/none"]
        {
            var expected: [Int] = []
            var before: [String]?
            for id in ids {
                let facts = try facts(path, id, image)
                if facts != before { expected.append(id) }
                before = facts
            }
            guard !expected.isEmpty else {
                #expect(try image.harness.run("find", "data", path).status == 4)
                continue
            }
            let files = try found(path, in: image)
            try #require(files.count == 1)
            #expect(try versions(files[0]).map(\.id) == expected, "\(path)")
            #expect(try versions(found(path, "--all", in: image)[0]).map(\.id) == ids)
        }
        let conf = try versions(found("/etc/conf", in: image)[0])
        #expect(conf.map(\.isThere) == [true, true, true, false, true])
        #expect(conf.map(\.bytes) == [6, 23_893, 23_893, nil, 8])
    }

    @Test("A pattern finds all that fits, in whichever snapshot it is")
    func patterns() throws {
        let image = try history(isServed: false)
        func paths(_ pattern: String) throws -> [String] {
            try found(pattern, in: image).compactMap { $0["path"] as? String }
        }
        #expect(try paths("/home/*/b*") == ["/home/bob/b", "/home/bob/b2"])
        #expect(try paths("home/[!b]*/?") == ["/home/eve/a", "/home/zoe/f"])
        #expect(try paths("**/7*7") == ["/logs/77"])
        #expect(try paths("**/conf") == ["/etc/conf"])
        #expect(try paths("empty/**") == ["/empty", "/empty/deep"])
        #expect(try paths("etc/?") == [#"/etc/\xff"#])
        #expect(try image.harness.run("find", "data", "home/*/none").status == 4)
        let text = try image.harness.run("find", "data", "/logs/7").output
        #expect(text.split(separator: "\n").count == 3)
        #expect(text.contains("not there"))
    }

    /// A comparison of two trees by hand: what each path is, by all that is compared.
    private func tree(_ id: Int, _ image: FileImage) throws -> [String: (key: String, inode: Int)] {
        let result = try image.harness.run("files", "\(id)", "-R", "--json")
        let document =
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        let files = try #require(document?["files"] as? [[String: Any]])
        return Dictionary(
            uniqueKeysWithValues: files.map { file in
                let isFolder = file["kind"] as? String == "folder"
                let keys =
                    ["kind", "mode", "uid", "gid", "inode"]
                    + (isFolder ? [] : ["bytes", "modified_at", "changed_at"])
                return (
                    file["path"] as? String ?? "",
                    (
                        keys.map { "\(file[$0] ?? "")" }.joined(separator: " "),
                        file["inode"] as? Int ?? 0
                    )
                )
            })
    }

    @Test("The files that differ are those that a comparison of both trees finds")
    func difference() throws {
        let image = try history(isServed: false)
        for (from, to) in [
            (1, 10), (1, 2), (2, 3), (3, 4), (5, 6), (6, 7), (7, 8), (8, 9), (10, 1),
        ] {
            let (before, after) = (try tree(from, image), try tree(to, image))
            var expected = Set(before.keys.filter { after[$0] == nil }.map { "deleted \($0)" })
            expected.formUnion(after.keys.filter { before[$0] == nil }.map { "added \($0)" })
            for (path, file) in before {
                if let other = after[path], other.key != file.key {
                    expected.insert("changed \(path)")
                }
            }
            let document = try image.harness.json("diff", "\(from)", "\(to)", "--files")
            let files = try #require(
                (document["diff"] as? [String: Any])?["files"] as? [[String: Any]])
            // A move is a name that is gone and another one that has come.
            var told: Set<String> = []
            for file in files {
                let (change, path) = (
                    file["change"] as? String ?? "", file["path"] as? String ?? ""
                )
                if change == "moved" {
                    told.insert("deleted \(file["from"] as? String ?? "")")
                    told.insert("added \(path)")
                } else {
                    told.insert("\(change) \(path)")
                }
            }
            #expect(told == expected, "\(from) to \(to)")
        }
    }

    @Test("What was renamed has moved, and what is in a folder with it")
    func moves() throws {
        let image = try FileImage("mkdir -p a/in b; echo x >a/in/file; echo y >a/other; echo z >z")
        try image.harness.json("snapshot", "data")
        try image.change([
            "ln a b/moved", "unlink a", "cd /b/moved", "write commands fresh", "cd /",
            "rm b/moved/other",
            "ln z renamed", "unlink z",
        ])
        try image.harness.json("snapshot", "data")
        let text = try image.harness.run("diff", "1", "2", "--files").output
        let lines = text.split(separator: "\n").dropFirst().map {
            $0.split(separator: " ").filter { $0 != "" }.joined(separator: " ")
        }
        let told = lines.map { line in
            line.replacingOccurrences(of: #" [0-9.]+ K?i?B"#, with: "", options: .regularExpression)
        }
        #expect(told.contains("moved /a -> /b/moved"), "\(text)")
        #expect(told.contains("moved /z -> /renamed"))
        #expect(told.contains("added - /b/moved/fresh"))
        #expect(told.contains("deleted - /b/moved/other"))
        #expect(lines.count == 4)
    }
}
