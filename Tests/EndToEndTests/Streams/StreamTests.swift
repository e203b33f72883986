import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing

extension ServedStreams {
    /// `send` and `receive`, by the built binary.
    @Suite struct StreamTests {
        @Test("a snapshot of a served volume travels through a pipe, and what changed after it")
        func wholeAndChanges() throws {
            let scene = try StreamScene()
            let first = try scene.snapshot(1, 0..<16)
            let second = try scene.snapshot(2, 8..<24)
            try scene.run(
                "$S send -q \(first) | $S receive copy --origin copy.img && $S send -q data@\(second) --from \(first) --compress zstd:3 | $S receive copy"
            )
            let copies = try scene.ids("copy")
            #expect(try scene.digest(copies[0]) == scene.digest(first))
            #expect(try scene.digest(copies[1]) == scene.digest(second))
            #expect(try scene.digest(ofImage: "copy") == scene.digest(second))
            let source = try scene.harness.json("show", "\(copies[1])")
            let snapshot = try #require(source["snapshot"] as? [String: Any])
            #expect((snapshot["source"] as? [String: Any])?["id"] as? Int == second)
            #expect(try scene.harness.run("check").status == 0)
        }

        @Test("holes stay holes, and nothing unchanged is sent")
        func holes() throws {
            let scene = try StreamScene(size: "1G")
            let first = try scene.snapshot(1, 1000..<1004)
            let second = try scene.snapshot(2, 8000..<8001)
            try scene.run(
                "$S send -q \(first) >whole; $S send -q \(second) --from \(first) >changes; $S receive copy --origin copy.img <whole; $S receive copy <changes"
            )
            #expect(try scene.run("stat -c %s whole").count <= 7)
            #expect((Int(try scene.run("stat -c %s changes | tr -d '\\n'")) ?? 0) < 70_000)
            #expect((Int(try scene.run("du -k copy.img | cut -f 1 | tr -d '\\n'")) ?? 0) <= 512)
            #expect(try scene.digest(ofImage: "copy") == scene.digest(second))
        }

        @Test("sixty-four snapshots come in one stream, and each is what it was")
        func many() throws {
            let scene = try StreamScene()
            let base = try scene.snapshot(1, 0..<64)
            let ids = try (0..<64).map { try scene.snapshot(UInt8($0 + 2), $0..<$0 + 2) }
            try scene.run(
                "$S send -q \(base) | $S receive copy --origin copy.img; $S send -q \(ids[63]) --from \(base) --compress zstd | $S receive copy"
            )
            let copies = try scene.ids("copy")
            #expect(copies.count == 65)
            for (original, copy) in zip([base] + ids, copies).enumerated()
                .filter({ $0.offset % 13 == 0 }).map(\.element)
            {
                #expect(try scene.digest(copy) == scene.digest(original))
            }
        }

        @Test(
            "a stream that is cut between two records leaves the copy whole; the same one ends it")
        func cuts() throws {
            let scene = try StreamScene()
            let ids = try (0..<3).map { try scene.snapshot(UInt8($0 + 1), $0 * 8..<$0 * 8 + 16) }
            try scene.run(
                "$S send -q \(ids[0]) | $S receive copy --origin copy.img; $S send -q \(ids[2]) --from \(ids[0]) >changes"
            )
            let digests = try ids.map { try scene.digest($0) }
            for boundary in try scene.boundaries("changes") {
                let result = try scene.shell("head -c \(boundary) changes | $S receive copy")
                #expect(result.status == 1)
                #expect(result.errors.contains("was cut"), "\(result.errors)")
                let copies = try scene.ids("copy")
                for (copy, digest) in zip(copies, digests) {
                    #expect(try scene.digest(copy) == digest)
                }
                #expect(try scene.digest(ofImage: "copy") == digests[copies.count - 1])
            }
            try scene.run("$S receive copy <changes")
            #expect(try scene.ids("copy").count == 3)
        }

        @Test("a receiver that is killed leaves the copy whole; the same stream ends it")
        func kills() throws {
            let scene = try StreamScene(size: "64M")
            let first = try scene.snapshot(1, 0..<512)
            let ids = try (0..<4).map { try scene.snapshot(UInt8($0 + 2), $0 * 64..<$0 * 64 + 512) }
            let digests = try ([first] + ids).map { try scene.digest($0) }
            try scene.run(
                "$S send -q \(first) | $S receive copy --origin copy.img; $S send -q \(ids[3]) --from \(first) >changes"
            )
            var random = SeededGenerator(seed: 7)
            var killed = 0
            for _ in 0..<12 {
                let (process, files) = try scene.harness.start([
                    "bash", "-c", "exec \(CommandLineHarness.binary) receive copy <changes",
                ])
                usleep(UInt32(random.below(250_000) + 20_000))
                if process.isRunning { killed += 1 }
                process.end()
                _ = files
                // The first command after it may tell what had been done.
                #expect(try scene.harness.run("list", "copy").status == 0)
                let copies = try scene.ids("copy")
                for (copy, digest) in zip(copies, digests) {
                    #expect(try scene.digest(copy) == digest)
                }
                #expect(try scene.digest(ofImage: "copy") == digests[copies.count - 1])
            }
            try scene.run("$S receive copy <changes")
            #expect(try scene.ids("copy").count == 5)
            #expect(killed > 0)
        }

        @Test("wrong bases, written-to and served copies are refused with 13 and what to do")
        func refusals() throws {
            let scene = try StreamScene()
            let ids = try (0..<3).map { try scene.snapshot(UInt8($0 + 1), 0..<4) }
            try scene.run(
                "$S send -q \(ids[0]) | $S receive copy --origin copy.img; $S send -q \(ids[2]) --from \(ids[1]) >wrong; $S send -q \(ids[1]) --from \(ids[0]) >right; $S send -q \(ids[1]) >whole"
            )
            for line in [
                "$S receive copy <wrong", "$S receive copy <whole", "$S receive data <whole",
                "$S receive new --origin new.img <right",
            ] {
                let result = try scene.shell(line)
                #expect(result.status == 13, "\(line): \(result.errors)")
                #expect(result.errors.contains("hint: "))
            }
            let missing = try scene.shell("$S receive none <whole")
            #expect(missing.status == 4)
            #expect(try scene.ids("copy").count == 1)
            try scene.run("$S receive copy <right")
        }

        @Test("two receivers at once: one waits, or is told so, and the copy is whole")
        func together() throws {
            let scene = try StreamScene()
            let ids = try (0..<2).map { try scene.snapshot(UInt8($0 + 1), 0..<64) }
            try scene.run(
                "$S send -q \(ids[0]) | $S receive copy --origin copy.img; $S send -q \(ids[1]) --from \(ids[0]) >changes"
            )
            let result = try scene.shell(
                "(sleep 7 | cat changes - | $S receive copy >/dev/null) & $S receive copy <changes; s=$?; wait $!; echo $? >first; exit $s"
            )
            let first = try scene.run("cat first")
            #expect([0, 11].contains(result.status), "\(result.status) \(result.errors)")
            #expect(first == "0\n" || first == "11\n")
            #expect(try scene.ids("copy").count == 2)
            #expect(try scene.digest(ofImage: "copy") == scene.digest(ids[1]))
        }

        @Test("a sender whose reader ends says so, and a terminal is no place for a stream")
        func ends() throws {
            let scene = try StreamScene()
            let id = try scene.snapshot(1, 0..<64)
            let result = try scene.shell(
                "$S send \(id) | head -c 100 >/dev/null; exit ${PIPESTATUS[0]}")
            #expect(result.status == 1)
            #expect(result.errors.contains("whoever read the stream has ended"))
            let terminal = try scene.shell("script -qec \"$S send \(id)\" /dev/null")
            #expect(terminal.status == 2)
            let preview = try scene.harness.json("send", "\(id)", "-n")
            let send = try #require(preview["send"] as? [String: Any])
            #expect(send["data_bytes"] as? Int == 64 * StreamScene.chunkBytes)
        }

        @Test("a peer that stands still is given up, and what was there stays as it was")
        func stalled() throws {
            let scene = try StreamScene()
            let ids = try (0..<2).map { try scene.snapshot(UInt8($0 + 1), 0..<64) }
            try scene.run(
                "$S send -q \(ids[0]) | $S receive copy --origin copy.img; $S send -q \(ids[1]) --from \(ids[0]) >changes"
            )
            let before = try scene.digest(ofImage: "copy")
            let result = try scene.shell(
                "exec 3< <(head -c 2000000 changes; exec sleep 300); $S receive copy --stall-limit 1s <&3; s=$?; kill $!; exit $s"
            )
            #expect(result.status == 1)
            #expect(result.errors.contains("has stood still"), "\(result.errors)")
            #expect(try scene.digest(ofImage: "copy") == before)
            let sender = try scene.shell(
                "exec 3> >(exec sleep 300); $S send \(ids[1]) --stall-limit 1s >&3; s=$?; kill $!; exit $s"
            )
            #expect(sender.errors.contains("has stood still"), "\(sender.errors)")
            try scene.run("$S receive copy <changes")
        }

        @Test("of a volume that nobody serves snapshots are taken while a reader is slow")
        func slowReader() throws {
            let scene = try StreamScene()
            try scene.run(
                "head -c 8M /dev/urandom >other.img && $S volume create other --origin other.img && $S snapshot other"
            )
            try scene.run(
                "($S send -q other@latest | (until [ -e go ]; do sleep 0.05; done; cat >sent)) & sleep 2; s=0; $S snapshot other && ! test -s sent || s=1; touch go; wait $! && exit $s"
            )
            #expect(try scene.ids("other").count == 2)
            try scene.run("$S receive copy --origin copy.img <sent")
            #expect(try scene.digest(ofImage: "copy") == scene.digest(ofImage: "other"))
        }

        @Test("what is no stream, or a damaged one, changes nothing")
        func hostile() throws {
            let scene = try StreamScene()
            let id = try scene.snapshot(1, 0..<4)
            try scene.run("$S send -q \(id) >whole")
            for line in [
                "head -c 100000 /dev/urandom | $S receive new --origin new.img",
                ": | $S receive new --origin new.img",
                "(head -c 8 whole; printf '\\002'; tail -c +10 whole) | $S receive new --origin new.img",
            ] {
                let result = try scene.shell(line)
                #expect(result.status == 1, "\(result.errors)")
                #expect(try scene.shell("test -e new.img").status == 1)
            }
        }

        @Test(
            "a full disk at the receiver is told; what was there stays whole",
            .enabled(if: SmallFilesystem.isPossible))
        func fullDisk() throws {
            let scene = try StreamScene(size: "16M")
            let folder = try SmallFilesystem.mount(in: scene.served.folder, megabytes: 12)
            defer { SmallFilesystem.unmount(folder) }
            let first = try scene.snapshot(1, 0..<16)
            let second = try scene.snapshot(2, 0..<240)
            try scene.run(
                "$S send -q \(first) | $S receive copy --origin small/copy.img; $S send -q \(second) --from \(first) >changes"
            )
            let before = try scene.run("sha256sum <small/copy.img")
            let result = try scene.shell("$S receive copy <changes")
            #expect(result.status == 1, "\(result.errors)")
            #expect(try scene.ids("copy").count == 1)
            // Whoever opens the volume next gives it back.
            #expect(try scene.digest("copy@latest") == before)
            #expect(try scene.run("sha256sum <small/copy.img") == before)
        }
    }
}
