import Foundation
import SnapshotModel
import TestKit
import Testing

/// Files of names and of filesystems that not everybody has.
@Suite(.enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct OddFilesTests {
    @Test("a name that is no text is listed, found and brought back by what is shown of it")
    func names() throws {
        let image = try FileImage(
            #"""
            mkdir $'odd\xfe'; echo one >$'odd\xfe/a\xff'; echo two >$'odd\xfe/a\\b\xff'
            echo plain >'odd\xfe-literally'; echo text >'\xff'
            """#)
        let harness = image.harness
        try harness.json("snapshot", "data")
        let listed = try harness.run("files", "1", #"/odd\xfe"#)
        #expect(listed.status == 0, "\(listed)")
        #expect(listed.output.contains(#"/odd\xfe/a\xff"#))
        #expect(listed.output.contains(#"/odd\xfe/a\x5cb\xff"#), "\(listed)")
        let tree = try harness.run("files", "1", #"/odd\xfe"#, "--tree")
        #expect(tree.status == 0 && tree.output.contains(#"a\xff"#), "\(tree)")
        let found = try harness.run("find", "data", "/odd*/a?", "--json")
        #expect(found.output.contains(#"/odd\\xfe/a\\xff"#), "\(found)")
        try image.run("mkdir out")
        let got = try harness.run(
            "get", "1", #"/odd\xfe/a\xff"#, #"/odd\xfe/a\x5cb\xff"#, #"/odd\xfe-literally"#,
            #"/\xff"#, "--to", "out")
        #expect(got.status == 0, "\(got)")
        let shown = #"cd out; cat $'a\xff' $'a\\b\xff' 'odd\xfe-literally' '\xff'; ls | wc -l"#
        #expect(try image.run(shown) == "one\ntwo\nplain\ntext\n4\n")
        #expect(try harness.run("get", "1", #"/odd\xfe/a\xff"#, "--to", "-").output == "one\n")
        #expect(try harness.run("files", "1", #"/odd\xfd"#).status == 4)
        try image.run(#"mkdir -p live/$'odd\xfe'; echo new >live/$'odd\xfe/a\xff'"#)
        let restored = try harness.run("restore", "1", #"/odd\xfe/a\xff"#, "--to", "live")
        #expect(restored.status == 0, "\(restored)")
        let kept = #"cd live/$'odd\xfe'; cat $'a\xff' $'a\xff'.before*"#
        #expect(try image.run(kept) == "one\nnew\n")
    }

    @Test("a name that leaves none beside it free is put back where nothing has it")
    func longName() throws {
        let name = String(repeating: "n", count: 250)
        let image = try FileImage("echo old >\(name)")
        try image.harness.json("snapshot", "data")
        try image.run("mkdir live")
        #expect(try image.harness.run("restore", "1", "/\(name)", "--to", "live").status == 0)
        #expect(try image.run("cat live/\(name)") == "old\n")
        let again = try image.harness.run("restore", "1", "/\(name)", "--to", "live")
        #expect(again.status == 1 && again.errors.contains("too long"), "\(again)")
    }

    @Test("files of an ext4 without extended attributes come back whole, and that is said once")
    func noAttributes() throws {
        let image = try FileImage(
            "mkdir a; for i in 1 2 3; do echo $i >a/$i; done", options: "-t ext4 -O ^ext_attr")
        try image.harness.json("snapshot", "data")
        try image.run("mkdir out live")
        for (verb, folder) in [("get", "out"), ("restore", "live")] {
            let command = [verb, "1", "/a", "--to", folder]
            let result = try image.harness.run(command)
            #expect(result.status == 0, "\(result)")
            let notes = result.errors.components(separatedBy: "without extended").count - 1
            #expect(notes == 1, "\(result)")
            #expect(!result.errors.contains("/a/1"), "\(result)")
        }
        #expect(try image.run("cat out/a/* live/a/*") == "1\n2\n3\n1\n2\n3\n")
        let listed = try image.harness.run("files", "1", "-R")
        #expect(listed.status == 0 && listed.errors.isEmpty, "\(listed)")
    }
}
