// Calendar expressions and time spans. Whatever the text is, it is read or refused; what was read
// is read again from its normal form; and its slots ascend and are found from both sides.
import FuzzSupport
import Scheduler
import SnapshotModel

private let zones: [TimeZoneRules] = {
    let rules = ["CET-1CEST,M3.5.0,M10.5.0/3", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"]
    let files = rules.compactMap {
        try? TimeZoneRules(name: "x", contents: SampleZone.file(rule: $0))
    }
    return files + [.utc]
}()

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzCalendar(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let text = String(
        decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    checkSpan(text)
    guard let expression = try? CalendarExpression(parsing: text) else { return 0 }
    guard let again = try? CalendarExpression(parsing: expression.description),
        again.description == expression.description
    else { fatalError("not read again: \(expression)") }
    for zone in zones { checkSlots(expression, zone) }
    return 0
}

private func checkSpan(_ text: String) {
    guard let span = try? TimeSpan(parsing: text) else { return }
    guard (try? TimeSpan(parsing: span.description)) == span else {
        fatalError("not read again: \(span)")
    }
}

private func checkSlots(_ expression: CalendarExpression, _ zone: TimeZoneRules) {
    // A day before the clocks change in Europe.
    var moment = Timestamp(stored: 1_774_659_600_000_000_000)
    for _ in 0..<20 {
        guard let slot = expression.next(after: moment, in: zone) else { return }
        let before = Timestamp(stored: slot.stored - 1)
        guard slot > moment, expression.latest(notAfter: slot, in: zone) == slot,
            expression.latest(notAfter: before, in: zone).map({ $0 <= moment }) ?? true
        else { fatalError("\(expression): \(slot) comes after \(moment)") }
        moment = slot
    }
}
