// Time zones' files. Whatever the bytes are, they become rules or are refused; and with the rules,
// every moment is found again by what the clocks show then, and slots ascend.
import Scheduler
import SnapshotModel

private let timetables = [
    Timetable.every(TimeSpan(seconds: 900)), .every(TimeSpan(seconds: 5 * 3600)),
]

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzTimeZone(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let contents = [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let rules = try? TimeZoneRules(name: "x", contents: contents) else { return 0 }
    var moment = Int64.min / 1_000_000_000
    while moment < Int64.max / 1_000_000_000 {
        checkMoment(Timestamp(clampingSeconds: moment), rules)
        // Half a year and a bit.
        moment += 15_812_345
    }
    for timetable in timetables { checkSlots(timetable, rules) }
    return 0
}

private func checkMoment(_ moment: Timestamp, _ rules: TimeZoneRules) {
    switch rules.moments(of: rules.wallClock(at: moment)) {
    case .once(moment), .twice(moment, _), .twice(_, moment): break
    // Clocks that show it three times name the first and the last.
    case .twice(let first, let second) where first < moment && moment < second: break
    case let other: fatalError("\(moment) shows what is shown at \(other)")
    }
}

private func checkSlots(_ timetable: Timetable, _ rules: TimeZoneRules) {
    var moment = Timestamp(stored: 1_790_000_000_000_000_000)
    for _ in 0..<100 {
        guard let slot = timetable.nextSlot(after: moment, in: rules) else { return }
        guard slot > moment, timetable.latestSlot(notAfter: slot, in: rules) == slot else {
            fatalError("\(slot) comes after \(moment)")
        }
        moment = slot
    }
}
