import Foundation
import TestKit
import Testing

extension ServedClients {
    /// nbdcopy, qemu-img and `snapmgr export`.
    @Suite struct ClientCopyTests {
        /// Snapshots with the copies that nbdcopy made of the volume when each was taken.
        private struct KeptCopies {
            let served: ServedHarness
            private(set) var ids: [Int] = []
            var live: [UInt8]

            init(_ served: ServedHarness) throws {
                self.served = served
                live = try served.content()
            }

            /// Enough that a merge takes its time.
            mutating func overwriteMost(with bytes: [UInt8]) throws {
                let client = try served.client()
                for offset in stride(from: 0, to: 48 << 20, by: bytes.count) {
                    try client.write(bytes, at: offset)
                    live.replaceSubrange(offset..<offset + bytes.count, with: bytes)
                }
            }

            mutating func snapshot() throws {
                let id = try served.snapshot()
                try served.succeed("nbdcopy", served.uri(), "kept-\(id).img")
                ids.append(id)
            }

            /// Notes a snapshot that the manager took when the volume was as `live` says.
            mutating func adopt(_ id: Int) throws {
                try Data(live).write(to: URL(filePath: served.path("kept-\(id).img")))
                ids.append(id)
            }

            mutating func forget(_ id: Int) { ids.removeAll { $0 == id } }

            func bytes(_ id: Int) throws -> [UInt8] {
                Array(try Data(contentsOf: URL(filePath: served.path("kept-\(id).img"))))
            }

            /// Compares all exports with the copies.
            func compare(_ when: Comment) throws {
                #expect(try served.content() == live, when)
                for id in ids {
                    let result = try served.tool(
                        "qemu-img", "compare", "-f", "raw", "-F", "raw", served.uri("data@\(id)"),
                        "kept-\(id).img")
                    #expect(result.status == 0, "\(when.rawValue): \(id) \(result.output)")
                }
            }

            /// Compares files that `snapmgr export` makes with the copies.
            func compareFiles() throws {
                for id in ids {
                    try served.commandLine.json("export", "\(id)", "export-\(id).img")
                    let result = try served.tool(
                        "qemu-img", "compare", "-s", "-f", "raw", "-F", "raw",
                        "export-\(id).img", "kept-\(id).img")
                    // Strict compares the holes as well, which the copies keep as they like.
                    let same = result.status == 0 || result.output.contains("block status mismatch")
                    #expect(same, "\(id) \(result.output)")
                    #expect(
                        try Data(contentsOf: URL(filePath: served.path("export-\(id).img")))
                            == Data(try bytes(id)))
                }
            }
        }

        @Test(
            "every snapshot equals its kept copy through writes, a merge, a deletion and a restart",
            arguments: [("67109376", "64K"), ("64M", "16K")])
        func compare(size: String, chunk: String) throws {
            let served = try ServedHarness(size: size, chunk: chunk)
            var scribbler = Scribbler(seed: 1)
            var copies = try KeptCopies(served)
            for round in 0..<4 {
                if round == 2 { try copies.overwriteMost(with: scribbler.bytes(1 << 20)) }
                try scribbler.scribble(served.client(), &copies.live)
                try copies.snapshot()
            }
            try scribbler.scribble(served.client(), &copies.live)
            try copies.compare("after more writes")

            let revert = try served.revertSlowly(2)
            try copies.adopt(#require(revert.safety))
            copies.live = try copies.bytes(2)
            try copies.compare("in mid-merge")
            try scribbler.scribble(served.client(), &copies.live, writes: 3)
            try copies.snapshot()
            try scribbler.scribble(served.client(), &copies.live, writes: 3)
            #expect(try served.merges().first?["state"] as? String == "merging")
            try copies.compare("after writes and a snapshot in mid-merge")

            try served.liftThrottle()
            try served.awaitMerges()
            try copies.compare("after the merge")
            try served.commandLine.json("delete", "1", "3")
            copies.forget(1)
            copies.forget(3)
            try copies.compare("after the deletion")
            try copies.compareFiles()
            try served.stop()
            try served.serve()
            try copies.compare("after a restart")
            #expect(try served.commandLine.json("check", "--data")["damaged"] as? Int == 0)
        }

        @Test("what nbdcopy puts in comes out again, from the volume and from its snapshot")
        func roundTrip() throws {
            let served = try ServedHarness(size: "8M")
            var scribbler = Scribbler(seed: 2)
            let inputs = [scribbler.bytes(8 << 20), scribbler.bytes(8 << 20)]
            for (number, input) in inputs.enumerated() {
                try Data(input).write(to: URL(filePath: served.path("in.img")))
                try served.succeed("nbdcopy", "--flush", "in.img", served.uri())
                try served.succeed("nbdcopy", served.uri(), "out-\(number).img")
                try served.snapshot()
            }
            for (number, input) in inputs.enumerated() {
                try served.succeed("nbdcopy", served.uri("data@\(number + 1)"), "view.img")
                for name in ["out-\(number).img", "view.img"] {
                    let output = try Data(contentsOf: URL(filePath: served.path(name)))
                    #expect(output == Data(input), "\(name)")
                }
            }
        }

        @Test("a sparse volume stays sparse: in the origin, in the store, and in what is exported")
        func sparse() throws {
            let served = try ServedHarness(size: "256M")
            try served.succeed("truncate", "--size", "256M", "in.img")
            try served.commandLine.write(1, chunk: 16, to: "in.img")
            try served.succeed("nbdcopy", "in.img", served.uri())
            let id = try served.snapshot()
            try served.qemu("data", "write -P 2 128M 64K")
            try served.succeed("nbdcopy", served.uri(), "out.img")
            try served.succeed("nbdcopy", served.uri("data@\(id)"), "view.img")
            try served.commandLine.json("export", "\(id)", "export.img")
            let maximum = 1 << 20
            for name in ["data.img", "out.img", "view.img", "export.img"] {
                #expect(try allocatedBytes(served.path(name)) <= maximum, "\(name)")
            }
            let shown = try served.commandLine.json("volume", "show", "data")
            let volume = try #require(shown["volume"] as? [String: Any])
            #expect(try #require(volume["store_bytes"] as? Int) <= maximum)
            try served.succeed(
                "qemu-img", "compare", "-f", "raw", "-F", "raw", "view.img", "export.img")
            try served.succeed(
                "qemu-img", "compare", "-f", "raw", "-F", "raw", "view.img", "in.img")
        }
    }
}
