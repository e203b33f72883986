import FoundationEssentials
import Scheduler
import SnapshotModel
import Testing

/// The moment of an RFC 3339 text.
func moment(_ text: String) -> Timestamp {
    guard let moment = Timestamp(text) else { preconditionFailure("not a moment: \(text)") }
    return moment
}

/// The rules of a zone: of a fixture, or the system's for one that only a case from elsewhere names.
func zone(_ name: String) throws -> TimeZoneRules {
    if name == "UTC" { return .utc }
    if let rules = try? ZoneFixtures.rules(name) { return rules }
    let contents = try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/\(name)"))
    return try TimeZoneRules(name: name, contents: [UInt8](contents))
}

/// Scheduled snapshots with ids and ordinals from 1, one at each moment.
func snapshots(at moments: [Timestamp]) -> [RetentionSubject] {
    moments.enumerated().map { snapshot(Int64($0 + 1), $1) }
}

func snapshots(_ texts: String...) -> [RetentionSubject] { snapshots(at: texts.map(moment)) }

func snapshot(_ number: Int64, _ takenAt: Timestamp) -> RetentionSubject {
    RetentionSubject(
        id: SnapshotID(rawValue: number), ordinal: SnapshotOrdinal(rawValue: Int(number)),
        takenAt: takenAt)
}

/// Every so many seconds from a moment on.
func slots(every seconds: Int64, from start: String, count: Int) -> [Timestamp] {
    (0..<count).map { moment(start).advanced(bySeconds: Int64($0) * seconds) }
}

extension RetentionPolicy {
    init(_ rules: KeepRule..., prefer: Preference = .oldest, zone: TimeZoneRules = .utc) {
        self.init(rules: rules, prefer: prefer, zone: zone)
    }

    /// The numbers of those that the rules keep, oldest first.
    func survivors(of subjects: [RetentionSubject], now: Timestamp? = nil) -> [Int64] {
        let now = now ?? subjects.map(\.takenAt).max() ?? Timestamp(stored: 0)
        return PolicyEvaluation(self, of: subjects, now: now).survivors.map(\.id.rawValue)
    }
}

extension PrunePlan {
    /// A plan with one policy for all.
    init(_ policy: RetentionPolicy, of subjects: [RetentionSubject], now: Timestamp? = nil) {
        self.init(
            of: subjects, scopes: [RetentionScope(name: "standard", policy: policy)],
            now: now ?? subjects.map(\.takenAt).max() ?? Timestamp(stored: 0)
        ) { _ in 0 }
    }

    var removedNumbers: [Int64] { removed.map(\.id.rawValue) }
}

/// Knuth's MMIX generator, so that a failure can be repeated by its seed.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state ^ (state >> 29)) &* 0xBF58_476D_1CE4_E5B9
    }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
    mutating func pick<Value>(_ values: [Value]) -> Value { values[number(0...values.count - 1)] }
    mutating func chance(_ percent: Int) -> Bool { number(1...100) <= percent }
}
