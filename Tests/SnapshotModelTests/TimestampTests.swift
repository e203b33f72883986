import SnapshotModel
import Testing

@Suite("Moments in time, as they are written and read")
struct TimestampTests {
    @Test(
        "known moments have known texts",
        arguments: [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1, "1970-01-01T00:00:00.000000001Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (-1_000_000_000, "1969-12-31T23:59:59.000000000Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (1_709_251_199_999_999_999, "2024-02-29T23:59:59.999999999Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
            (-2_203_891_200_000_000_000, "1900-03-01T00:00:00.000000000Z"),
            (9_214_646_399_999_999_999, "2261-12-31T23:59:59.999999999Z"),
            (9_214_646_400_000_000_000, "2262-01-01T00:00:00.000000000Z"),
            (9_214_646_400_000_000_001, "2262-01-01T00:00:00.000001000Z"),
            (9_219_001_219_199_999_999, "2399-12-31T23:59:59.999999000Z"),
            (9_222_188_515_199_999_999, "2500-12-31T23:59:59.999999000Z"),
            (Int64.max, "2538-07-04T04:00:54.775807000Z"),
        ] as [(Int64, String)])
    func knownTexts(stored: Int64, text: String) {
        #expect(Timestamp(stored: stored).description == text)
        #expect(Timestamp(text)?.stored == stored)
    }

    @Test("after 2261, decimals beyond the microsecond are left out")
    func fineDecimals() {
        let text = "2262-01-01T00:00:00.0000019"
        #expect(Timestamp(text)?.description == "2262-01-01T00:00:00.000001000Z")
        #expect(Timestamp("2538-07-04T04:00:54.775807999Z") == .last)
    }

    @Test("M4: what was written is read back, for random moments of nine centuries")
    func roundTrip() {
        var state: UInt64 = 1
        for _ in 0..<2000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            // Every other one around the seam, where one tick becomes longer.
            let value =
                state & 1 << 40 == 0
                ? Int64(bitPattern: state) : Self.seam + Int64(bitPattern: state) >> 20
            let time = Timestamp(stored: value)
            #expect(Timestamp(time.description) == time, "\(value)")
        }
    }

    private static let seam: Int64 = 9_214_646_400_000_000_000

    /// Both ends and the seam with what is next to them, and random moments.
    private static var moments: [Timestamp] {
        var state: UInt64 = 2
        let random = (0..<200).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int64(bitPattern: state)
        }
        let near = (-3...3).map { seam + $0 } + (0...3).flatMap { [.min + $0, .max - $0] }
        return (random + near + [seam + 999_999, seam + 1_000_000, -1, 0, 1])
            .map(Timestamp.init(stored:))
    }

    @Test("the stored numbers have the order of the moments and of their texts")
    func order() {
        let moments = Self.moments.sorted()
        for (earlier, later) in zip(moments, moments.dropFirst()) where earlier != later {
            #expect(earlier.stored < later.stored)
            #expect(earlier.nanosecondsSinceEpoch < later.nanosecondsSinceEpoch)
            #expect(earlier.description < later.description)
        }
    }

    @Test("what a moment counts makes it again, and differences are exact or clamped")
    func counts() {
        for moment in Self.moments {
            #expect(Timestamp(clampingNanoseconds: moment.nanosecondsSinceEpoch) == moment)
            #expect(
                Timestamp(seconds: moment.secondsSinceEpoch, nanoseconds: moment.fraction) == moment
            )
            #expect((0..<1_000_000_000).contains(moment.fraction))
            for other in Self.moments {
                let exact = moment.nanosecondsSinceEpoch - other.nanosecondsSinceEpoch
                let distance = moment.nanoseconds(since: other)
                #expect(distance == Int64(clamping: exact))
                if distance < .max, distance > .min {
                    #expect(other.advanced(byNanoseconds: distance) == moment)
                }
            }
        }
    }

    @Test("M4: the first moment of 2262 is a nanosecond after the last one before it")
    func seam() {
        let after = Timestamp(stored: Self.seam)
        #expect(after.advanced(byNanoseconds: -1) == Timestamp(stored: Self.seam - 1))
        #expect(Timestamp(stored: Self.seam - 1).advanced(byNanoseconds: 1) == after)
        // Rounded down, to what the type holds.
        #expect(after.advanced(byNanoseconds: 1999).stored == Self.seam + 1)
        #expect(Timestamp(stored: Self.seam + 1).advanced(byNanoseconds: -1) == after)
        #expect(
            after.advanced(bySeconds: -1).advanced(bySeconds: 2).stored == Self.seam + 1_000_000)
        #expect(after.secondsSinceEpoch == 9_214_646_400 && after.fraction == 0)
    }

    @Test("days and dates convert both ways, day by day over eight centuries")
    func civilDates() {
        var (year, month, day) = (1600, 1, 1)
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        for days in -135_140...157_053 {
            let date = CivilDate(daysSinceEpoch: days)
            guard date == CivilDate(year: year, month: month, day: day),
                date.daysSinceEpoch == days
            else {
                Issue.record("day \(days) is not \(year)-\(month)-\(day)")
                return
            }
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            day += 1
            let length = lengths[month - 1] + (leap && month == 2 ? 1 : 0)
            if day > length { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
        #expect((year, month, day) == (2400, 1, 1))
    }

    @Test(
        "shorter forms are read",
        arguments: [
            ("2024-02-29", "2024-02-29T00:00:00.000000000Z"),
            ("2024-02-29Z", "2024-02-29T00:00:00.000000000Z"),
            ("2024-02-29 13:07", "2024-02-29T13:07:00.000000000Z"),
            ("2024-02-29T13:07:09", "2024-02-29T13:07:09.000000000Z"),
            ("2024-02-29T13:07:09.5Z", "2024-02-29T13:07:09.500000000Z"),
            ("2024-02-29T13:07:09.000000001", "2024-02-29T13:07:09.000000001Z"),
        ])
    func shorterForms(text: String, full: String) {
        #expect(Timestamp(text)?.description == full)
    }

    @Test(
        "what is not a moment is refused",
        arguments: [
            "", "2024", "2024-2-29", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10",
            "2024-01-00", "2024-01-32", "2024-04-31", "2024-01-01T24:00", "2024-01-01T00:60",
            "2024-01-01T00:00:60", "2024-01-01T00:00:00.", "2024-01-01T00:00:00.1234567890",
            "2024-01-01T00:00:00+01:00", "2024-01-01T00:00:00Z ", "2024-01-01T", "2024-01-01T7:00",
            "9999-12-31", "1600-01-01", "٢٠٢٤-01-01", "2538-07-04T04:00:54.775808Z",
        ])
    func refused(text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test("seconds are rounded down, also before 1970, and can be added")
    func seconds() {
        #expect(Timestamp(stored: 1_999_999_999).secondsSinceEpoch == 1)
        #expect(Timestamp(stored: -1).secondsSinceEpoch == -1)
        #expect(Timestamp(stored: -1_000_000_000).secondsSinceEpoch == -1)
        #expect(Timestamp(stored: -1_000_000_001).secondsSinceEpoch == -2)
        let later = Timestamp(stored: 5).advanced(bySeconds: 3)
        #expect(later.stored == 3_000_000_005)
        #expect(Timestamp(stored: 5) < later)
    }

    @Test(
        "the first moment of the range has a text that is read back")
    func lowestMoment() async {
        await #expect(processExitsWith: .success) {
            let time = Timestamp.first
            let text = "1677-09-21T00:12:43.145224192Z"
            precondition(time.description == text && Timestamp(text) == time)
        }
    }
}
