import Foundation
import SnapshotModel
import TestKit
import Testing

extension ServedClients {
    /// What other programs are told of what has changed, judged by QEMU's and libnbd's.
    @Suite struct ChangedTests {
        private static let chunk = 64 << 10

        /// Snapshots 1 to 3 of 8 MiB, and something written since.
        private func scene() throws -> ServedHarness {
            let served = try ServedHarness(size: "8M")
            try served.qemu("data", "write -P 1 0 4M", "write -P 1 6M 1M")
            try served.snapshot()
            try served.qemu("data", "write -P 2 1M 100k", "discard 3M 128k", "write -P 2 8000k 4k")
            try served.snapshot()
            try served.qemu("data", "write -P 3 2M 64k", "write -P 3 1M 4k")
            try served.snapshot()
            try served.qemu("data", "write -P 4 0 8M")
            return served
        }

        private func changed(_ served: ServedHarness, _ words: String...) throws -> [Row] {
            let result = try served.commandLine.run(["changed"] + words)
            guard result.status == 0 else { throw Problem(.failed, result.errors) }
            let document = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
            let changed = (document as? [String: Any])?["changed"] as? [String: Any]
            let extents = try #require(changed?["extents"] as? [[String: Any]])
            return extents.compactMap { row in
                guard let start = row["offset"] as? Int, let length = row["length"] as? Int else {
                    return nil
                }
                return Row(start..<start + length, row["kind"] as? String == "zero" ? 3 : 0)
            }
        }

        /// A stretch, and what its state is in the NBD protocol.
        private struct Row: Equatable {
            var range: Range<Int>
            var type: Int

            init(_ range: Range<Int>, _ type: Int) { (self.range, self.type) = (range, type) }
        }

        private func map(
            _ served: ServedHarness, _ uri: String, context: String? = nil
        ) throws -> [Row] {
            let option = context.map { "--map=\($0)" } ?? "--map"
            let text = try served.succeed("nbdinfo", option, "--json", uri)
            let document = try JSONSerialization.jsonObject(with: Data(text.utf8))
            var rows: [Row] = []
            for row in document as? [[String: Any]] ?? [] {
                guard let start = row["offset"] as? Int, let length = row["length"] as? Int,
                    let type = row["type"] as? Int
                else { continue }
                if let last = rows.last, last.type == type {
                    rows[rows.count - 1].range = last.range.lowerBound..<start + length
                } else {
                    rows.append(Row(start..<start + length, type))
                }
            }
            return rows
        }

        /// Stretches without regard to what is in them.
        private func union(_ rows: [Row]) -> [Range<Int>] {
            rows.reduce(into: []) { ranges, row in
                if let last = ranges.last, last.upperBound == row.range.lowerBound {
                    ranges[ranges.count - 1] = last.lowerBound..<row.range.upperBound
                } else {
                    ranges.append(row.range)
                }
            }
        }

        @Test("who copies what has changed over a copy of the older snapshot has the newer one")
        func export() throws {
            let served = try scene()
            for (older, newer) in [(1, 2), (2, 3), (1, 3)] {
                let name = "data@\(older)..\(newer)"
                let rows = try map(served, served.uri(name))
                #expect(rows.first?.type == 1 && rows.map(\.range.count).reduce(0, +) == 8 << 20)
                #expect(
                    rows.filter { $0.type != 1 } == (try changed(served, "\(older)", "\(newer)")))
                var copy = try served.content("data@\(older)")
                let client = try served.client(name)
                for row in rows where row.type != 1 {
                    let bytes =
                        row.type == 3
                        ? [UInt8](repeating: 0, count: row.range.count)
                        : try client.read(row.range)
                    copy.replaceSubrange(row.range, with: bytes)
                }
                #expect(copy == (try served.content("data@\(newer)")), "\(name)")
            }
            #expect(try changed(served, "1", "3").map(\.type).contains(3))
            let list = try served.succeed("nbdinfo", "--list", served.uri(""))
            #expect(list.contains("\"data@2\"") && !list.contains(".."))
            for name in ["data@2..1", "data@1..9", "data@1..", "logs@1..2"] {
                #expect(throws: (any Error).self) { try served.client(name) }
            }
        }

        @Test("QEMU copies an export of changes as an increment over the copy before")
        func increment() throws {
            let served = try scene()
            try served.succeed(
                "qemu-img", "convert", "-f", "raw", "-O", "qcow2", served.uri("data@1"), "full")
            try served.succeed(
                "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-B", "full", "-F", "qcow2",
                served.uri("data@1..3"), "increment")
            try served.succeed(
                "qemu-img", "compare", "-f", "qcow2", "-F", "raw", "increment",
                served.uri("data@3"))
            let sizes = try ["full", "increment"].map {
                try FileManager.default.attributesOfItem(atPath: served.path($0))[.size] as? Int
                    ?? 0
            }
            #expect(sizes[1] < sizes[0] / 4, "\(sizes)")
        }

        @Test("both snapshots stay while somebody reads what has changed between them")
        func kept() throws {
            let served = try scene()
            var client: NBDClient? = try served.client("data@1..2")
            for id in ["1", "2"] {
                #expect(try served.commandLine.run("delete", id).status == 13)
            }
            #expect(try client?.read(0..<1) == [1])
            client = nil
            try served.commandLine.json("delete", "3")
        }

        @Test("QEMU serves the bitmap of what has changed, over the content where it is served")
        func bitmap() throws {
            let served = try scene()
            let made = try served.commandLine.json(
                "changed", "1", "3", "--format", "qcow2-bitmap", "c.qcow2")
            let report = try #require(made["changed"] as? [String: Any])
            let name = try #require(report["bitmap"] as? String)
            #expect(report["granularity"] as? Int == Self.chunk)
            try served.succeed("qemu-img", "check", "c.qcow2")
            let info = try served.succeed("qemu-img", "info", "--output=json", "c.qcow2")
            #expect(info.contains(name) && info.contains("data%403"), "\(info)")
            let shared = try changed(served, "1", "3")
            // A server of QEMU's, which ends with its first client but for the tool's two questions.
            let server = try served.commandLine.start([
                "qemu-nbd", "-r", "-t", "-e", "4", "-k", served.path("qemu.sock"), "-f", "qcow2",
                "-B", name, "c.qcow2",
            ])
            defer { server.process.end() }
            let uri = "nbd+unix:///?socket=qemu.sock"
            let deadline = Instant.now + Instant.patience
            while try served.tool("nbdinfo", "--size", uri).status != 0 {
                guard Instant.now < deadline, server.process.isRunning else {
                    throw Problem(.failed, try served.commandLine.text(server.files.errors))
                }
                Instant.sleep(0.05)
            }
            let dirty = try map(served, uri, context: "qemu:dirty-bitmap:\(name)")
            #expect(union(dirty.filter { $0.type == 1 }) == union(shared))
            try served.succeed(
                "qemu-img", "compare", "-f", "raw", "-F", "raw", uri, served.uri("data@3"))
            #expect(
                try served.commandLine.run(
                    "changed", "1", "3", "--format", "qcow2-bitmap", "c.qcow2"
                ).status == 1)
        }
    }
}
