import Foundation
import SnapshotModel
import TestKit
import Testing

@Suite(
    "Files brought back from a snapshot",
    .enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct GetTests {
    /// Some thousand files, and one of each kind.
    private static let tree = #"""
        for d in $(seq 1 40); do
            mkdir -p "many/$d"
            for f in $(seq 1 50); do echo "$d $f" >"many/$d/$f"; done
        done
        deep=deep; for i in $(seq 1 60); do deep="$deep/a folder with a long name $i"; done
        mkdir -p "$deep"; echo bottom >"$deep/file"
        mkdir odd 'odd/ leading' links modes
        touch $'odd/new\nline' $'odd/esc\e[31m' $'odd/\xff\xfe' odd/ümläut 'odd/a "quote"' 'odd/-dash'
        truncate -s 30M sparse
        echo middle | dd of=sparse bs=1M seek=17 conv=notrunc status=none
        dd if=/dev/urandom of=random bs=1M count=7 status=none
        ln random links/hard; ln -s ../random links/soft; ln -s /nowhere links/dangling
        ln -s "$(printf 'long/%.0s' $(seq 1 150))" links/long
        mkfifo pipe; : >empty
        for mode in 000 400 640 755 1777 2755 4755; do echo $mode >modes/$mode; chmod $mode modes/$mode; done
        mkdir modes/locked; echo x >modes/locked/x; chmod 500 modes/locked
        touch -d '1999-12-31 23:59:59.123456789' random modes/locked
        """#

    @Test("A whole tree comes back as it was, served or not", arguments: [false, true])
    func wholeTree(isServed: Bool) throws {
        let image = try FileImage(Self.tree)
        let harness = image.harness
        try harness.json("snapshot", "data", "--name", "before")
        try image.change(["rm many/1/1", "write commands new", "rm random"])
        let server = isServed ? try image.serve() : nil
        defer { server?.end() }
        let wanted = try image.listing(of: "source")
        try image.run("mkdir out")
        let result = try harness.run("get", "data@before", "/", "--to", "out")
        #expect(result.status == 0, "\(result)")
        #expect(try image.listing(of: "out") == wanted)
        // 512-byte blocks: the holes are holes.
        let blocks = try image.run("stat -c %b out/sparse")
        #expect(Int(blocks.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 99_999 < 1024)
        #expect(try image.run("ls -A out | grep snapmgr-get || true").isEmpty)
        let old = try harness.run("files", "data@before", "/many/1/1")
        #expect(old.status == 0 && old.output.contains("/many/1/1"))
        #expect(try harness.run("files", "data@live", "/many/1/1").status == 4)
        #expect(try harness.run("files", "data@live", "/new").status == 0)
    }

    @Test("Extended attributes and access lists come back")
    func attributes() throws {
        let image = try FileImage("echo a >file; mkdir dir")
        // An access list that lets user 12345 read, as the kernel takes it: version 2, and five entries.
        let list =
            #"\2\0\0\0\1\0\6\0\377\377\377\377\2\0\4\0\71\60\0\0\4\0\4\0\377\377\377\377"#
            + #"\20\0\4\0\377\377\377\377\40\0\4\0\377\377\377\377"#
        try image.run("printf '\(list)' >acl")
        try image.change([
            "ea_set file user.note hello", "ea_set dir user.other there",
            "ea_set -f acl file system.posix_acl_access",
        ])
        try image.harness.json("snapshot", "data")
        try image.run("mkdir out")
        #expect(try image.harness.run("get", "1", "/", "--to", "out").status == 0)
        // What the kernel says that these have, by way of another image.
        try image.run("truncate -s 8M again.img && mke2fs -q -F -t ext4 -d out again.img")
        for name in ["file", "dir"] {
            func attributes(_ image: FileImage, _ file: String) throws -> String {
                try image.run("debugfs -R 'ea_list \(name)' \(file) 2>/dev/null | LC_ALL=C sort")
            }
            let wanted = try attributes(image, "next.img")
            #expect(wanted.contains("user."))
            #expect(try attributes(image, "again.img") == wanted)
        }
    }

    @Test("One file's bytes go to standard output, with its holes")
    func standardOutput() throws {
        let image = try FileImage(Self.tree)
        let harness = image.harness
        try harness.json("snapshot", "data")
        for path in ["sparse", "random", "empty", "links/hard"] {
            let sum = try image.run(
                "'\(CommandLineHarness.binary)' get 1 /\(path) --to - | sha256sum")
            #expect(try image.run("sha256sum <source/\(path)") == sum)
        }
        #expect(try harness.run("get", "1", "/many", "--to", "-").status == 1)
        #expect(try harness.run("get", "1", "/many", "/odd", "--to", "-").status == 2)
        #expect(try harness.run("get", "1", "/links/soft", "--to", "-").status == 1)
    }

    @Test("What is there stays, unless it is to be replaced")
    func nothingReplaced() throws {
        let image = try FileImage("mkdir a; echo old >a/file; echo old >b")
        let harness = image.harness
        try harness.json("snapshot", "data")
        try image.run(
            "mkdir -p out/a; echo new >out/a/file; echo own >out/a/own; echo outside >outside")
        let refused = try harness.run("get", "1", "/b", "/a", "--to", "out")
        #expect(refused.status == 1)
        #expect(refused.errors.contains("out/a is there already"))
        #expect(try image.run("ls out") == "a\n", "nothing was brought before that was seen")
        let forced = try harness.run("get", "1", "/a", "/b", "--to", "out", "--force")
        #expect(forced.status == 0)
        #expect(try image.run("cat out/a/file out/a/own out/b") == "old\nown\nold\n")
        // A link in the way is replaced, and what it points to stays; a folder is not.
        try image.run("rm out/b; ln -s ../outside out/b")
        #expect(try harness.run("get", "1", "/b", "--to", "out", "--force").status == 0)
        #expect(try image.run("cat out/b outside; test ! -L out/b") == "old\noutside\n")
        try image.run("rm -r out/b; mkdir out/b")
        #expect(try harness.run("get", "1", "/b", "--to", "out", "--force").status == 13)
        try image.run("rm -r out/a; mkdir elsewhere; ln -s ../elsewhere out/a")
        #expect(try harness.run("get", "1", "/a", "--to", "out", "--force").status == 13)
        #expect(try image.run("ls elsewhere").isEmpty)
    }

    @Test("An empty path is none, and not all that there is")
    func emptyPath() throws {
        let image = try FileImage("echo old >b")
        try image.harness.json("snapshot", "data")
        try image.run("mkdir out")
        for command in [
            ["get", "1", "", "--to", "out"], ["get", "1", "/b", "", "--to", "out"],
            ["get", "1", "", "--to", "-"], ["files", "1", ""], ["find", "data", ""],
        ] {
            let result = try image.harness.run(command)
            #expect(result.status == 2 && result.errors.contains("a path is empty"), "\(result)")
        }
        #expect(try image.run("ls -A out").isEmpty)
    }

    @Test("What is a folder here and none there is told, and all else replaced")
    func nestedFolder() throws {
        let image = try FileImage("mkdir a; echo old >a/one; echo old >a/three; echo old >a/two")
        let harness = image.harness
        try harness.json("snapshot", "data")
        try image.run("mkdir -p out/a/three; echo new >out/a/one; echo new >out/a/two")
        let result = try harness.run("get", "1", "/a", "--to", "out", "--force")
        #expect(
            result.status == 3 && result.errors.contains("out/a/three is a folder"), "\(result)")
        #expect(try image.run("cat out/a/one out/a/two; ls -A out/a/three") == "old\nold\n")
    }

    @Test("What was brought before another one failed is told")
    func failedLater() throws {
        let image = try FileImage("echo old >b; dd if=/dev/zero of=large bs=1M count=4 status=none")
        let harness = image.harness
        try harness.json("snapshot", "data")
        try image.run("mkdir out")
        func get(_ paths: String) throws -> CommandLineHarness.Result {
            try harness.tool([
                "bash", "-c", "ulimit -f 2048 && exec \"$0\" get 1 \(paths) --to out --json",
                CommandLineHarness.binary,
            ])
        }
        let part = try get("/b /large")
        #expect(part.status == 3 && part.errors.contains("File too large"), "\(part)")
        #expect(part.output.contains("\"files\":1") && part.output.contains("File too large"))
        #expect(try image.run("cat out/*; rm out/*; ls -A out") == "old\n")
        let none = try get("/large")
        #expect(none.status == 5 || none.status == 1, "\(none)")
        #expect(none.output.isEmpty, "\(none)")
        #expect(try image.run("ls -A out").isEmpty)
    }

    @Test(
        "Extended attributes that cannot be set are told of their file",
        .enabled(if: LoopImage.isPossible))
    func lostAttributes() throws {
        let image = try FileImage("echo a >file; echo b >plain")
        try image.change(["ea_set file user.note hello"])
        try image.harness.json("snapshot", "data")
        // Which keeps owners and modes, and no attributes.
        try image.run("mkdir out && mount -t ramfs none out")
        defer { _ = try? image.run("umount out") }
        let result = try image.harness.run("get", "1", "/file", "/plain", "--to", "out", "--json")
        #expect(result.status == 3, "\(result)")
        #expect(
            result.output.contains("user.note") && !result.output.contains("/plain"), "\(result)")
        #expect(try image.run("cat out/file out/plain") == "a\nb\n")
    }

    @Test("All bytes of a snapshot go to standard output, with its holes")
    func exported() throws {
        let image = try FileImage("echo old >b", megabytes: 8)
        try image.harness.json("snapshot", "data")
        let sum = try image.run("'\(CommandLineHarness.binary)' export 1 - | sha256sum")
        #expect(try image.run("sha256sum <disk.img") == sum)
        #expect(try image.harness.run("export", "1", "-", "--json").status == 2)
        #expect(try image.run("ls").contains("-\n") == false)
        try image.harness.json("clone", "create", "1", "trial")
        #expect(try image.harness.run("export", "trial", "-").status == 2)
    }

    @Test("A dry run tells what would be brought, and brings nothing")
    func dryRun() throws {
        let image = try FileImage(Self.tree)
        let harness = image.harness
        try harness.json("snapshot", "data")
        try image.run("mkdir out")
        let would = try #require(
            harness.json("get", "1", "/", "--to", "out", "-n")["get"] as? [String: Any])
        #expect(try image.run("ls out").isEmpty)
        let did = try #require(
            harness.json("get", "1", "/", "--to", "out")["get"] as? [String: Any])
        for key in ["files", "folders", "links", "hard_links", "others", "bytes"] {
            #expect(would[key] as? Int == did[key] as? Int, "\(key)")
            #expect(did[key] as? Int ?? 0 > 0, "\(key)")
        }
        #expect(would["dry_run"] as? Bool == true)
    }

    @Test("A name of the filesystem cannot lead out of the folder that it is brought to")
    func hostileNames() throws {
        let names = ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc", "dddddddddddd"]
        let image = try FileImage(
            "mkdir in; cd in; for n in \(names.joined(separator: " ")); do echo bad >$n; done; echo good >good",
            options: "-t ext4 -O ^metadata_csum,^dir_index")
        let harness = image.harness
        let path = harness.folder + "/disk.img"
        var bytes = try Data(contentsOf: URL(filePath: path))
        for (name, other) in zip(
            names, ["../../escape", "/tmp/escaped", "../escape\0\0\0", "x/../../yyyy"])
        {
            let place = try #require(bytes.range(of: Data(name.utf8)))
            bytes.replaceSubrange(place, with: Data(other.utf8))
        }
        try bytes.write(to: URL(filePath: path))
        try image.run("mkdir -p out/deep")
        let result = try harness.run("get", "data@live", "/in", "--to", "out/deep")
        #expect(result.status == 3, "\(result)")
        #expect(result.errors.contains("no file can have this name"))
        #expect(
            try image.run("cd out; find . -type f; ls ..| grep -c escape || true")
                == "./deep/in/good\n0\n")
        let listed = try harness.run("files", "data@live", "/in")
        #expect(listed.status == 0)
        #expect(listed.output.contains(#"/in/..\x2f..\x2fescape"#))
    }

    @Test("Bytes that were flipped in a filesystem end no command but in words")
    func flippedBytes() throws {
        var random = SeededGenerator(seed: 4711)
        var statuses: [Int32: Int] = [:]
        for options in [
            "-t ext4", "-t ext4 -O ^metadata_csum", "-t ext2",
            "-t ext4 -O inline_data,^metadata_csum",
        ] {
            let image = try FileImage(
                "mkdir -p a/b; for i in $(seq 1 120); do echo $i >a/b/file$i; mkdir a/d$i; done; ln -s a l",
                options: options + " -N 512", megabytes: 4)
            let file = URL(filePath: image.harness.folder + "/disk.img")
            let whole = try Data(contentsOf: file)
            let used = whole.indices.filter { whole[$0] != 0 && $0 < 1 << 20 }
            for round in 0..<75 {
                var bytes = whole
                for _ in 0..<[1, 5, 50, 500][round % 4] {
                    let place = used.randomElement(using: &random) ?? 1024
                    bytes[place] = UInt8.random(in: .min ... .max, using: &random)
                }
                try bytes.write(to: file)
                let result = try image.harness.run("files", "data@live", "-R")
                #expect([0, 1, 3].contains(result.status), "\(options), \(round): \(result)")
                statuses[result.status, default: 0] += 1
            }
        }
        #expect(statuses.count == 3, "all of them happen: \(statuses)")
    }

    @Test("What is no ext4 is named, with what to do; a partition is looked into")
    func others() throws {
        let image = try FileImage("echo x >file")
        let harness = image.harness
        // A table of partitions before it, as on a disk: an MBR with one entry.
        try image.run(
            """
            truncate -s 80M disk2.img
            dd if=disk.img of=disk2.img bs=1M seek=1 conv=notrunc status=none
            printf '\\0\\0\\0\\0\\x83\\0\\0\\0\\0\\x08\\0\\0\\0\\0\\x02\\0' |
                dd of=disk2.img bs=1 seek=446 conv=notrunc status=none
            printf '\\x55\\xaa' | dd of=disk2.img bs=1 seek=510 conv=notrunc status=none
            truncate -s 8M swap.img; mkswap swap.img >/dev/null; truncate -s 8M empty.img
            """)
        for name in ["disk2", "swap", "empty"] {
            try harness.json("volume", "create", name, "--origin", name + ".img")
        }
        let disk = try harness.run("files", "disk2@live")
        #expect(disk.status == 13 && disk.errors.contains("--partition"), "\(disk)")
        #expect(try harness.run("files", "disk2@live", "--partition", "1").output.contains("/file"))
        #expect(try harness.run("files", "disk2@live", "--partition", "2").status == 4)
        #expect(try harness.run("files", "data@live", "--partition", "1").status == 4)
        let swap = try harness.run("files", "swap@live")
        #expect(swap.status == 13 && swap.errors.contains("swap"))
        #expect(try harness.run("files", "empty@live").status == 1)
    }
}
