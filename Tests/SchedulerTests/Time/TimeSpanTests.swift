import Testing

@testable import Scheduler

@Suite struct TimeSpanTests {
    @Test(arguments: [
        ("15m", 900, "15m"), ("1h30m", 5400, "1h30m"), ("90m", 5400, "1h30m"),
        ("2d", 172_800, "2d"),
        ("1w", 604_800, "1w"), ("14d", 1_209_600, "2w"), ("8d", 691_200, "8d"),
        ("90s", 90, "1m30s"),
        ("2 weeks", 1_209_600, "2w"), ("1 hour 1 min 1 sec", 3661, "1h1m1s"), ("0s", 0, "0s"),
        (" 5 minutes ", 300, "5m"), ("1d12h", 129_600, "1d12h"), ("3m4m", 420, "7m"),
    ])
    func spansAreReadAndWritten(text: String, seconds: Int64, normalized: String) throws {
        let span = try TimeSpan(parsing: text)
        #expect(span.seconds == seconds)
        #expect(span.description == normalized)
        #expect(try TimeSpan(parsing: normalized) == span)
    }

    @Test(arguments: [
        ("", 0), ("15", 2), ("m", 0), ("15x", 2), ("1y", 1), ("1M", 1), ("-5m", 0), ("1.5h", 1),
        ("5m x", 3), ("99999999999999999999s", 0), ("16000w", 6), ("2000000000w2000000000w", 11),
        ("5m,", 2), ("٣m", 0),
    ])
    func otherTextsAreRefusedWithTheirPlace(text: String, offset: Int) {
        #expect {
            try TimeSpan(parsing: text)
        } throws: { error in
            (error as? SyntaxError)?.offset == offset
        }
    }
}
