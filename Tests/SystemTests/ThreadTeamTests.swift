import Synchronization
import System
import Testing

@Suite("Teams of threads")
struct ThreadTeamTests {
    @Test("each number is worked on once, whatever the width", arguments: [0, 1, 3, 200])
    func once(width: Int) {
        for count in [0, 1, 2, 100] {
            let seen = Mutex<[Int]>([])
            ThreadTeam.run(count: count, width: width, name: "test") { number in
                seen.withLock { $0.append(number) }
            }
            #expect(seen.withLock { $0.sorted() } == Array(0..<count))
        }
    }

    @Test("as many as the width work at the same time")
    func width() {
        let present = Monitored(0)
        let alone = Mutex(0)
        let atWork = Mutex((now: 0, most: 0))
        ThreadTeam.run(count: 12, width: 4, name: "test") { _ in
            atWork.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            defer { atWork.withLock { $0.now -= 1 } }
            let now = present.change { value in
                value += 1
                return value
            }
            // In groups of four: nobody goes on before three others have come.
            let others: Bool? = present.wait(milliseconds: 60_000) {
                $0 >= (now + 3) / 4 * 4 ? true : nil
            }
            if others == nil { alone.withLock { $0 += 1 } }
        }
        #expect(alone.withLock { $0 } == 0 && atWork.withLock { $0.most } == 4)
        #expect(present.withLock { $0 } == 12)
    }
}
