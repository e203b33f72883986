import Foundation
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    @Suite("A served volume's chain is as long as its live snapshots")
    struct ServedFoldTests {
        private func areas(_ served: ServedHarness) throws -> Int {
            let shown = try served.commandLine.json("volume", "show", "data")
            let volume = try #require(shown["volume"] as? [String: Any])
            let store = try #require(volume["store"] as? String)
            return try FileManager.default.contentsOfDirectory(
                atPath: store + "/snapshots"
            ).count
        }

        /// Snapshots, each with random writes before, and what each of them holds.
        private func take(
            _ count: Int, _ served: ServedHarness, _ scribbler: inout Scribbler,
            _ copy: inout [UInt8]
        ) throws -> [(id: Int, content: [UInt8])] {
            var taken: [(id: Int, content: [UInt8])] = []
            let client = try served.client()
            for _ in 0..<count {
                try scribbler.scribble(client, &copy, writes: 4)
                taken.append((try served.snapshot(), copy))
            }
            try scribbler.scribble(client, &copy, writes: 4)
            return taken
        }

        private func awaitAreas(_ count: Int, _ served: ServedHarness) throws {
            let deadline = Instant.now + Instant.patience
            while try areas(served) > count, Instant.now < deadline { Instant.sleep(0.05) }
            #expect(try areas(served) == count)
        }

        @Test(
            "areas of deleted snapshots go while clients write, and every snapshot stays what it was"
        )
        func thinned() throws {
            let served = try ServedHarness()
            var scribbler = Scribbler(seed: 77)
            var copy = try served.content()
            var taken = try take(24, served, &scribbler, &copy)
            for turn in 0..<3 {
                // Two of three go, the newest stays.
                let gone = taken.dropLast().enumerated().filter { $0.offset % 3 != turn % 3 }
                    .map(\.element.id)
                let changed = try served.commandLine.json(
                    "diff", "data@\(taken[0].id)", "data@live")
                let isFirstKept = !gone.contains(taken[0].id)
                let deletion = try served.commandLine.run(["delete"] + gone.map(String.init))
                #expect(deletion.status == 0, "\(deletion.errors)")
                taken.removeAll { gone.contains($0.id) }
                let client = try served.client()
                try scribbler.scribble(client, &copy, writes: 6)
                try awaitAreas(taken.count, served)
                for (id, content) in taken { #expect(try served.content("data@\(id)") == content) }
                if isFirstKept {
                    let after = try served.commandLine.json(
                        "diff", "data@\(taken[0].id)", "data@live")
                    let (old, new) = (changed["changed_bytes"], after["changed_bytes"])
                    #expect((new as? Int ?? 0) >= (old as? Int ?? 1))
                }
                taken += try take(6, served, &scribbler, &copy)
            }
            #expect(try served.content() == copy)
            #expect(try served.commandLine.run("check", "data", "--data").status == 0)
        }

        @Test("a server that is killed in the midst loses nothing, and the next one ends it")
        func killed() throws {
            let served = try ServedHarness()
            var scribbler = Scribbler(seed: 5)
            var copy = try served.content()
            var taken = try take(20, served, &scribbler, &copy)
            for turn in 0..<6 {
                let gone = [taken[2 + turn % 2].id, taken[1].id]
                for id in gone { _ = try served.commandLine.json("delete", "\(id)") }
                taken.removeAll { gone.contains($0.id) }
                Instant.sleep(Double(turn) * 0.01)
                served.kill()
                try served.serve()
                for (id, content) in taken { #expect(try served.content("data@\(id)") == content) }
            }
            try awaitAreas(taken.count, served)
            for (id, content) in taken { #expect(try served.content("data@\(id)") == content) }
            #expect(try served.commandLine.run("check", "data", "--data").status == 0)
        }
    }
}
