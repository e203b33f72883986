import Foundation
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    /// `mirror verify`, by the built binary, between two states.
    @Suite struct VerifyTests {
        private func verify(_ sites: TwoSites, _ options: String = "") throws -> [String: Any] {
            let result = try sites.shell("$S mirror verify off --json \(options)")
            guard [0, 1].contains(result.status) else { throw Problem(.failed, result.errors) }
            let flaws = try JSONSchema(named: "mirror-verify")
                .flaws(of: try JSONDocument(result.output))
            #expect(flaws.isEmpty, "\(flaws)")
            let document = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
            let verify = (document as? [String: Any])?["verify"] as? [String: Any] ?? [:]
            let isMended = (verify["repair"] as? [String: Any])?["left_bytes"] as? Int == 0
            let isSame = verify["same"] as? Bool == true || isMended && !options.contains("-n")
            #expect(isSame == (result.status == 0), "\(result.errors)")
            return verify
        }

        @Test(
            "copies that are the same are told so; a bit that a disk has flipped is found, and where"
        )
        func compares() throws {
            let sites = try TwoSites()
            let first = try sites.here.snapshot(1, 0..<16)
            try sites.here.snapshot(2, 8..<24)
            try sites.run("$S mirror run off")
            let same = try verify(sites)
            #expect(same["same"] as? Bool == true && same["compared_bytes"] as? Int == 8 << 20)
            #expect((same["ranges"] as? [Any])?.isEmpty == true)
            // As a disk does it: nobody's clock tells.
            let place = 10 * StreamScene.chunkBytes + 5000
            try sites.run(
                """
                cd far && touch -r copy.img when
                printf x | dd of=copy.img bs=1 seek=\(place) conv=notrunc status=none
                touch -r when copy.img
                """)
            let found = try verify(sites)
            let ranges = found["ranges"] as? [[String: Int]]
            let unit = place / 4096 * 4096
            #expect(ranges == [["offset": unit, "length": 4096]], "\(found)")
            #expect(found["differing_bytes"] as? Int == 4096)
            // What was preserved of that chunk is right.
            #expect(try verify(sites, "--snapshot \(first)")["same"] as? Bool == true)
            let events = try sites.run("$S events --json")
            #expect(events.contains("mirror_differs") && events.contains("mirror_verified"))
            let text = try sites.shell("$S mirror verify off")
            #expect(text.status == 1 && text.output.contains("from byte \(unit) on"))
        }

        @Test("what the target does not have is not compared, and nothing is held afterwards")
        func missing() throws {
            let sites = try TwoSites()
            let first = try sites.here.snapshot(1, 0..<4)
            try sites.run("$S mirror run off")
            let second = try sites.here.snapshot(2, 0..<4)
            #expect(try sites.shell("$S mirror verify off --snapshot \(second)").status == 4)
            // The newest that both have.
            #expect(try verify(sites)["snapshot_id"] as? Int == first)
            #expect(try sites.run("ls state/sending far/state/sending").contains("-") == false)
        }

        /// Alters a byte of the first exception of the oldest snapshot's area, as a disk does it.
        private func flip(_ sites: TwoSites, _ state: String) throws {
            try sites.run(
                """
                area=$(find \(state) -name area.cow | sort | head -1)
                printf x | dd of=$area bs=1 seek=\(2 * StreamScene.chunkBytes + 100) conv=notrunc status=none
                """)
        }

        @Test("a copy that a disk has altered is named with its side, and mended from the source")
        func repairsTarget() throws {
            let sites = try TwoSites()
            let first = try sites.here.snapshot(1, 0..<16)
            try sites.here.snapshot(2, 8..<24)
            try sites.run("$S mirror run off")
            try flip(sites, "far/state")
            let found = try verify(sites, "--snapshot \(first)")
            #expect((found["damaged_there"] as? [Any])?.count == 1, "\(found)")
            #expect((found["damaged_here"] as? [Any])?.isEmpty == true)
            let plan = try verify(sites, "--snapshot \(first) --repair target -n")
            #expect(
                (plan["repair"] as? [String: Any])?["mended_bytes"] as? Int
                    == StreamScene.chunkBytes)
            // The right side is left alone.
            let wrong = try verify(sites, "--snapshot \(first) --repair source -n")
            #expect((wrong["repair"] as? [String: Any])?["mended_bytes"] as? Int == 0)
            let mended = try verify(sites, "--snapshot \(first) --repair target")
            #expect(
                (mended["repair"] as? [String: Any])?["mended_bytes"] as? Int
                    == StreamScene.chunkBytes)
            #expect(try verify(sites, "--snapshot \(first)")["same"] as? Bool == true)
            try sites.run("$F check copy --data")
            #expect(try sites.run("$F events --json").contains("mirror_mended"))
        }

        /// Has the other site do something before it answers.
        private func answering(_ sites: TwoSites, after line: String) throws {
            try sites.run(
                """
                test -e whole.sh || cp there.sh whole.sh
                printf '%s\\n' "\(line)" "exec sh $PWD/whole.sh" >there.sh
                """)
        }

        @Test("a run that ends while a repair begins keeps its base at the target")
        func repairsBesideRun() throws {
            let sites = try TwoSites()
            try sites.here.snapshot(1, 0..<8)
            try sites.run("$S mirror run off")
            try sites.here.snapshot(2, 4..<12)
            try answering(
                sites,
                after:
                    "if rm $PWD/once 2>/dev/null; then $S --state $PWD/state mirror run off </dev/null >$PWD/ran; fi"
            )
            try sites.run("touch once; $S mirror verify off --repair target; test -s ran")
            let text = try sites.run("$F list copy --json")
            let document = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
            let rows = document?["snapshots"] as? [[String: Any]] ?? []
            let newest = rows.max { ($0["id"] as? Int ?? 0) < ($1["id"] as? Int ?? 0) }
            #expect(rows.count == 2 && (newest?["holds"] as? Int ?? 0) >= 1, "\(text)")
        }

        /// Waits until the server has sealed what has frozen.
        private func awaitSeal(_ sites: TwoSites) throws {
            try sites.run(
                "for i in $(seq 6000); do ls $(find state -name seals) 2>/dev/null | grep -v new | grep -q . && exit 0; sleep 0.1; done; exit 1"
            )
        }

        @Test(
            "what a disk has altered here is mended from the mirror, and nothing is changed there")
        func repairsSource() throws {
            let sites = try TwoSites()
            let digest = try sites.here.digest(sites.here.snapshot(1, 0..<16))
            try sites.here.snapshot(2, 8..<24)
            try sites.run("$S mirror run off")
            try awaitSeal(sites)
            try sites.here.served.stop()
            try flip(sites, "state")
            #expect(try sites.shell("$S check data --data").status == 1)
            // Others can have the volume's name meanwhile.
            try answering(sites, after: "$S --state $PWD/state snapshot data </dev/null >taken")
            let plan = try sites.shell("$S check data --repair --from off -n --json")
            try sites.run("test -s taken; cp whole.sh there.sh")
            #expect(plan.output.contains("would be mended from"), "\(plan.output) \(plan.errors)")
            let flaws = try JSONSchema(named: "check").flaws(of: try JSONDocument(plan.output))
            #expect(flaws.isEmpty, "\(flaws)")
            #expect(try sites.shell("$S check data --data").status == 1)
            let mended = try sites.run("$S check data --repair --from off")
            #expect(mended.contains("are what was sealed again"), "\(mended)")
            try sites.run("$S check data --data")
            #expect(try sites.here.digest("data@1") == digest)
            #expect(try sites.shell("$S mirror verify off --snapshot 1").status == 0)
            #expect(try sites.shell("$S check data --repair --from nowhere").status == 4)
            #expect(try sites.shell("$S check data --from off").status == 2)
        }

        /// What a target has of the common snapshots is no more at the source.
        private func loseCommon(_ sites: TwoSites) throws -> [String] {
            try sites.here.snapshot(1, 0..<64)
            try sites.here.snapshot(2, 8..<24)
            try sites.run("$S mirror run off")
            let digests = try farDigests(sites)
            try sites.run(
                """
                $S mirror remove off && $S delete 1 2
                $S mirror add off data ssh://there/copy --ssh "sh $PWD/there.sh"
                """)
            try sites.here.snapshot(3, 20..<28)
            try sites.here.snapshot(4, 100..<102)
            return digests
        }

        private func farDigests(_ sites: TwoSites) throws -> [String] {
            let text = try sites.run("$F list copy --json")
            let document = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
            let rows = document?["snapshots"] as? [[String: Any]] ?? []
            return try rows.compactMap { $0["id"] as? Int }.sorted().map {
                try sites.run("$F export \($0) - | sha256sum")
            }
        }

        @Test(
            "a target without a common snapshot begins anew by what differs, and keeps all that it has"
        )
        func reanchors() throws {
            let sites = try TwoSites()
            let digests = try loseCommon(sites)
            let refused = try sites.shell("$S mirror run off")
            #expect(
                refused.status == 13 && refused.errors.contains("--reanchor"), "\(refused.errors)")
            let plan = try sites.run("$S mirror run off --reanchor -n --json")
            #expect(plan.contains("\"state\":\"planned\""), "\(plan)")
            #expect(try farDigests(sites) == digests)
            let run = try sites.run("$S mirror run off --reanchor --json")
            // 8 chunks of the one snapshot, 2 of the other one: nothing that both have is sent.
            let bytes = try #require(
                run.split(separator: "\"data_bytes\":").last.flatMap {
                    Int($0.prefix(while: \.isNumber))
                })
            #expect(
                bytes >= 10 * StreamScene.chunkBytes && bytes <= 12 * StreamScene.chunkBytes,
                "\(run)")
            let after = try farDigests(sites)
            #expect(after.prefix(digests.count) == digests[...])
            #expect(try sites.farDigest() == sites.here.digest("data@latest"))
            #expect(try verify(sites)["same"] as? Bool == true)
            // From now on there is a common one.
            try sites.here.snapshot(5, 0..<2)
            try sites.run("$S mirror run off")
            #expect(try sites.farDigest() == sites.here.digest("data@latest"))
        }

        @Test("a volume that is no target does not begin anew before somebody there has said so")
        func reanchorsNobodysVolume() throws {
            let sites = try TwoSites()
            try sites.here.snapshot(1, 0..<8)
            try sites.run(
                "$F volume create copy --origin far/copy.img --create-size 8M && $F snapshot copy")
            let before = try farDigests(sites)
            let refused = try sites.shell("$S mirror run off --reanchor")
            #expect(
                refused.status == 13 && refused.errors.contains("is no mirror's target"),
                "\(refused.errors)")
            #expect(try farDigests(sites) == before)
            try sites.run("$F mirror demote copy")
            try sites.run("$S mirror run off --reanchor")
            #expect(try sites.farDigest() == sites.here.digest("data@latest"))
            #expect(try farDigests(sites).prefix(before.count) == before[...])
        }
    }
}
