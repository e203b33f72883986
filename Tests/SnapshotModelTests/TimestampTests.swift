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
            (Int64.max, "2262-04-11T23:47:16.854775807Z"),
        ] as [(Int64, String)])
    func knownTexts(nanoseconds: Int64, text: String) {
        #expect(Timestamp(nanoseconds: nanoseconds).description == text)
        #expect(Timestamp(text)?.nanoseconds == nanoseconds)
    }

    @Test("what was written is read back, for random moments of five centuries")
    func roundTrip() {
        var state: UInt64 = 1
        for _ in 0..<2000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            // Two seconds away from both bounds.
            let value = Int64(bitPattern: state) / 1000 * 999
            let time = Timestamp(nanoseconds: value)
            #expect(Timestamp(time.description) == time, "\(value)")
        }
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
        "what is no moment is refused",
        arguments: [
            "", "2024", "2024-2-29", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10",
            "2024-01-00", "2024-01-32", "2024-04-31", "2024-01-01T24:00", "2024-01-01T00:60",
            "2024-01-01T00:00:60", "2024-01-01T00:00:00.", "2024-01-01T00:00:00.1234567890",
            "2024-01-01T00:00:00+01:00", "2024-01-01T00:00:00Z ", "2024-01-01T", "2024-01-01T7:00",
            "9999-12-31", "1600-01-01", "٢٠٢٤-01-01", "2262-04-11T23:47:16.854775808Z",
        ])
    func refused(text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test("seconds are rounded down, also before 1970, and can be added")
    func seconds() {
        #expect(Timestamp(nanoseconds: 1_999_999_999).secondsSinceEpoch == 1)
        #expect(Timestamp(nanoseconds: -1).secondsSinceEpoch == -1)
        #expect(Timestamp(nanoseconds: -1_000_000_000).secondsSinceEpoch == -1)
        #expect(Timestamp(nanoseconds: -1_000_000_001).secondsSinceEpoch == -2)
        let later = Timestamp(nanoseconds: 5).advanced(bySeconds: 3)
        #expect(later.nanoseconds == 3_000_000_005)
        #expect(Timestamp(nanoseconds: 5) < later)
    }

    @Test(
        "the first moment of the range has a text that is read back")
    func lowestMoment() async {
        await #expect(processExitsWith: .success) {
            let time = Timestamp(nanoseconds: .min)
            let text = "1677-09-21T00:12:43.145224192Z"
            precondition(time.description == text && Timestamp(text) == time)
        }
    }
}
