import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing

/// A served volume `data`, and another site's state, each reached from the other by a program in the place of ssh: of
/// one user, so that both can be looked at.
final class TwoSites {
    let here: StreamScene

    init() throws {
        here = try StreamScene()
        try here.run(
            """
            mkdir far
            echo "exec $S --state $PWD/far/state mirror accept copy --images $PWD/far" >there.sh
            echo "exec $S --state $PWD/state mirror accept data" >back.sh
            $S mirror add off data ssh://there/copy --ssh "sh $PWD/there.sh"
            """)
    }

    var folder: String { here.served.folder }

    /// A line of bash, in which `$F` is the binary in the other site's state.
    @discardableResult
    func shell(_ line: String) throws -> CommandLineHarness.Result {
        try here.shell("F=\"$S --state \(folder)/far/state\"; \(line)")
    }

    /// The same, which must succeed.
    @discardableResult
    func run(_ line: String) throws -> String {
        let result = try shell(line)
        guard result.status == 0 else {
            throw Problem(.failed, "\(line): \(result.status) \(result.output) \(result.errors)")
        }
        return result.output
    }

    /// The digest of what the other site has as its newest snapshot.
    func farDigest() throws -> String { try run("$F export copy@latest - | sha256sum") }

    /// Serves the copy for as long as `body` runs.
    func serving(_ body: (NBDClient) throws -> Void) throws {
        let (process, _) = try here.harness.start([
            CommandLineHarness.binary, "--state", "\(folder)/far/state", "serve", "copy",
            "--socket", "far.sock",
        ])
        defer {
            process.send(SIGTERM)
            _ = try? process.wait()
        }
        let deadline = Instant.now + Instant.patience
        while Instant.now < deadline {
            if let client = try? NBDClient(socket: folder + "/far.sock", export: "copy") {
                return try body(client)
            }
            Instant.sleep(0.02)
        }
        throw Problem(.failed, "the copy is not served")
    }

    /// Writes a chunk of the copy, which must be the primary.
    func writeThere(_ byte: UInt8, chunk: Int) throws {
        let bytes = [UInt8](repeating: byte, count: StreamScene.chunkBytes)
        try serving { client in
            try client.write(bytes, at: chunk * StreamScene.chunkBytes)
            try client.flush()
        }
    }
}

extension ServedTests {
    /// `mirror promote` and `mirror demote`, by the built binary, between two states.
    @Suite struct TakeOverTests {
        @Test("a target is only read; promoted, it is written to, and its source is refused")
        func promoted() throws {
            let sites = try TwoSites()
            let digest = try sites.here.digest(sites.here.snapshot(1, 0..<8))
            let second = try sites.here.digest(sites.here.snapshot(2, 4..<12))
            try sites.run("$S mirror run off")
            let revert = try sites.shell("$F revert 1")
            #expect(
                revert.status == 13 && revert.errors.contains("mirror promote"), "\(revert.errors)")
            try sites.serving { client in
                #expect(throws: (any Error).self) {
                    try client.write([UInt8](repeating: 9, count: 4096), at: 0)
                }
            }
            #expect(try sites.run("sha256sum <far/copy.img") == second)
            let plan = try sites.run("$F mirror promote copy -n --json")
            #expect(plan.contains("\"generation\":1") && plan.contains("\"dry_run\":true"))
            _ = try sites.run("$F mirror promote copy@1")
            #expect(try sites.run("sha256sum <far/copy.img") == digest)
            #expect(try sites.run("$F status").contains("was promoted: generation 1"))
            try sites.writeThere(9, chunk: 20)
            // Nothing was taken here since: the other site took over, and that is all.
            let run = try sites.shell("$S mirror run off")
            #expect(run.status == 13 && run.errors.contains("was promoted at"), "\(run.errors)")
            #expect(run.errors.contains("mirror demote data"))
            #expect(try sites.run("$S mirror list").contains("promoted"))
            #expect(try !sites.run("$F status").contains("split brain"))
        }

        @Test("while a target is served its mirror waits, which is no failure")
        func served() throws {
            let sites = try TwoSites()
            try sites.here.snapshot(1, 0..<8)
            try sites.run("$S mirror run off")
            try sites.here.snapshot(2, 0..<8)
            try sites.serving { _ in
                let run = try sites.shell("$S mirror run off")
                #expect(run.status == 11 && run.errors.contains("is served"), "\(run.errors)")
                #expect(try sites.run("$S mirror run --due --json").contains("skipped"))
                #expect(try !sites.run("$S events --json").contains("mirror_failed"))
            }
            try sites.run("$S mirror run off")
            #expect(try sites.farDigest() == sites.here.digest("data@latest"))
        }

        @Test("what was promoted takes nothing, whatever a source says of itself")
        func lying() throws {
            let sites = try TwoSites()
            try sites.here.snapshot(1, 0..<8)
            try sites.run("$S mirror run off && $F mirror promote copy")
            let volume = try sites.here.harness.json("volume", "show", "data")["volume"]
            let uuid = try #require((volume as? [String: Any])?["uuid"] as? String)
            let greeting =
                #"{"snapmgr_mirror":1,"mirror":"off","volume":"copy","source":"\#(uuid)","#
                + #""source_name":"data","preview":false,"standing":{"role":"primary","#
                + #""generation":{"number":9,"promotion":"9f"},"since":"2026-11-30T10:00:00Z"}}"#
            for action in ["receive", "hold", "keep", "moved"] {
                let order = #"{"action":"\#(action)","uuid":"9f","reason":"no reason"}"#
                let bytes: [UInt8] = frame(greeting) + frame(order) + frame("")
                try Data(bytes).write(to: URL(filePath: sites.folder + "/frames"))
                let answer = try sites.shell("sh there.sh <frames | tr -dc '[:print:]'")
                #expect(answer.output.contains("is the primary since"), "\(answer)")
            }
            #expect(
                try sites.run("$F list copy --json").components(separatedBy: "\"id\"").count == 2)
        }

        private func frame(_ text: String) -> [UInt8] {
            let bytes = [UInt8](text.utf8)
            let heading: [UInt8] = [UInt8(bytes.count & 255), UInt8(bytes.count >> 8), 0, 0]
            return heading + bytes
        }

        @Test("two that are written to are found from either side, and told with what both have")
        func split() throws {
            let sites = try TwoSites()
            let common = try sites.here.snapshot(1, 0..<8)
            try sites.run("$S mirror run off && $F mirror promote copy")
            try sites.here.snapshot(2, 0..<4)
            try sites.writeThere(9, chunk: 20)
            let run = try sites.shell("$S mirror run off")
            #expect(run.status == 13 && run.errors.contains("split brain"), "\(run.errors)")
            let details = try sites.here.harness.json("show", "\(common)")
            let snapshot = details["snapshot"] as? [String: Any] ?? details
            let uuid = try #require(snapshot["uuid"] as? String)
            for place in ["$S", "$F"] {
                let status = try sites.run("\(place) status")
                #expect(status.contains("split brain") && status.contains(uuid), "\(status)")
                #expect(status.hasPrefix("warning: "), "\(status)")
                let nagios = try sites.shell("\(place) status --nagios")
                #expect(nagios.status == 2 && nagios.output.contains("split brain"))
                #expect(
                    try sites.run("\(place) status --prometheus")
                        .contains("snapmgr_mirror_split_brain{volume="))
                #expect(status.contains("generation 0") && status.contains("generation 1"))
                #expect(try sites.run("\(place) events --json").contains("mirror_split"))
            }
            #expect(try sites.run("$S mirror show off").contains("split"))
            // From the other side, too: this volume is nobody's target.
            try sites.run("$F snapshot copy")
            let back = try sites.shell(
                "$F mirror add back copy ssh://here/data --ssh \"sh $PWD/back.sh\" && $F mirror run back"
            )
            #expect(back.status == 13, "\(back.errors)")
        }

        @Test(
            "the way back: what was demoted follows from the last common snapshot, and keeps what it was"
        )
        func back() throws {
            let sites = try TwoSites()
            try sites.here.snapshot(1, 0..<8)
            try sites.here.snapshot(2, 8..<12)
            try sites.run("$S mirror run off && $F mirror promote copy")
            try sites.writeThere(7, chunk: 30)
            try sites.run("$F snapshot copy --name there")
            // Nobody has sent this, and somebody wants it.
            let lost = try sites.here.digest(sites.here.snapshot(3, 2..<6))
            let here = try sites.here.ids("data")
            let split = try sites.shell("$S mirror run off")
            #expect(split.status == 13 && split.errors.contains("split brain"))
            try demote(sites)
            try sites.here.served.stop()
            try sites.run(
                "$F mirror add back copy ssh://here/data --ssh \"sh $PWD/back.sh\" && $F mirror run back"
            )
            #expect(try sites.run("sha256sum <data.img") == sites.farDigest())
            for place in ["$S", "$F"] {
                #expect(try !sites.run("\(place) status").contains("split brain"))
            }
            #expect(try sites.here.digest(here[2]) == lost)
            #expect(try sites.run("$S hold list").contains("mirror demote"))
            #expect(try Array(sites.here.ids("data").prefix(3)) == here)
            #expect(try sites.run("$S mirror run off").contains("nothing is to be sent"))
            #expect(try sites.run("$S mirror list").contains("reversed"))
            // It goes on by itself, as any mirror.
            try sites.writeThere(8, chunk: 31)
            try sites.run("$F snapshot copy && $F mirror run back")
            #expect(try sites.run("sha256sum <data.img") == sites.farDigest())
            // And back again: the first site is the primary, and nothing asks about the reverts in between.
            try sites.run("$F mirror demote copy")
            try sites.run("$S mirror promote data")
            try sites.run("$S snapshot data --name home && $S mirror run off")
            #expect(try sites.here.digest("data@home") == sites.farDigest())
            #expect(try sites.run("$S status --json").contains("\"generation\":2"))
        }

        /// When the server has seen that the test's clients have gone.
        private func demote(_ sites: TwoSites) throws {
            let deadline = Instant.now + Instant.patience
            while true {
                let result = try sites.shell("$S mirror demote data")
                if result.status == 0 { return }
                guard result.status == 13, Instant.now < deadline else {
                    throw Problem(.failed, result.errors)
                }
                Instant.sleep(0.02)
            }
        }

        @Test("a source that was taken over from overwrites nobody that has followed the new one")
        func overtaken() throws {
            let sites = try TwoSites()
            try sites.here.snapshot(1, 0..<8)
            try sites.run("$S mirror run off && $F mirror promote copy && $F mirror demote copy")
            let copy = try sites.farDigest()
            try sites.here.snapshot(2, 0..<4)
            let run = try sites.shell("$S mirror run off")
            #expect(
                run.status == 13 && run.errors.contains("was taken over from"), "\(run.errors)")
            #expect(try sites.farDigest() == copy)
            // Somebody says that it is the primary all the same.
            #expect(try sites.run("$S mirror promote data --json").contains("\"generation\":2"))
            try sites.run("$S mirror run off")
            #expect(try sites.farDigest() == sites.here.digest("data@latest"))
        }
    }
}
