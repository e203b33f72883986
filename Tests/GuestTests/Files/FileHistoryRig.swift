import Glibc
import SnapshotModel
import System
import TestKit

/// A history of random changes of files, and copies of what they were at each snapshot: what the commands tell is
/// compared with that.
struct FileHistoryRig {
    private let scene: FilesRig
    private let snapmgr: Snapmgr
    private let copies = "/dev/shm/snapmgr-copies"
    /// Snapshots, by their numbers in the history.
    private let ids: [Int]

    init(_ scene: FilesRig, steps: Int = 3, seed: UInt64 = 12) throws {
        self.scene = scene
        snapmgr = scene.snapmgr
        try Program.run("rm", "-rf", copies)
        try Program.run("mkdir", "-p", copies)
        try FilesRig.shell(
            """
            cd \(scene.point)
            for d in $(seq 12); do
                mkdir -p "d$d/in $d"; for f in $(seq 20); do echo "$d $f" > "d$d/in $d/f$f"; done
            done
            """)
        var (random, ids) = (SeededGenerator(seed: seed), [Int]())
        for step in 0..<steps {
            if step > 0 { try Self.change(scene.point, &random, step) }
            ids.append(try scene.rig.snapshot("data", "s\(step)"))
            try Program.run("cp", "-a", scene.point, "\(copies)/\(step)")
        }
        self.ids = ids
    }

    /// Changes some files, adds, removes, moves and links others.
    private static func change(
        _ folder: String, _ random: inout SeededGenerator, _ step: Int
    ) throws {
        var script = "cd \(folder)\n"
        for index in 0..<30 {
            let (d, f) = (1 + random.below(12), 1 + random.below(20))
            let path = "'d\(d)/in \(d)/f\(f)'"
            let new = "'d\(1 + random.below(12))/n\(step)-\(index)'"
            switch random.below(6) {
            case 0: script += "echo changed \(step) \(index) >> \(path)\n"
            case 1: script += "rm -f \(path)\n"
            case 2: script += "test ! -e \(path) || mv \(path) \(new)\n"
            case 3: script += "test ! -e \(path) || ln \(path) \(new)\n"
            case 4: script += "truncate -s \(1 + random.below(4))M \(new); printf x >> \(new)\n"
            // Never what it was: a change in name alone is one that the copies do not show.
            default: script += "test ! -e \(path) || chmod 6\(step)\(index % 8) \(path)\n"
            }
        }
        try FilesRig.shell(script)
    }

    private func paths(_ folder: String) throws -> [String] {
        try FilesRig.shell(
            "cd '\(folder)'; find . -mindepth 1 -not -name lost+found | sed 's/^.//' | LC_ALL=C sort"
        ).split(separator: "\n").map(String.init)
    }

    private static func texts(_ output: String, behind field: String) -> [String] {
        var (texts, rest) = ([String](), output[...])
        while let tail = rest.tail(after: "\"\(field)\":\"") {
            texts.append(String(tail.prefix { $0 != "\"" }))
            rest = tail
        }
        return texts
    }

    func checkLists() throws {
        for (step, id) in ids.enumerated() {
            let told = try snapmgr.run("files", "\(id)", "-R", "--json").output
            let listed = Self.texts(told, behind: "path").filter { $0 != "/lost+found" }.sorted()
            try expectEqual(
                listed, try paths("\(copies)/\(step)").sorted(), "files of step \(step)")
        }
        let tree = try snapmgr.run("files", "\(ids[0])", "/d1", "--tree").output
        try expect(tree.tail(after: "└── in 1/\n    ├── f1  ") != nil, "no tree: \(tree)")
    }

    func checkGets() throws {
        for (step, id) in ids.enumerated() {
            let out = "\(copies)/out"
            try Program.run("mkdir", out)
            try snapmgr.run("get", "\(id)", "/", "--to", out)
            try expectEqual(
                try FilesRig.differences("\(copies)/\(step)", out).split(separator: "\n")
                    .filter { !$0.hasPrefix(".d..t") }, [], "what came back of step \(step)")
            try Program.run("rm", "-rf", out)
        }
    }

    /// A change is a path that only one of two trees has, or a file that rsync takes for another one; a move is both.
    func checkDifferences() throws {
        for step in 1..<ids.count {
            let (before, after) = ("\(copies)/\(step - 1)", "\(copies)/\(step)")
            let told = try snapmgr.run(
                "diff", "\(ids[step - 1])", "\(ids[step])", "--files", "--json"
            ).output
            var (gone, come, changed) = (Set<String>(), Set<String>(), Set<String>())
            var rest = told[...]
            while let tail = rest.tail(after: #"{"change":""#) {
                let kind = tail.prefix { $0 != "\"" }
                let path = Self.texts(String(tail.prefix(2000)), behind: "path").first ?? ""
                switch kind {
                case "added": come.insert(path)
                case "deleted": gone.insert(path)
                case "moved":
                    come.insert(path)
                    gone.insert(Self.texts(String(tail.prefix(2000)), behind: "from").first ?? "")
                default: changed.insert(path)
                }
                rest = tail
            }
            let (old, new) = (Set(try paths(before)), Set(try paths(after)))
            try expectEqual(come, new.subtracting(old), "added in step \(step)")
            try expectEqual(gone, old.subtracting(new), "deleted in step \(step)")
            // All whose content differs is told; more may be, for a new name changes a file, too.
            let differing = try FilesRig.shell(
                """
                cd \(before); { LC_ALL=C diff --no-dereference -rq . \(after) || test $? = 1; } |
                    sed -n 's|^Files \\./\\(.*\\) and .* differ$|/\\1|p'
                """
            ).split(separator: "\n").map(String.init)
            let missing = Set(differing).subtracting(changed)
            try expectEqual(missing, [], "content that differs in step \(step), and was not told")
            let same = try changed.subtracting(differing).filter { path in
                try FilesRig.shell(
                    """
                    for s in \(before) \(after); do stat -c '%f %u %g %h %Y' "$s\(path)"; done | uniq | wc -l
                    """) == "1\n"
            }
            try expectEqual(same, [], "what is told and differs in nothing, in step \(step)")
        }
    }

    /// A path's versions are those snapshots in which it is another one than before.
    func checkFinds() throws {
        for path in try paths("\(copies)/1").filter({
            $0.hasSuffix("/f3") || $0.tail(after: "/n1-") != nil
        })
        .prefix(6) {
            let found = try snapmgr.run("find", "data", path, "--all", "--json")
            try expectEqual(found.numbers("snapshot_id"), ids, "snapshots for \(path)")
            let states = Self.texts(found.output, behind: "state")
            let isThere = ids.indices.map { access("\(copies)/\($0)\(path)", F_OK) == 0 }
            try expectEqual(
                states, isThere.map { $0 ? "present" : "absent" }, "where \(path) is")
        }
    }
}
