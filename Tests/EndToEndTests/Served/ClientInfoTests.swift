import Foundation
import Testing

extension ServedClients {
    /// What the server says of itself, by nbdinfo.
    @Suite struct ClientInfoTests {
        private func info(_ served: ServedHarness, _ export: String) throws -> [String: Any] {
            let text = try served.succeed("nbdinfo", "--json", served.uri(export))
            let document = try JSONSerialization.jsonObject(with: Data(text.utf8))
            let exports = (document as? [String: Any])?["exports"] as? [[String: Any]]
            return try #require(exports?.first)
        }

        private static let flags = [
            "can_flush", "can_fua", "can_trim", "can_zero", "can_fast_zero", "can_multi_conn",
            "is_read_only",
        ]

        @Test("a volume says its size, its block sizes, and all that it can")
        func volume() throws {
            let served = try ServedHarness(size: "4195840", chunk: "16K")
            let info = try info(served, "data")
            #expect(info["export-size"] as? Int == 4_195_840)
            #expect(info["contexts"] as? [String] == ["base:allocation"])
            #expect(info["block_size_minimum"] as? Int == 1)
            #expect(info["block_size_preferred"] as? Int == 16_384)
            #expect(info["block_size_maximum"] as? Int == 32 << 20)
            for flag in Self.flags {
                #expect(info[flag] as? Bool == (flag != "is_read_only"), "\(flag)")
            }
        }

        @Test("a snapshot says that it is read-only, and the size of its time")
        func snapshot() throws {
            let served = try ServedHarness(size: "4M")
            try served.snapshot()
            try served.stop()
            try served.commandLine.json("volume", "resize", "data", "6M")
            try served.serve()
            #expect(try info(served, "data")["export-size"] as? Int == 6 << 20)
            let info = try info(served, "data@1")
            #expect(info["export-size"] as? Int == 4 << 20)
            #expect(info["is_read_only"] as? Bool == true)
            #expect(info["can_multi_conn"] as? Bool == true)
            #expect(info["can_trim"] as? Bool == false)
            #expect(info["contexts"] as? [String] == ["base:allocation"])
        }

        @Test("the list names every volume and every snapshot, and no deleted one")
        func list() throws {
            let served = try ServedHarness("data", "logs")
            try served.snapshot("data")
            try served.snapshot("logs")
            try served.snapshot("data")
            try served.commandLine.json("delete", "1")
            let text = try served.succeed(
                "nbdinfo", "--list", "--json", "nbd+unix:///?socket=nbd.sock")
            let document = try JSONSerialization.jsonObject(with: Data(text.utf8))
            let exports = (document as? [String: Any])?["exports"] as? [[String: Any]]
            let names = exports?.compactMap { $0["export-name"] as? String } ?? []
            #expect(names.sorted() == ["data", "data@3", "logs", "logs@2"])
        }

        @Test("the map of a sparse volume, and of its snapshot, tells data from holes")
        func map() throws {
            let served = try ServedHarness(size: "8M")
            try served.qemu("data", "write -P 1 1M 64K", "write -P 1 4M 128K", "discard 4M 64K")
            try served.snapshot()
            try served.qemu("data", "discard 1M 64K", "write -P 1 0 64K", "write -P 1 6M 64K")
            let (live, kept) = (
                try extents(served, "data"), try extents(served, "data@1")
            )
            #expect(live == [0..<0x10000, 0x41_0000..<0x42_0000, 0x60_0000..<0x61_0000])
            #expect(kept == [0x10_0000..<0x11_0000, 0x41_0000..<0x42_0000])
        }

        /// Where there is data, adjacent extents made one.
        private func extents(_ served: ServedHarness, _ export: String) throws -> [Range<Int>] {
            let text = try served.succeed("nbdinfo", "--map", "--json", served.uri(export))
            let document = try JSONSerialization.jsonObject(with: Data(text.utf8))
            var data: [Range<Int>] = []
            for row in document as? [[String: Any]] ?? [] {
                guard row["type"] as? Int == 0, let start = row["offset"] as? Int,
                    let length = row["length"] as? Int
                else { continue }
                if let last = data.last, last.upperBound == start {
                    data[data.count - 1] = last.lowerBound..<start + length
                } else {
                    data.append(start..<start + length)
                }
            }
            return data
        }
    }
}
