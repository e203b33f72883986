import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    /// `mirror`, by the built binary, over a real sshd.
    @Suite(.enabled(if: MirrorScene.isPossible)) struct MirrorTests {
        @Test(
            "all snapshots go over, then what was taken since; nothing more when there is nothing")
        func runs() throws {
            let scene = try MirrorScene()
            var digests = try (0..<3).map { number in
                try scene.source.digest(
                    scene.source.snapshot(UInt8(number + 1), number * 4..<number * 4 + 8))
            }
            try scene.add("--compress zstd:1")
            let plan = try scene.source.harness.json("mirror", "run", "off", "-n")
            #expect((plan["runs"] as? [[String: Any]])?.first?["state"] as? String == "planned")
            #expect(try scene.copies().isEmpty)
            #expect(try scene.state()["state"] as? String == "behind")
            try expectDone(scene.mirror())
            #expect(try scene.copies() == digests)
            digests.append(try scene.source.digest(scene.source.snapshot(9, 0..<2)))
            #expect(try scene.state()["lag_snapshots"] as? Int == 1)
            try expectDone(scene.mirror())
            #expect(try scene.copies() == digests)
            #expect(try scene.state()["state"] as? String == "current")
            let again = try scene.mirror()
            #expect(again.output.contains("the target has all"))
            let base = try #require(try scene.state()["base_id"] as? Int)
            // Held on both sides, by whom and why, and nothing else is.
            for holds in [
                try scene.source.run("$S hold list --json"), try scene.far("$F hold list --json"),
            ] {
                #expect(
                    holds.components(separatedBy: "\"owner\":\"mirror off").count == 2, "\(holds)"
                )
            }
            let refused = try scene.source.shell("$S delete \(base)")
            #expect(refused.status == 13 && refused.errors.contains("mirror off"))
            let metrics = try scene.source.run("$S status --prometheus")
            #expect(
                metrics.contains("snapmgr_mirror_lag_seconds{mirror=\"off\",volume=\"data\"} 0"))
        }

        private func expectDone(
            _ result: CommandLineHarness.Result, location: SourceLocation = #_sourceLocation
        ) {
            #expect(
                result.status == 0, "\(result.output) \(result.errors)", sourceLocation: location)
        }

        @Test(
            "a link that is cut anywhere leaves whole snapshots, and the next run goes on after them"
        )
        func cuts() throws {
            let scene = try MirrorScene()
            let digests = try (0..<6).map { number in
                try scene.source.digest(
                    scene.source.snapshot(UInt8(number + 1), number * 8..<number * 8 + 16))
            }
            try scene.add()
            var random = SeededGenerator(seed: 11)
            for _ in 0..<4 {
                let bytes = 1000 + random.below(2_500_000)
                try scene.accept(
                    "mirror accept copy --images \(scene.folder)/far",
                    before: "stdbuf -o0 head -c \(bytes) |")
                let result = try scene.mirror()
                let copies = try scene.copies()
                #expect(copies == Array(digests[..<copies.count]))
                #expect(result.status == 0 || copies.count < digests.count)
            }
            try scene.acceptWhole()
            expectDone(try scene.mirror())
            #expect(try scene.copies() == digests)
            #expect(try scene.state()["failures"] as? Int == 0)
        }

        @Test("either side may be killed at any moment", arguments: [true, false])
        func kills(isSource: Bool) throws {
            let scene = try MirrorScene(size: "32M")
            let digests = try (0..<4).map { number in
                try scene.source.digest(
                    scene.source.snapshot(UInt8(number + 1), number * 32..<number * 32 + 256))
            }
            try scene.add()
            var random = SeededGenerator(seed: 5)
            for _ in 0..<4 {
                // What the round before has left may be anybody's id by now.
                try scene.source.run("rm -f far/pid")
                let (process, _) = try scene.source.harness.start([
                    CommandLineHarness.binary, "mirror", "run", "off",
                ])
                usleep(UInt32(random.below(900_000) + 100_000))
                if isSource {
                    process.end()
                } else {
                    // What the key runs, by the id that it notes.
                    while process.isRunning,
                        try scene.source.shell("test -s far/pid").status != 0
                    { usleep(20_000) }
                    if process.isRunning {
                        _ = try scene.source.shell("kill -9 \"$(cat far/pid)\"")
                    }
                    _ = try process.wait()
                }
                let copies = try scene.copies()
                #expect(copies == Array(digests[..<copies.count]))
            }
            let deadline = Instant.now + Instant.patience
            while try scene.mirror().status != 0, Instant.now < deadline { usleep(200_000) }
            #expect(try scene.copies() == digests)
            let holds = try scene.source.run("$S hold list --json")
            #expect(holds.components(separatedBy: "\"owner\":\"mirror off").count == 2)
        }

        @Test("a target that was written to, or has other snapshots, is refused, and loses nothing")
        func diverged() throws {
            let scene = try MirrorScene()
            try scene.source.snapshot(1, 0..<8)
            try scene.add()
            expectDone(try scene.mirror())
            // The target's own snapshots are no reason against it, and stay.
            _ = try scene.far("$F snapshot copy --name own")
            try scene.source.snapshot(2, 0..<8)
            expectDone(try scene.mirror())
            #expect(try scene.copies().count == 3)
            #expect(try scene.far("$F list copy").contains("own"))
            // Another mirror into the same volume has nothing in common with it.
            try scene.source.run(
                "$S volume create other --origin other.img --create-size 8M && $S snapshot other && $S mirror add wrong other ssh://far/copy --ssh \"ssh -F \(scene.folder)/ssh/config\""
            )
            let wrong = try scene.source.shell("$S mirror run wrong")
            #expect(
                wrong.status == 13 && wrong.errors.contains("none of volume"), "\(wrong.errors)")
            let copies = try scene.copies()
            #expect(copies.count == 3)
            // What it reads as is no copy any more.
            _ = try scene.far("$F mirror promote copy@1")
            try scene.source.snapshot(3, 0..<8)
            let written = try scene.mirror()
            #expect(
                written.status == 13 && written.errors.contains("split brain"),
                "\(written.errors)")
            #expect(try Array(scene.copies().prefix(3)) == copies)
        }

        @Test(
            "after a revert of the source the mirror does what it was told",
            arguments: ["ask", "follow", "keep"])
        func reverts(behaviour: String) throws {
            let scene = try MirrorScene()
            let first = try scene.source.snapshot(1, 0..<8)
            try scene.source.snapshot(2, 0..<8)
            try scene.add("--on-revert \(behaviour)")
            expectDone(try scene.mirror())
            let before = try scene.copies()
            try scene.source.run("$S revert \(first) --wait --force")
            try scene.source.snapshot(3, 4..<6)
            if behaviour == "ask" {
                let result = try scene.mirror()
                #expect(result.status == 13, "\(result.errors)")
                #expect(result.errors.contains("--accept-revert"))
                #expect(try scene.copies() == before)
                #expect(try scene.state()["state"] as? String == "waiting")
                expectDone(try scene.mirror("--accept-revert"))
            } else {
                expectDone(try scene.mirror())
            }
            let after = try scene.copies()
            #expect(after.count > before.count && Array(after[..<before.count]) == before)
            #expect(after.last == (try scene.source.digest("data@latest")))
            let holds = try scene.far("$F hold list")
            #expect(holds.contains("kept by mirror off") == (behaviour == "keep"), "\(holds)")
            // One word is enough.
            try scene.source.snapshot(4, 4..<6)
            expectDone(try scene.mirror())
        }

        @Test("a target that is away is tried again later and later, and snapshots go on")
        func away() throws {
            let scene = try MirrorScene()
            try scene.source.snapshot(1, 0..<8)
            try scene.add()
            try scene.accept("", before: "echo no such luck >&2; exit 1 #")
            let failed = try scene.mirror()
            #expect(
                failed.status == 1 && failed.errors.contains("no such luck"), "\(failed.errors)")
            let rests = try scene.source.run("$S mirror run --due --json")
            #expect(rests.contains("\"state\":\"skipped\""), "\(rests)")
            #expect(try scene.state()["state"] as? String == "failing")
            _ = try scene.mirror()
            #expect(try scene.state()["failures"] as? Int == 2)
            try scene.source.snapshot(2, 0..<8)
            let status = try scene.source.run("$S status")
            #expect(status.contains("mirror off of volume data"), "\(status)")
            try scene.acceptWhole()
            expectDone(try scene.mirror())
            #expect(try scene.copies().count == 2)
            let events = try scene.source.run("$S events --json")
            #expect(events.contains("mirror_failed") && events.contains("mirrored"))
        }

        @Test("a peer that stands still is given up, and a limit is kept")
        func stalled() throws {
            let scene = try MirrorScene()
            try scene.source.snapshot(1, 0..<48)
            try scene.add("--limit 1MiB")
            try scene.accept("", before: "sleep 30 #")
            let result = try scene.mirror("--stall-limit 1s")
            #expect(
                result.status == 1 && result.errors.contains("nothing for too long"),
                "\(result.errors)")
            try scene.acceptWhole()
            let start = Instant.now
            expectDone(try scene.mirror())
            // 3 MiB at 1 MiB/s.
            #expect(Instant.now - start > 1.5)
            #expect(try scene.copies().count == 1)
        }

        @Test("the key can do nothing else, and into no other volume")
        func right() throws {
            let scene = try MirrorScene()
            try scene.source.snapshot(1, 0..<8)
            try scene.add()
            expectDone(try scene.mirror())
            let copies = try scene.copies()
            let ssh = "ssh -F ssh/config far"
            _ = try scene.source.shell("\(ssh) snapmgr delete copy@latest </dev/null >/dev/null")
            let greeting = Array(
                """
                {"snapmgr_mirror":9,"mirror":"off","volume":"copy","source":"\(UUID().uuidString.lowercased())",\
                "source_name":"data","preview":true}
                """.utf8)
            try Data([UInt8(greeting.count), 0, 0, 0] + greeting).write(
                to: URL(filePath: scene.folder + "/greeting"))
            _ = try scene.source.shell("\(ssh) whatever <greeting >answer")
            let answer = try scene.source.run("tr -dc '[:print:]' <answer")
            #expect(answer.contains("newer_version"), "\(answer)")
            try scene.accept("mirror accept elsewhere")
            try scene.source.snapshot(2, 0..<8)
            let refused = try scene.mirror()
            #expect(
                refused.status == 13 && refused.errors.contains("nothing may be mirrored"),
                "\(refused.errors)")
            #expect(try scene.copies() == copies)
        }

        @Test("the other site reads what it has, and reverts to it, when this one is gone")
        func takenOver() throws {
            let scene = try MirrorScene()
            let digest = try scene.source.digest(scene.source.snapshot(1, 0..<8))
            try scene.source.snapshot(2, 0..<8)
            try scene.add()
            expectDone(try scene.mirror())
            try scene.source.run("rm -rf data.img")
            let ids = try scene.copies()
            #expect(ids.first == digest)
            _ = try scene.far("$F mirror promote copy@1")
            #expect(try scene.far("sha256sum <copy.img") == digest)
        }
    }
}
