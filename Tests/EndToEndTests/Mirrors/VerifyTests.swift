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
            #expect(verify["same"] as? Bool == (result.status == 0), "\(result.errors)")
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
    }
}
