import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    /// Transfers that are cut and go on, by the built binary, over a real sshd.
    @Suite(.enabled(if: MirrorScene.isPossible)) struct ResumeTests {
        private static let mebibyte = 1 << 20

        private func outcome(
            _ scene: MirrorScene, isDryRun: Bool = false
        ) throws -> [String: Any] {
            let harness = scene.source.harness
            let result =
                try isDryRun
                ? harness.json("mirror", "run", "off", "-n") : harness.json("mirror", "run", "off")
            return try #require((result["runs"] as? [[String: Any]])?.first)
        }

        /// Up to which byte the copy has come of a snapshot.
        private func received(_ scene: MirrorScene) throws -> Int? {
            guard try scene.source.shell("test -e far/copy.img").status == 0,
                let data = try? scene.far("$F status --json").data(using: .utf8)
            else { return nil }
            let status = try JSONSerialization.jsonObject(with: data) as? [String: Any]
            return (status?["volumes"] as? [[String: Any]])?.first?["received_bytes"] as? Int
        }

        /// One run through a link that is cut after so many bytes.
        private func cut(_ scene: MirrorScene, after bytes: Int) throws {
            try scene.accept(
                "mirror accept copy --images \(scene.folder)/far",
                before: "stdbuf -o0 head -c \(bytes) |")
            #expect(try scene.mirror().status != 0)
            try scene.acceptWhole()
        }

        @Test(
            "a link that is cut: a first copy and what follows it go on where they were, and are what was sent"
        )
        func cuts() throws {
            let scene = try MirrorScene(size: "32M")
            var digests = [try scene.source.digest(scene.source.snapshot(1, 0..<256))]
            try scene.add()
            try cut(scene, after: 9_000_000)
            #expect(try received(scene) ?? 0 >= 7 * Self.mebibyte)
            let plan = try outcome(scene, isDryRun: true)
            #expect(plan["resumed_at"] as? Int ?? 0 >= 7 * Self.mebibyte)
            #expect(plan["data_bytes"] as? Int ?? .max <= 25 * Self.mebibyte)
            let first = try outcome(scene)
            #expect(first["resumed_at"] as? Int ?? 0 >= 7 * Self.mebibyte, "\(first)")
            #expect(first["stream_bytes"] as? Int ?? .max < 10 * Self.mebibyte, "\(first)")
            #expect(try scene.copies() == digests)
            digests.append(try scene.source.digest(scene.source.snapshot(2, 100..<400)))
            try cut(scene, after: 11_000_000)
            #expect(try scene.copies() == Array(digests[..<1]))
            // Nobody who does not need its content makes it begin anew.
            _ = try scene.far("$F prune copy; $F list copy; $F check copy")
            let second = try outcome(scene)
            #expect(second["resumed_at"] as? Int ?? 0 >= 12 * Self.mebibyte, "\(second)")
            #expect(second["stream_bytes"] as? Int ?? .max < 12 * Self.mebibyte, "\(second)")
            #expect(try scene.copies() == digests)
            #expect(try received(scene) == nil)
        }

        @Test(
            "what is there was killed and then altered: it goes on from the first byte that is not what was sent"
        )
        func killedAndAltered() throws {
            let scene = try MirrorScene(size: "32M")
            let digest = try scene.source.digest(scene.source.snapshot(1, 0..<256))
            try scene.add("--limit 512KiB")
            try scene.accept("mirror accept copy --images \(scene.folder)/far --mark-every 1MiB")
            let (process, _) = try scene.source.harness.start([
                CommandLineHarness.binary, "mirror", "run", "off",
            ])
            let deadline = Instant.now + Instant.patience
            while try received(scene) ?? 0 < 2 * Self.mebibyte, Instant.now < deadline {
                usleep(20_000)
            }
            // What the key runs, by the id that it has noted.
            _ = try scene.source.shell("kill -9 \"$(cat far/pid)\"")
            _ = try process.wait()
            let mark = try #require(try received(scene))
            #expect(mark >= 2 * Self.mebibyte)
            _ = try scene.far(
                "printf x | dd of=copy.img bs=1 seek=1200000 conv=notrunc status=none")
            try scene.source.run("$S mirror set off --limit none")
            let result = try outcome(scene)
            #expect(result["resumed_at"] as? Int == 1200000 / 65536 * 65536, "\(result)")
            #expect(try scene.copies() == [digest])
        }
    }
}
