internal import SnapshotModel

/// How often somebody may be wrong. A secret cannot be guessed; this keeps those who try from costing more than a look
/// into a table. A pure value: the time comes with each call.
struct SignInLimits: Sendable {
    private struct Failures: Sendable {
        /// So many, of which one is forgiven after each ``SignInLimits/forgivingNanoseconds``.
        var count: Int
        /// The last one, on a clock that never steps back.
        var at: Int64
        /// Whether people were told that there are too many.
        var isTold = false
    }

    private var ofAddress: [String: Failures] = [:]
    private var ofToken: [String: Failures] = [:]
    private let countMaximum: Int

    /// So many in a row are one too many.
    static let failuresMaximum = 10
    static let forgivingSeconds = 30
    private static let forgivingNanoseconds: Int64 = 30_000_000_000

    /// - Parameter countMaximum: so many addresses, and tokens, are kept in mind; the ones that failed longest ago make
    ///   room.
    init(countMaximum: Int = 4_096) { self.countMaximum = countMaximum }

    /// Whether an address may try: it has not failed too often, nor has it failed with a token with which others do so,
    /// too. Who has not been wrong is not kept out by those who are.
    func mayTry(_ address: String, token: String?, at now: Int64) -> Bool {
        let own = Self.count(ofAddress[address], now)
        guard own < Self.failuresMaximum else { return false }
        guard own > 0, let token else { return true }
        return Self.count(ofToken[token], now) < Self.failuresMaximum
    }

    /// - Parameter token: the ID that was given, if it looked like one.
    /// - Returns: whether that is one too many of the address, for the first time since all were forgiven.
    @discardableResult
    mutating func fail(_ address: String, token: String?, at now: Int64) -> Bool {
        if let token { Self.note(token, in: &ofToken, now, countMaximum) }
        Self.note(address, in: &ofAddress, now, countMaximum)
        guard let failures = ofAddress[address], failures.count >= Self.failuresMaximum,
            !failures.isTold
        else { return false }
        ofAddress[address]?.isTold = true
        return true
    }

    private static func note(
        _ key: String, in table: inout [String: Failures], _ now: Int64, _ countMaximum: Int
    ) {
        if table[key] == nil, table.count >= countMaximum { makeRoom(in: &table, now) }
        let count = min(count(table[key], now), failuresMaximum)
        let isTold = count > 0 && table[key]?.isTold == true
        table[key] = Failures(count: count.addingClamped(1), at: now, isTold: isTold)
    }

    private static func makeRoom(in table: inout [String: Failures], _ now: Int64) {
        table = table.filter { count($0.value, now) > 0 }
        // A half at once: it is not sorted for each of a crowd.
        let oldest = table.sorted { $0.value.at < $1.value.at }.prefix(table.count / 2)
        for (key, _) in oldest { table[key] = nil }
    }

    private static func count(_ failures: Failures?, _ now: Int64) -> Int {
        guard let failures else { return 0 }
        let forgiven = now.subtractingClamped(failures.at) / forgivingNanoseconds
        return max(0, failures.count.subtractingClamped(Int(clamping: forgiven)))
    }

    /// How many addresses and tokens are kept in mind.
    var knownCount: Int { max(ofAddress.count, ofToken.count) }
}
