import Synchronization
import TestKit

/// Which versions of which cells were sent, and which of them the server acknowledged.
final class WriteLog: Sendable {
    private struct History {
        var sent: [Int] = []
        var acknowledgedCount = 0
    }

    private let cells = Mutex<[Int: History]>([:])

    /// Writes cells in random order until the server has gone, or it is not wanted any more.
    func write(
        _ served: ServedHarness, _ range: Range<Int>, stride: Int, first: Int,
        while isWanted: () -> Bool
    ) throws {
        guard let client = try? served.client() else { return }
        var scribbler = Scribbler(seed: UInt64(first))
        var version = first
        while isWanted() {
            let cell = range.lowerBound + scribbler.number(below: range.count)
            version += 2
            cells.withLock { $0[cell, default: History()].sent.append(version) }
            do {
                try client.write(
                    Cell.content(version: version, cell: cell), at: cell * stride,
                    isDurable: version % 16 < 2)
            } catch let refusal as NBDClient.Refusal {
                throw refusal
            } catch {
                return
            }
            cells.withLock { $0[cell, default: History()].acknowledgedCount += 1 }
        }
    }

    /// How many writes to each cell were acknowledged by now.
    var acknowledgedCounts: [Int: Int] {
        cells.withLock { $0.mapValues(\.acknowledgedCount) }
    }

    func acknowledgedCount(_ cell: Int) -> Int {
        cells.withLock { $0[cell]?.acknowledgedCount ?? 0 }
    }

    /// What a cell may hold when so many writes to it had been acknowledged: the last of these, or
    /// any that was sent after; `before` is what it held at first.
    func versions(of cell: Int, from count: Int, _ before: Int) -> Set<Int> {
        cells.withLock { Set(([before] + ($0[cell]?.sent ?? [])).dropFirst(count)) }
    }
}
