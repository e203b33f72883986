import Foundation
import SnapshotModel
import Testing

@testable import Scheduler

/// The files in `Fixtures`; `make-fixtures.py` there says how they came to be.
enum ZoneFixtures {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fixtures")

    /// The bytes of a zone's TZif file.
    static func contents(_ zone: String) throws -> [UInt8] {
        let name = zone.replacing("/", with: "-") + ".tzif"
        return [UInt8](try Data(contentsOf: folder.appending(path: "zones/\(name)")))
    }

    static func rules(_ zone: String) throws -> TimeZoneRules {
        try TimeZoneRules(name: zone, contents: contents(zone))
    }

    private struct File<Case: Decodable>: Decodable {
        var cases: [Case]
    }

    static func cases<Case: Decodable>(_ name: String, of type: Case.Type) throws -> [Case] {
        let data = try Data(contentsOf: folder.appending(path: name))
        return try JSONDecoder().decode(File<Case>.self, from: data).cases
    }

    /// A version 2 file with nothing but a rule: what is left of a zone without history.
    static func file(rule: String, version: UInt8 = UInt8(ascii: "2")) -> [UInt8] {
        let header = Array("TZif".utf8) + [version] + [UInt8](repeating: 0, count: 15)
        // Counts: no indicators, leap seconds and changes; one type, one abbreviation of 4 bytes.
        let counts: [UInt8] =
            [UInt8](repeating: 0, count: 16) + [0, 0, 0, 1] + [0, 0, 0, 4]
        let data: [UInt8] = [0, 0, 0, 0, 0, 0] + Array("LMT\0".utf8)
        let block = header + counts + data
        return block + block + Array("\n\(rule)\n".utf8)
    }
}

/// A zone's offsets as zdump printed them, looked up without any of our code.
struct ZoneOracle {
    /// In seconds since 1970; the first one is long before any that matters.
    let changes: [(moment: Int, offset: Int)]

    private struct Case: Decodable {
        var zone: String
        var changes: [[Int?]]
    }

    static let all: [String: ZoneOracle] = {
        let cases = (try? ZoneFixtures.cases("zone-changes.json", of: Case.self)) ?? []
        return Dictionary(
            uniqueKeysWithValues: cases.map { zone in
                let changes = zone.changes.map { (moment: $0[0] ?? .min, offset: $0[1] ?? 0) }
                return (zone.zone, ZoneOracle(changes: changes))
            })
    }()

    static func named(_ zone: String) throws -> ZoneOracle { try #require(all[zone]) }

    func offset(at second: Int) -> Int {
        changes.last { $0.moment <= second }?.offset ?? 0
    }

    /// All that the zone has between two moments.
    func offsets(from start: Int, to end: Int) -> Set<Int> {
        Set([offset(at: start)] + changes.filter { start...end ~= $0.moment }.map(\.offset))
    }

    /// Seconds of the clock at each minute of a range of moments, in seconds since 1970.
    func clocks(from start: Int, to end: Int) -> [(moment: Int, clock: Int)] {
        var rest = changes[...]
        return stride(from: start, to: end, by: 60).map { moment in
            while rest.count > 1, rest[rest.startIndex + 1].moment <= moment { rest.removeFirst() }
            return (moment, moment + rest[rest.startIndex].offset)
        }
    }
}

/// A small generator whose numbers are the same in each run (SplitMix64).
struct SlotRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

extension Timestamp {
    init(second: Int) { self.init(clampingSeconds: Int64(second)) }

    var second: Int { Int(secondsSinceEpoch) }
}
