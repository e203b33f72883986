// Clocks: whatever a wall clock and a boot clock show one after the other, and whatever the catalog
// remembers of them, nothing traps, ages are never reckoned with a later moment than the clock's, and
// a clock in doubt is told by what it is compared with.
import Scheduler
import SnapshotModel

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzClock(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var input = Input(bytes: Array(UnsafeBufferPointer(start: start, count: count)))
    var memory = input.flag ? input.memory : nil
    while !input.isAtEnd {
        let reading = input.reading
        let (lastKnown, reach) = (input.optionalMoment, input.optionalMoment)
        let next = ClockMemory.after(
            memory, reading: reading, lastKnown: lastKnown, reach: reach)
        let judgement = next.judgement(at: reading)
        guard judgement.now <= reading.wall else {
            fatalError("ages are reckoned with a later moment than the clock's: \(judgement)")
        }
        guard !judgement.isInDoubt || next.deviation != nil else {
            fatalError("a doubt without a deviation: \(next)")
        }
        check(spansBefore: judgement.now)
        memory = next
    }
    return 0
}

/// What is reckoned with the moment afterwards.
private func check(spansBefore moment: Timestamp) {
    guard let span = try? CalendarSpan(parsing: "99999y9999m99999d"),
        span.before(moment) <= moment || moment.stored < 0
    else { fatalError("a span before \(moment) lies after it") }
    let schedule = Schedule(
        name: "often", timetable: .every(TimeSpan(seconds: 900)), zone: .utc)
    _ = schedule.due(served: [moment], since: moment, at: moment.advanced(bySeconds: 86_400))
    guard Timestamp(moment.description) == moment || abs(moment.stored) > 1 << 62 else {
        fatalError("not read again: \(moment)")
    }
}

/// Takes numbers from the front of the input, by preference those at which things change.
private struct Input {
    var bytes: [UInt8]

    var isAtEnd: Bool { bytes.isEmpty }

    private mutating func byte() -> UInt8 { bytes.popLast() ?? 0 }

    var flag: Bool {
        mutating get { byte() & 1 == 1 }
    }

    private mutating func number() -> Int64 {
        let edges: [Int64] = [.min, .min + 1, -1, 0, 1, 86_400_000_000_000, .max - 1, .max]
        let choice = byte()
        guard choice > 127 else { return edges[Int(choice) % edges.count] }
        return (0..<8).reduce(0) { value, _ in value << 8 | Int64(byte()) }
    }

    var optionalMoment: Timestamp? {
        mutating get { flag ? Timestamp(stored: number()) : nil }
    }

    var reading: ClockReading {
        mutating get {
            ClockReading(
                wall: Timestamp(stored: number()), bootID: ["", "a", "b"][Int(byte()) % 3],
                bootNanoseconds: number())
        }
    }

    var memory: ClockMemory {
        mutating get {
            var memory = ClockMemory(anchor: reading)
            guard flag else { return memory }
            memory.deviation = ClockMemory.Deviation(
                since: reading, last: reading, steadyNanoseconds: number())
            return memory
        }
    }
}
