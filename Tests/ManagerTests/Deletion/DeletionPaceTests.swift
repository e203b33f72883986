import Testing

@testable import Manager

@Suite struct DeletionPaceTests {
    private static let millisecond: Int64 = 1_000_000

    /// The turns that it takes to delete so many, each with the time that it took in milliseconds.
    private func turns(
        _ total: Int, fixed: Int64, each: Int64, slowTurn: Int? = nil
    ) -> [(count: Int, milliseconds: Int64)] {
        var (pace, rest, turns) = (DeletionPace(), total, [(count: Int, milliseconds: Int64)]())
        while rest > 0 {
            let count = min(rest, pace.count)
            rest -= count
            let milliseconds = fixed + Int64(count) * each + (turns.count == slowTurn ? 500 : 0)
            turns.append((count, milliseconds))
            pace.note(milliseconds * Self.millisecond)
        }
        return turns
    }

    @Test("the first turn is of one, and none is of more than twice the one before")
    func growth() {
        let turns = turns(10_000, fixed: 0, each: 0)
        #expect(turns[0].count == 1)
        #expect(zip(turns, turns.dropFirst()).allSatisfy { $1.count <= 2 * $0.count })
        #expect(turns.count < 20)
    }

    @Test("where each costs something, others wait for the goal at most")
    func goal() {
        for each in [1, 2, 5, 20, 49] as [Int64] {
            let turns = turns(2000, fixed: 1, each: each)
            #expect(turns.allSatisfy { $0.milliseconds <= 100 }, "\(each) ms each")
            // And no turn is needlessly small once the pace is found.
            #expect(turns.dropFirst(8).dropLast().allSatisfy { $0.milliseconds >= 20 })
        }
    }

    @Test(
        "where opening a volume takes longer than the goal, all turns together cost a few times one"
    )
    func fixedCost() {
        for (fixed, each) in [(100, 1), (1000, 1), (300, 0), (2000, 3)] as [(Int64, Int64)] {
            let turns = turns(30_000, fixed: fixed, each: each)
            let whole = turns.reduce(0) { $0 + $1.milliseconds }
            #expect(whole <= 3 * (30_000 * each) + 20 * fixed, "\(fixed) ms and \(each) ms each")
            #expect(turns.allSatisfy { $0.milliseconds <= 2 * fixed + 50 })
        }
    }

    @Test("a slow turn, whichever it is, makes the whole little longer")
    func slowDisk() {
        for (fixed, each) in [(60, 2), (200, 2), (1000, 2), (10, 2)] as [(Int64, Int64)] {
            let quiet = turns(5000, fixed: fixed, each: each).reduce(0) { $0 + $1.milliseconds }
            for turn in 0..<8 {
                let slow = turns(5000, fixed: fixed, each: each, slowTurn: turn)
                let whole = slow.reduce(0) { $0 + $1.milliseconds }
                #expect(whole <= 5 * quiet / 2, "\(fixed) ms and \(each) ms each, turn \(turn)")
            }
        }
    }

    @Test(
        "one slow turn halves the next at most, and a clock that stands still or steps back does no harm"
    )
    func slowTurn() {
        var pace = DeletionPace()
        for _ in 0..<5 { pace.note(Self.millisecond) }
        let count = pace.count
        pace.note(3_600_000 * Self.millisecond)
        #expect(pace.count == count / 2)
        for time in [0, -1, .min, .max, 0] as [Int64] {
            pace.note(time)
            #expect((1...4096).contains(pace.count))
        }
    }
}
