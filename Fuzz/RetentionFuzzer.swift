// Grids, spans and buckets of retention. Whatever the text is, it is read or refused at a place
// within it; what was read is read again from how it is written; and it can be used with moments
// up to the ends of time.
import Scheduler
import SnapshotModel

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzRetention(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let text = String(
        decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    if let grid = read(text, Grid.init(parsing:)) {
        guard (try? Grid(parsing: grid.description)) == grid else {
            fatalError("not read again: \(grid)")
        }
        check(.grid(GridRule(grid)))
    }
    if let span = read(text, CalendarSpan.init(parsing:)) {
        guard (try? CalendarSpan(parsing: span.description)) == span || span.isLong else {
            fatalError("not read again: \(span)")
        }
        for (earlier, later) in zip(moments, moments.dropFirst())
        where span.before(earlier) > span.before(later) {
            fatalError("\(span) before \(earlier) is later than before \(later)")
        }
        check(.within(span))
        check(.withinBuckets(WithinBucketRule(.weekly, within: span)))
    }
    if let bucket = read(text, BucketSpan.init(parsing:)) { check(.buckets(bucket, .atMost(3))) }
    return 0
}

extension CalendarSpan {
    /// Whether it is written in larger units than one number may have.
    fileprivate var isLong: Bool { months > 99_999 || days > 99_999 }
}

private func read<Value>(_ text: String, _ parse: (String) throws -> Value) -> Value? {
    do {
        return try parse(text)
    } catch let error as SyntaxError {
        guard (0...text.utf8.count).contains(error.offset) else {
            fatalError("\(error) at \(error.offset) of \(text.utf8.count)")
        }
    } catch {
        fatalError("not a syntax error: \(error)")
    }
    return nil
}

/// Around a month's end, and the ends of time.
private let moments: [Timestamp] = {
    // 2026-02-26T00:00:00Z.
    let start = Timestamp(stored: 1_772_064_000_000_000_000)
    let days = (0..<9).map { start.advanced(bySeconds: $0 * 43_200 * 3 + $0) }
    return [Timestamp.first] + days + [Timestamp.last]
}()

private func check(_ rule: KeepRule) {
    for prefer in RetentionPolicy.Preference.allCases {
        let policy = RetentionPolicy(rules: [rule], prefer: prefer)
        let subjects = moments.enumerated().map { index, moment in
            RetentionSubject(
                id: SnapshotID(rawValue: Int64(index)),
                ordinal: SnapshotOrdinal(rawValue: index), takenAt: moment)
        }
        let scope = RetentionScope(name: "fuzz", policy: policy) { moment in
            moment.stored < 1 << 62 ? moment.advanced(bySeconds: 40_000_000) : nil
        }
        let plan = PrunePlan(of: subjects, scopes: [scope], now: moments[9]) { _ in 0 }
        for (index, decision) in plan.decisions.enumerated()
        where decision.isKept != plan.isKept(index) {
            fatalError("kept and not kept by \(rule): \(decision)")
        }
    }
}
