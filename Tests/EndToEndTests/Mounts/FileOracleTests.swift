import Foundation
import SnapshotModel
import TestKit
import Testing

extension EndToEndMounts {
    /// What is told of the files of real filesystems, over a random history of theirs, is compared with copies of
    /// them, with rsync and with sha256sum.
    @Suite struct FileOracleTests {
        private static let stepCount = 3

        /// 2,000 files in the folder that it runs in, with attributes and access lists on some.
        private static let tree = """
            for d in $(seq 40); do
                mkdir -p "d$d/in $d"; for f in $(seq 50); do echo "$d $f" > "d$d/in $d/f$f"; done
            done
            setfattr -n user.note -v hello "d1/in 1/f1"; setfacl -m u:1234:rw "d2/in 2/f2"
            chown 1234:4321 "d3/in 3/f3"; chmod 4755 "d4/in 4/f4"; ln -s "../d1" d5/link; mkfifo pipe
            """

        /// Adds, changes, deletes, moves and links some, by a seed.
        private static func changes(_ step: Int) -> String {
            """
            cd files; RANDOM=\(7 * step)
            for i in $(seq 120); do
                d=$((RANDOM % 40 + 1)); f="d$d/in $d/f$((RANDOM % 50 + 1))"
                new="d$((RANDOM % 40 + 1))/n\(step)-$i"
                case $((RANDOM % 7)) in
                    0) echo "changed $i" >> "$f" ;;
                    1) rm -f "$f" ;;
                    2) test ! -e "$f" || mv "$f" "$new" ;;
                    3) test ! -e "$f" || ln "$f" "$new" ;;
                    4) truncate -s $((RANDOM % 3 + 1))M "$new"; printf end >> "$new" ;;
                    5) test ! -e "$f" || chmod 6$((RANDOM % 8))4 "$f" ;;
                    6) test ! -e "$f" || setfattr -n user.step -v "$i" "$f" ;;
                esac
            done
            mv d7 "moved \(step)"; mkdir -p d7/in\\ 7; cd ..; sync -f files
            rm -rf copy\(step); cp -a files copy\(step)
            """
        }

        private func history(_ make: String, megabytes: Int) throws -> MountScene {
            let scene = try MountScene()
            try scene.run("rm -r source; mkdir source; cd source\n\(Self.tree)")
            try scene.volume(make, megabytes: megabytes)
            try scene.run("cp -a source copy0")
            for step in 1..<Self.stepCount {
                try scene.change(Self.changes(step))
                try scene.harness.json("snapshot", "data")
            }
            return scene
        }

        private static func document(_ text: String) throws -> [String: Any] {
            try #require(
                try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        }

        @Test(
            "lists, finds, differences and what comes back are those of the files themselves",
            arguments: [
                ("mke2fs -q -F -t ext4 disk.img", 128), ("mkfs.xfs -q disk.img", 320),
                ("mkfs.btrfs -q disk.img", 256),
            ])
        func history(make: String, megabytes: Int) throws {
            let scene = try history(make, megabytes: megabytes)
            for step in 0..<Self.stepCount { try check(step, scene) }
            for step in 1..<Self.stepCount { try checkDifference(step, scene) }
            try checkFinds(scene)
            #expect(try scene.leftovers() == "")
        }

        private func check(_ step: Int, _ scene: MountScene) throws {
            let (id, copy) = ("\(step + 1)", "copy\(step)")
            let listed = try scene.harness.run("files", id, "-R", "--json")
            #expect(listed.status == 0, "\(listed.errors)")
            let files = try #require(try Self.document(listed.output)["files"] as? [[String: Any]])
            let told = files.compactMap { $0["path"] as? String }
                .filter { !$0.hasPrefix("/lost+found") }
            #expect(try Set(told) == paths(copy, scene), "step \(step)")

            try scene.run("rm -rf out; mkdir out")
            let got = try scene.harness.run("get", id, "/", "--to", "out")
            #expect(got.status == 0, "\(got.errors)")
            let differences = try scene.run(
                "rsync -anc --delete -i -HAX --exclude lost+found \(copy)/ out/ | grep -v '^.d..t.* ./$' || true"
            )
            #expect(differences == "", "step \(step)")
            let sums =
                "find . -type f -not -path './lost+found*' -print0 | sort -z | xargs -0 sha256sum"
            try scene.mount(id)
            #expect(
                try scene.run("cd out; \(sums)") == scene.run("cd view; \(sums)"), "step \(step)")
            try scene.unmount()
        }

        private func paths(_ folder: String, _ scene: MountScene) throws -> Set<String> {
            let text = try scene.run(
                "cd \(folder); find . -mindepth 1 -not -path './lost+found*' | sed 's/^.//'")
            return Set(text.split(separator: "\n").map(String.init))
        }

        private func checkDifference(_ step: Int, _ scene: MountScene) throws {
            let result = try scene.harness.run(
                "diff", "\(step)", "\(step + 1)", "--files", "--json")
            #expect(result.status == 0, "\(result.errors)")
            let diff = try #require(
                try Self.document(result.output)["diff"] as? [String: Any])
            var (come, gone, changed) = (Set<String>(), Set<String>(), Set<String>())
            for file in try #require(diff["files"] as? [[String: Any]]) {
                let path = file["path"] as? String ?? ""
                switch file["change"] as? String {
                case "added": come.insert(path)
                case "deleted": gone.insert(path)
                case "moved":
                    come.insert(path)
                    gone.insert(file["from"] as? String ?? "")
                default: changed.insert(path)
                }
            }
            let (old, new) = (try paths("copy\(step - 1)", scene), try paths("copy\(step)", scene))
            // What is in a folder that has moved has moved with it.
            let movedFolder = "/moved \(step)"
            #expect(come.contains(movedFolder) && gone.contains("/d7") == false)
            func isInMoved(_ path: String) -> Bool {
                path.hasPrefix(movedFolder + "/") || path.hasPrefix("/d7/")
            }
            #expect(
                come.filter { !isInMoved($0) }
                    == new.subtracting(old).filter { !isInMoved($0) }, "step \(step)")
            #expect(
                gone.filter { !isInMoved($0) }
                    == old.subtracting(new).filter { !isInMoved($0) }, "step \(step)")
            let differing = try scene.run(
                """
                cd copy\(step - 1); rsync -anc -i --existing --no-times ./ ../copy\(step)/ |
                    grep '^>fc' | cut -d' ' -f2- || true
                """
            ).split(separator: "\n").map { "/" + $0 }
            #expect(
                Set(differing).filter { !isInMoved($0) }.isSubset(of: changed), "step \(step)")
        }

        private func checkFinds(_ scene: MountScene) throws {
            let candidates = try scene.run(
                """
                for s in 0 1 2; do (cd copy$s; find . -type f -name '[fn]*' | sed 's/^.//'); done |
                    sort -u | shuf --random-source=<(yes) -n 6
                """
            ).split(separator: "\n").map(String.init)
            for path in candidates {
                let result = try scene.harness.run("find", "data", path, "--all", "--json")
                #expect(result.status == 0, "\(result.errors)")
                let find = try Self.document(result.output)["find"] as? [String: Any]
                let file = try #require((find?["files"] as? [[String: Any]])?.first)
                let versions = try #require(file["versions"] as? [[String: Any]])
                for (step, version) in versions.enumerated() {
                    let size = try scene.run("stat -c %s 'copy\(step)\(path)' 2>/dev/null || true")
                    let told = (version["bytes"] as? Int).map { "\($0)\n" } ?? ""
                    #expect(told == size, "\(path) in step \(step)")
                }
                let sums = try (0..<Self.stepCount).map { step in
                    try scene.run("sha256sum <'copy\(step)\(path)' 2>/dev/null || echo none")
                }
                for step in 1..<Self.stepCount where sums[step] != sums[step - 1] {
                    #expect(versions[step]["changed"] as? Bool == true, "\(path) in step \(step)")
                }
            }
        }
    }
}
