import Foundation
import SnapshotModel
import TestKit
import Testing

/// Files and trees that come back where they were.
@Suite(.enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct RestoreTests {
    /// A snapshot of some files, and `live`, which stands for the mounted filesystem, with others of the same
    /// names.
    private func scene() throws -> FileImage {
        let image = try FileImage(
            """
            mkdir -p etc home/eve/deep; echo old > etc/conf; chmod 640 etc/conf; echo l > home/eve/letter
            touch -d 2020-02-02T02:02:02Z etc/conf; ln home/eve/letter home/eve/deep/again
            ln -s ../etc home/link; printf end > sparse; truncate -s 3M sparse
            """)
        try image.harness.json("snapshot", "data")
        try image.run(
            """
            mkdir -p live/etc live/home/eve; echo new > live/etc/conf; echo later > live/home/eve/later
            echo other > live/home/eve/letter
            """)
        return image
    }

    private func restore(_ image: FileImage, _ arguments: String...) throws -> [String: Any] {
        let result = try image.harness.run(["restore", "1", "--to", "live", "--json"] + arguments)
        let document =
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        return try #require(document?["restore"] as? [String: Any], "\(result.errors)")
    }

    @Test("a file comes back as it was, and what was in its place stays beside it")
    func file() throws {
        let image = try scene()
        let report = try restore(image, "/etc/conf", "/sparse")
        let items = try #require(report["restored"] as? [[String: Any]])
        #expect(items.map { $0["path"] as? String } == ["/etc/conf", "/sparse"])
        let kept = try #require(items[0]["kept_as"] as? String)
        #expect(kept.hasPrefix("/etc/conf.before-restore-20"))
        #expect(items[1]["kept_as"] is NSNull)
        #expect(try image.run("cat live/etc/conf 'live\(kept)'") == "old\nnew\n")
        #expect(try image.run("stat -c '%a %Y' live/etc/conf") == "640 1580608922\n")
        #expect(
            try image.run("cmp source/sparse live/sparse && stat -c %b live/sparse | head -c 2")
                .count <= 3)
        #expect(try image.run("ls -A live/etc | wc -l") == "2\n")
        // Once more: the former ones have names of their own.
        _ = try restore(image, "/etc/conf")
        #expect(try image.run("ls -A live/etc | wc -l") == "3\n")
    }

    @Test(
        "a folder comes back as a whole, and what came into it later stays in the one that is kept")
    func folder() throws {
        let image = try scene()
        let report = try restore(image, "/home/eve")
        let kept = try #require(
            (report["restored"] as? [[String: Any]])?.first?["kept_as"] as? String)
        #expect(try image.run("ls -A live/home/eve") == "deep\nletter\n")
        #expect(
            try image.run("cat live/home/eve/letter 'live\(kept)/letter' 'live\(kept)/later'")
                == "l\nother\nlater\n")
        #expect(try image.run("stat -c %h live/home/eve/letter") == "2\n")
        #expect(report["hard_links"] as? Int == 1)
    }

    @Test("a dry run tells the same, and changes nothing")
    func dryRun() throws {
        let image = try scene()
        let before = try image.listing(of: "live")
        let told = try restore(image, "/home/eve", "/etc/conf", "-n")
        #expect(try image.listing(of: "live") == before)
        let done = try restore(image, "/home/eve", "/etc/conf")
        for field in ["files", "folders", "hard_links", "bytes"] {
            #expect(told[field] as? Int == done[field] as? Int, "\(field)")
        }
        #expect(told["dry_run"] as? Bool == true)
        #expect((told["restored"] as? [[String: Any]])?.count == 2)
    }

    @Test(
        "what cannot be put back is refused before anything is written",
        arguments: [
            (["/nowhere"], Int32(4), "nowhere"), (["/"], 2, "no name"),
            (["/home", "/home/eve"], 2, "within"),
            (["/etc/conf", "/etc/conf"], 2, "within"), (["/home/../etc/conf"], 2, "no name"),
            (["/etc/conf", ""], 2, "empty"),
        ])
    func refused(paths: [String], status: Int32, word: String) throws {
        let image = try scene()
        let before = try image.listing(of: "live")
        let result = try image.harness.run(["restore", "1", "--to", "live"] + paths)
        #expect(result.status == status && result.errors.contains(word), "\(result.errors)")
        #expect(try image.listing(of: "live") == before)
    }

    @Test("what was put back before another path failed is told, and noted")
    func failedLater() throws {
        let image = try scene()
        let result = try image.harness.tool([
            "bash", "-c", "ulimit -f 2048 && exec \"$0\" restore 1 /etc/conf /sparse --to live",
            CommandLineHarness.binary,
        ])
        #expect(result.status == 3 && result.errors.contains("File too large"), "\(result.errors)")
        #expect(result.output.contains("/etc/conf put back; what was there: "), "\(result)")
        #expect(result.output.contains("/etc/conf.before-restore-20"), "\(result.output)")
        #expect(try image.run("cat live/etc/conf live/etc/conf.before*") == "old\nnew\n")
        #expect(try image.run("ls -A live") == "etc\nhome\n")
        let told = try image.harness.run("events").output
        #expect(told.contains("/etc/conf") && !told.contains("/sparse"), "\(told)")
    }

    @Test("several who put the same path back in one second all do, and each keeps what was there")
    func together() throws {
        let image = try scene()
        let server = try image.serve()
        defer { server.end() }
        try image.run(
            """
            for i in 1 2 3 4 5 6; do
                '\(CommandLineHarness.binary)' restore 1 /etc/conf --to live >out.$i 2>&1 & pids[i]=$!
            done
            for i in 1 2 3 4 5 6; do wait "${pids[i]}" || { cat out.$i >&2; exit 1; }; done
            """)
        #expect(try image.run("cat live/etc/conf; ls live/etc | grep -c before") == "old\n6\n")
        #expect(try image.run("grep -l new live/etc/conf.before* | wc -l") == "1\n")
    }

    @Test(
        "what another filesystem is mounted on is refused, and stays",
        .enabled(if: LoopImage.isPossible))
    func mountPoint() throws {
        let image = try scene()
        try image.run("mount -t tmpfs none live/home")
        defer { _ = try? image.run("umount live/home") }
        let result = try image.harness.run(["restore", "1", "/home", "--to", "live"])
        #expect(result.status == 13 && result.errors.contains("live/home"), "\(result.errors)")
        #expect(try image.run("ls -A live/home; ls -A live | grep -c snapmgr || true") == "0\n")
    }

    @Test(
        "a folder in which another filesystem is mounted is refused: what it was is below that",
        .enabled(if: LoopImage.isPossible))
    func mountedOver() throws {
        let image = try scene()
        try image.run("mount -t tmpfs none live/home && mkdir live/home/eve")
        defer { _ = try? image.run("umount live/home") }
        let result = try image.harness.run(["restore", "1", "/home/eve/letter", "--to", "live"])
        #expect(result.status == 13, "\(result.errors)")
        #expect(result.errors.contains("live/home"), "\(result.errors)")
        #expect(try image.run("ls -A live/home/eve").isEmpty)
        let file = try image.harness.run(["restore", "1", "/etc/conf", "--to", "live"])
        #expect(file.status == 0, "\(file.errors)")
    }

    @Test(
        "a folder that is gone, and one that a link has come in the place of, are said; the link is not followed"
    )
    func folderGone() throws {
        let image = try scene()
        try image.run("rm -r live/home; mkdir elsewhere; ln -s ../elsewhere live/home")
        let linked = try image.harness.run("restore", "1", "/home/eve", "--to", "live")
        #expect(linked.status != 0)
        #expect(try image.run("ls -A elsewhere").isEmpty)
        try image.run("rm live/home")
        let gone = try image.harness.run("restore", "1", "/home/eve", "--to", "live")
        #expect(gone.status == 4 && gone.errors.contains("is no folder any more"), "\(gone.errors)")
        let nowhere = try image.harness.run("restore", "1", "/home/eve")
        #expect(nowhere.status == 13 && nowhere.errors.contains("--to DIR"), "\(nowhere.errors)")
    }
}
