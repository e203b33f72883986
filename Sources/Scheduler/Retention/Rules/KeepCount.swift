/// How many a rule keeps.
package enum KeepCount: Hashable, Sendable {
    case atMost(Int)
    case all

    /// -1 is all, as with restic and zrepl; nil for any other negative number.
    package init?(_ number: Int) {
        guard number >= -1 else { return nil }
        self = number == -1 ? .all : .atMost(number)
    }

    package var isZero: Bool { self == .atMost(0) }

    /// As many of `available` as this allows.
    func limit(_ available: Int) -> Int {
        switch self {
        case .atMost(let count): min(count, available)
        case .all: available
        }
    }

    /// `#3 of 30`; `#3` when all are kept.
    func rankText(_ rank: Int) -> String {
        switch self {
        case .atMost(let count): "#\(rank) of \(count)"
        case .all: "#\(rank)"
        }
    }
}

extension KeepCount: CustomStringConvertible {
    package var description: String {
        switch self {
        case .atMost(let count): String(count)
        case .all: "all"
        }
    }
}
