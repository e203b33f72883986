import Foundation
import TestKit
import Testing

extension ServedTests {
    /// Load from several clients while snapshots are taken.
    @Suite struct ServedLoadTests {
        /// Snapshots with copies that nbdcopy made right after each was taken.
        private func takeCopied(_ served: ServedHarness) throws -> Int {
            let id = try served.snapshot()
            try served.succeed("nbdcopy", served.uri("data@\(id)"), "kept-\(id).img")
            return id
        }

        private func expectUnchanged(_ ids: [Int], _ served: ServedHarness) throws {
            for id in ids {
                let result = try served.tool(
                    "qemu-img", "compare", "-f", "raw", "-F", "raw", served.uri("data@\(id)"),
                    "kept-\(id).img")
                #expect(result.status == 0, "snapshot \(id): \(result.output)")
            }
        }

        @Test("fio reads back what it wrote while a snapshot is taken every second")
        func verifiedByFio() throws {
            let served = try ServedHarness(size: "16M")
            var ids: [Int] = []
            // Slower where the machine is too slow for some snapshots meanwhile.
            for rate in ["2m", "512k", "64k"] where ids.count < 4 {
                ids += try takeWhileFioWrites(served, rate: rate)
            }
            #expect(ids.count >= 2)
            try expectUnchanged(ids, served)
            try served.stop()
            #expect(try served.commandLine.json("check", "--data")["damaged"] as? Int == 0)
        }

        /// Runs fio to its end; returns the snapshots that were taken meanwhile.
        private func takeWhileFioWrites(_ served: ServedHarness, rate: String) throws -> [Int] {
            let (fio, files) = try served.commandLine.start([
                "fio", "--name=load", "--ioengine=nbd", "--uri=\(served.uri())", "--rw=randwrite",
                "--bs=4k", "--size=12M", "--iodepth=8", "--rate=,\(rate)", "--verify=crc32c",
                "--verify_backlog=256", "--verify_fatal=1", "--fsync=64",
            ])
            defer { fio.end() }
            var ids: [Int] = []
            while fio.isRunning, ids.count < 30 {
                ids.append(try takeCopied(served))
                Instant.sleep(1)
            }
            let status = try fio.wait()
            let output = try served.commandLine.text(files.output)
            #expect(status == 0, "\(output)")
            #expect(output.contains("err= 0"))
            return ids
        }

        @Test("however many areas are read, a server has few of them open, and never too few")
        func descriptors() throws {
            // With a limit that the server's files alone would exceed.
            let served = try ServedHarness(
                size: "8M", chunk: "64K", launcher: ["prlimit", "--nofile=48:4096"])
            let writer = try served.client()
            for chunk in 0..<100 {
                try writer.write(
                    [UInt8](repeating: UInt8(chunk + 1), count: 65536), at: chunk << 16)
                try served.snapshot()
                try writer.write([UInt8](repeating: 0xff, count: 65536), at: chunk << 16)
            }
            let content = try served.content("data@100")
            #expect((0..<100).allSatisfy { content[$0 << 16] == ($0 == 99 ? 100 : 0xff) })
            let oldest = try served.content("data@1")
            #expect((0..<100).allSatisfy { oldest[$0 << 16] == ($0 == 0 ? 1 : 0) })
            // 64 areas, and the one that grows; as a reading ends, one more.
            #expect(try (1...70).contains(#require(served.openAreaCount)))
            try served.stop()
        }

        @Test("versions that were written are all there after each of many reverts")
        func reverts() throws {
            let served = try ServedHarness(size: "2097664", chunk: "16K")
            var scribbler = Scribbler(seed: 3)
            var live = try served.content()
            var kept: [Int: [UInt8]] = [:]
            for round in 0..<10 {
                let client = try served.client()
                try scribbler.scribble(client, &live, writes: 6)
                kept[try served.snapshot()] = live
                try scribbler.scribble(client, &live, writes: 6)
                let target = try #require(
                    kept.keys.sorted().dropFirst(scribbler.number(below: kept.count)).first)
                try served.awaitMerges()
                let safety = try served.revert(target).safety
                kept[try #require(safety)] = live
                live = try #require(kept[target])
                // The client has stayed connected, and goes on in mid-merge.
                #expect(try client.readAll() == live, "round \(round)")
                try scribbler.scribble(client, &live, writes: 6)
                #expect(try client.readAll() == live, "round \(round), after more writes")
                for (id, copy) in kept {
                    #expect(try served.content("data@\(id)") == copy, "round \(round), \(id)")
                }
            }
        }

        @Test("eight clients at once read what they wrote, and each snapshot is of one instant")
        func eightClients() throws {
            let served = try ServedHarness(size: "4M", chunk: "16K")
            let cells = 32
            let clients = (0..<8).map { number in
                Background { isWanted in
                    try Self.writeInOrder(
                        served, cells: number * 128..<number * 128 + cells, while: isWanted)
                }
            }
            var ids: [Int] = []
            let taken = Result {
                for _ in 0..<8 {
                    Instant.sleep(0.25)
                    ids.append(try takeCopied(served))
                }
            }
            let last = try clients.map { try $0.stop() }
            try taken.get()

            for (number, rounds) in last.enumerated() {
                let content = try served.content()
                for cell in number * 128..<number * 128 + cells {
                    #expect(Cell.version(at: cell, of: content) == rounds)
                }
            }
            for id in ids {
                let content = try served.content("data@\(id)")
                for number in 0..<8 {
                    let versions = (0..<cells).map {
                        Cell.version(at: number * 128 + $0, of: content)
                    }
                    #expect(
                        Self.isInOrder(versions), "snapshot \(id), client \(number): \(versions)")
                }
            }
            try expectUnchanged(ids, served)
        }

        /// Writes a version to one cell after the other, and the next one over it, and checks at
        /// random. Returns the last version, which all cells have.
        private static func writeInOrder(
            _ served: ServedHarness, cells: Range<Int>, while isWanted: () -> Bool
        ) throws -> Int {
            let client = try served.client()
            var scribbler = Scribbler(seed: UInt64(cells.lowerBound))
            var version = 0
            while isWanted() || version < 2 {
                version += 1
                for cell in cells {
                    try client.write(
                        Cell.content(version: version, cell: cell), at: Cell.offset(cell))
                    let other = cells.lowerBound + scribbler.number(below: cells.count)
                    let bytes = try client.read(Cell.offset(other)..<Cell.offset(other + 1))
                    let expected = other <= cell ? version : version - 1
                    #expect(Cell.version(of: bytes, cell: other) == expected)
                }
                if version % 4 == 0 { try client.flush() }
            }
            return version
        }

        /// Whether the cells can have been seen at one instant: some of the newest version, and
        /// then only the one before.
        private static func isInOrder(_ versions: [Int?]) -> Bool {
            guard let first = versions.first ?? nil else { return false }
            let rest = versions.drop { $0 == first }
            return rest.allSatisfy { $0 == first - 1 }
        }

        @Test("a set of two volumes never shows the later of two writes without the earlier")
        func sets() throws {
            let served = try ServedHarness("a", "b", chunk: "16K")
            let writer = Background { isWanted in
                let (first, second) = (try served.client("a"), try served.client("b"))
                var version = 0
                while isWanted() || version <= 12 {
                    version += 1
                    for client in [first, second] {
                        try client.write(
                            Cell.content(version: version, cell: version % 64),
                            at: Cell.offset(version % 64))
                        try client.write(
                            Cell.content(version: version, cell: 100), at: Cell.offset(100))
                    }
                }
                return version
            }
            var sets: [[String: Any]] = []
            let taken = Result {
                for _ in 0..<12 {
                    Instant.sleep(0.1)
                    sets.append(try served.commandLine.json("snapshot", "a", "b"))
                }
            }
            try writer.stop()
            try taken.get()
            for set in sets {
                let rows = try #require(set["snapshots"] as? [[String: Any]])
                var versions: [String: Int] = [:]
                for row in rows {
                    let name = try #require(row["volume"] as? String)
                    let id = try #require(row["id"] as? Int)
                    let content = try served.content("\(name)@\(id)")
                    let version = try #require(Cell.version(at: 100, of: content))
                    versions[name] = version
                }
                let (a, b) = (try #require(versions["a"]), try #require(versions["b"]))
                #expect(a == b || a == b + 1, "a has \(a), b has \(b)")
            }
        }
    }
}

/// A stretch that is written as a whole: it tells which version it has, and whether it is torn.
enum Cell {
    static let byteCount = 4096

    static func offset(_ cell: Int) -> Int { cell * byteCount }

    static func content(version: Int, cell: Int) -> [UInt8] {
        guard version > 0 else { return [UInt8](repeating: 0, count: byteCount) }
        var word = UInt64(version) << 20 | UInt64(cell)
        var bytes: [UInt8] = []
        for _ in 0..<8 {
            bytes.append(UInt8(truncatingIfNeeded: word))
            word >>= 8
        }
        return (0..<byteCount / 8).reduce(into: []) { result, _ in result += bytes }
    }

    /// The version of a cell's content; nil when it is not one version's as a whole. 0 is what was
    /// never written.
    static func version(of bytes: [UInt8], cell: Int) -> Int? {
        let word = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let version = word >> 20
        return bytes == content(version: version, cell: cell) ? version : nil
    }

    static func version(at cell: Int, of content: [UInt8]) -> Int? {
        version(of: Array(content[offset(cell)..<offset(cell + 1)]), cell: cell)
    }
}
