internal import System
internal import Synchronization

/// Asks for the same of several things at once, where each answer waits for a disk or a server.
enum SideBySide {
    /// How many are asked at a time.
    private static let width = 32

    /// - Parameters:
    ///   - alone: those that cannot be asked beside each other: they are asked one after the other, beside
    ///     the rest.
    ///   - ask: gets each number below `count`, once.
    /// - Returns: the answers in the order of the numbers, when all have answered.
    static func answers<Answer: Sendable>(
        _ count: Int, alone: [Int], _ ask: @escaping @Sendable (Int) throws -> Answer
    ) -> [Result<Answer, any Error>] {
        let answers = Mutex<[Int: Result<Answer, any Error>]>([:])
        let others = Set(0..<count).subtracting(alone).sorted().map { [$0] }
        let lanes = others + (alone.isEmpty ? [] : [alone])
        let work: @Sendable (Int) -> Void = { lane in
            for number in lanes[lane] {
                let answer = Result { try ask(number) }
                answers.withLock { $0[number] = answer }
            }
        }
        ThreadTeam.run(count: lanes.count, width: width, name: "snapmgr-set", work)
        return answers.withLock { answers in (0..<count).compactMap { answers[$0] } }
    }
}
