import MergeKit
import StoreFormat
import SnapshotModel
import TestKit
import Testing

@Suite("Sets, maps and planners agree with brute force")
struct PlannerTests {
    private static let seeds = Array(UInt64(1)...60)

    private func index(_ value: Int) -> ChunkIndex { ChunkIndex(value) }

    private func randomSet(_ random: inout SeededGenerator, below count: Int) -> Set<Int> {
        let density = 1 + random.below(4)
        return Set((0..<count).filter { _ in random.below(5) < density })
    }

    private func chunkSet(_ values: Set<Int>) -> ChunkSet {
        ChunkSet(unordered: values.map { index($0)..<index($0 + 1) })
    }

    private func values(_ set: ChunkSet) -> Set<Int> { Set(set.ranges.joined().map(\.rawValue)) }

    /// An area's map, in which neighbours sometimes lie side by side.
    private func randomMap(
        _ random: inout SeededGenerator, below count: Int
    ) -> (ChunkMap, [Int: Int]) {
        var expected: [Int: Int] = [:]
        var runs: [ChunkRun] = []
        var area = 2
        for chunk in randomSet(&random, below: count).sorted() {
            area += random.oneIn(3) ? 2 : 1
            expected[chunk] = area
            runs.append(ChunkRun(origin: index(chunk), area: index(area), count: 1))
        }
        return (ChunkMap(unordered: runs.shuffled(using: &random)) ?? ChunkMap(), expected)
    }

    @Test("set operations are those of sets, in canonical ranges", arguments: seeds)
    func sets(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let (a, b) = (randomSet(&random, below: 24), randomSet(&random, below: 24))
        let (left, right) = (chunkSet(a), chunkSet(b))
        #expect(values(left) == a && left.count == a.count)
        #expect(left.union(right) == chunkSet(a.union(b)))
        #expect(left.intersection(right) == chunkSet(a.intersection(b)))
        #expect(left.subtracting(right) == chunkSet(a.subtracting(b)))
        #expect((0..<26).allSatisfy { left.contains(index($0)) == a.contains($0) })
        let third = randomSet(&random, below: 24)
        #expect(
            ChunkSet.union([left, right, chunkSet(third)]) == chunkSet(a.union(b).union(third)))
        for (range, next) in zip(left.ranges, left.ranges.dropFirst()) {
            #expect(range.upperBound < next.lowerBound)
        }
    }

    @Test(
        "overlapping and empty ranges make the set of their chunks", arguments: seeds.prefix(20))
    func unorderedRanges(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let ranges = (0..<random.below(8)).map { _ in
            let start = random.below(20)
            return index(start)..<index(start + random.below(6))
        }
        let set = ChunkSet(unordered: ranges)
        #expect(values(set) == Set(ranges.joined().map(\.rawValue)))
        #expect(set.count == values(set).count)
    }

    @Test("a chunk map answers as a dictionary, in the fewest runs", arguments: seeds)
    func maps(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let (map, expected) = randomMap(&random, below: 24)
        #expect(map.count == expected.count)
        #expect((0..<26).allSatisfy { map.areaChunk(for: index($0))?.rawValue == expected[$0] })
        #expect(values(map.chunks) == Set(expected.keys))
        for (run, next) in zip(map.runs, map.runs.dropFirst()) {
            #expect(!run.isContinued(by: next))
            #expect(run.originRange.upperBound <= next.origin)
        }
    }

    @Test("a chunk map with an overlap or an empty run is none")
    func invalidMaps() {
        let run = ChunkRun(origin: index(4), area: index(2), count: 3)
        let inside = ChunkRun(origin: index(6), area: index(9), count: 1)
        let empty = ChunkRun(origin: index(9), area: index(9), count: 0)
        #expect(ChunkMap(unordered: [inside, run]) == nil)
        #expect(ChunkMap(unordered: [run, empty]) == nil)
        var map = ChunkMap()
        let isTaken = map.append(run)
        let isOverlapTaken = map.append(inside)
        #expect(isTaken && !isOverlapTaken)
        #expect(map.count == 3)
    }

    @Test(
        "the exception table answers as a dictionary, however it grows",
        arguments: seeds.prefix(5))
    func exceptionTable(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        // Its numbers of slots become wide on the way, or never do.
        var table = ExceptionTable(narrowMaximum: seed % 2 == 0 ? 64 : ExceptionTable.narrowMaximum)
        var expected: [Int: Int] = [:]
        for area in 0..<3000 {
            let chunk = random.oneIn(2) ? random.below(4000) : random.below(1 << 40)
            guard expected[chunk] == nil else { continue }
            expected[chunk] = area
            table.insert(AreaEntry(origin: index(chunk), area: index(area)))
        }
        #expect(table.count == expected.count)
        #expect(table.entries.map(\.area) == expected.values.sorted().map(index))
        #expect(expected.allSatisfy { table[index($0.key)]?.rawValue == $0.value })
        #expect((0..<4000).allSatisfy { table.contains(index($0)) == (expected[$0] != nil) })
    }

    @Test(
        "a revert's plan takes each chunk of the volume from the oldest area that has it",
        arguments: seeds)
    func plans(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var areas: [ChainArea] = []
        var expected: [Int: (ordinal: Int, area: Int)] = [:]
        for ordinal in 1...(1 + random.below(6)) {
            let (map, content) = randomMap(&random, below: 24)
            areas.append(ChainArea(ordinal: SnapshotOrdinal(rawValue: ordinal), map: map))
            for (chunk, area) in content where expected[chunk] == nil && chunk < 20 {
                expected[chunk] = (ordinal, area)
            }
        }
        let plan = MergePlanner.plan(over: areas, chunkCount: 20)
        #expect(plan.count == expected.count)
        let delta = values(MergePlanner.delta(over: areas))
        #expect(delta.filter { $0 < 20 } == Set(expected.keys))
        for chunk in 0..<26 {
            let run = plan.run(containing: index(chunk))?
                .clamped(to: index(chunk)..<index(chunk + 1))
            #expect(run?.ordinal.rawValue == expected[chunk]?.ordinal)
            #expect(run?.area.rawValue == expected[chunk]?.area)
        }
        let removed = randomSet(&random, below: 24)
        let rest = plan.subtracting(chunkSet(removed))
        #expect(values(rest.chunks) == Set(expected.keys).subtracting(removed))
        #expect(rest.count == values(rest.chunks).count)
    }

    @Test("garbage is what no live snapshot resolves to", arguments: seeds)
    func garbage(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let count = 1 + random.below(6)
        let contents = (0..<count).map { _ in randomSet(&random, below: 12) }
        let live = Set((0..<count).filter { _ in random.oneIn(2) })
        let areas = contents.enumerated().map {
            GarbagePlanner.Area(
                ordinal: SnapshotOrdinal(rawValue: $0.offset + 1), chunks: chunkSet($0.element))
        }
        func ordinals(_ snapshots: Set<Int>) -> Set<SnapshotOrdinal> {
            Set(snapshots.map { SnapshotOrdinal(rawValue: $0 + 1) })
        }
        /// The entries that live snapshots read: for each chunk the first area from theirs on.
        func needed(_ snapshots: Set<Int>) -> Set<[Int]> {
            var result: Set<[Int]> = []
            for snapshot in snapshots {
                for chunk in 0..<12 {
                    let areas = snapshot..<count
                    let first = areas.first { contents[$0].contains(chunk) }
                    if let first { result.insert([first, chunk]) }
                }
            }
            return result
        }
        let all = Set(contents.indices.flatMap { area in contents[area].map { [area, $0] } })
        var found: Set<[Int]> = []
        for (ordinal, chunks) in GarbagePlanner.garbage(in: areas, live: ordinals(live)) {
            found.formUnion(values(chunks).map { [ordinal.rawValue - 1, $0] })
        }
        #expect(found == all.subtracting(needed(live)))
        let gone = Set(live.filter { _ in random.oneIn(2) })
        let freed = GarbagePlanner.freedChunks(
            in: areas, live: ordinals(live), deleted: ordinals(gone))
        #expect(freed == needed(live).count - needed(live.subtracting(gone)).count)
    }

    @Test("garbage is found in many areas with long and short ranges", arguments: seeds.prefix(30))
    func manyAreas(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let contents = (0..<40).map { _ in
            var set: Set<Int> = []
            for _ in 0..<random.below(6) {
                let start = random.below(300)
                set.formUnion(start..<start + 1 + (random.oneIn(3) ? random.below(200) : 0))
            }
            return set
        }
        let areas = contents.enumerated().map {
            GarbagePlanner.Area(
                ordinal: SnapshotOrdinal(rawValue: $0.offset + 1), chunks: chunkSet($0.element))
        }
        let live = Set([3, 4, 25].map { SnapshotOrdinal(rawValue: $0) })
        var expected: [Int: Set<Int>] = [:]
        var seen: Set<Int>?
        for (index, set) in contents.enumerated() {
            let isLive = live.contains(SnapshotOrdinal(rawValue: index + 1))
            if !isLive { expected[index + 1] = seen.map { set.intersection($0) } ?? set }
            seen = isLive ? set : seen?.union(set)
        }
        var found: [Int: Set<Int>] = [:]
        for (ordinal, chunks) in GarbagePlanner.garbage(in: areas, live: live) {
            #expect(chunks == chunkSet(values(chunks)))
            found[ordinal.rawValue] = values(chunks)
        }
        #expect(found == expected.filter { !$0.value.isEmpty })
    }
}
