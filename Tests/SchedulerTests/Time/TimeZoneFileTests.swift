import SnapshotModel
import Testing

@testable import Scheduler

@Suite struct TimeZoneFileTests {
    private func refusal(_ contents: [UInt8]) -> String? {
        do throws(TimeZoneFileError) {
            _ = try TimeZoneRules(name: "Here/There", contents: contents)
            return nil
        } catch {
            #expect(error.description == "time zone Here/There: \(error.reason)")
            return error.reason
        }
    }

    @Test func aFileThatIsCutOffAnywhereIsRefused() throws {
        let file = try ZoneFixtures.contents("Australia/Lord_Howe")
        for count in 0..<file.count {
            #expect(refusal(Array(file[..<count])) != nil, "\(count) bytes")
        }
        #expect(refusal(file) == nil)
    }

    @Test func otherFilesAreRefused() {
        #expect(refusal(Array("# tzdata".utf8)) == "its file is cut off")
        let text = Array(String(repeating: "text ", count: 20).utf8)
        #expect(refusal(text) == "its file is not a TZif file")
        let large = [UInt8](repeating: 0, count: 1 << 20 + 1)
        #expect(refusal(large)?.contains("larger") == true)
    }

    @Test(arguments: [UInt8(ascii: "1"), UInt8(ascii: "5"), 1, 0xff])
    func unknownVersionsAreRefused(version: UInt8) {
        let file = ZoneFixtures.file(rule: "UTC0", version: version)
        #expect(refusal(file)?.contains("unknown version") == true)
    }

    @Test(arguments: "234".utf8.map { $0 }) func versions2To4AreRead(version: UInt8) {
        #expect(refusal(ZoneFixtures.file(rule: "UTC0", version: version)) == nil)
    }

    /// Each count, type and flag of the second block in turn as wrong as can be.
    @Test func countsAndTypesThatContradictAreRefused() {
        let file = ZoneFixtures.file(rule: "UTC0")
        let second = 54
        for count in 0..<6 {
            for value: UInt8 in [0x7f, 0xff] {
                var wrong = file
                wrong[second + 20 + 4 * count] = value
                #expect(refusal(wrong) != nil, "count \(count)")
            }
        }
        let noType = second + 20 + 4 * 4 + 3
        for (place, value) in [
            (noType, 0), (second + 44, 0x7f), (second + 48, 2), (second + 49, 4),
        ]
            as [(Int, UInt8)]
        {
            var wrong = file
            wrong[place] = value
            #expect(refusal(wrong) != nil, "byte \(place)")
        }
    }

    @Test func leapSecondsAreRefusedByName() {
        var file = ZoneFixtures.file(rule: "UTC0")
        let footer = file.suffix(6)
        file.removeLast(6)
        file[54 + 31] = 1
        file += [UInt8](repeating: 0, count: 12) + footer
        #expect(refusal(file)?.contains("right/") == true)
    }

    @Test func changesOutOfOrderAreRefused() throws {
        var file = try ZoneFixtures.contents("Asia/Kolkata")
        let changes =
            44 + 5 * Int(file[35]) + 6 * Int(file[39]) + Int(file[43]) + 44
            + Int(file[23]) + Int(file[27])
        let (first, second) = (changes..<changes + 8, changes + 8..<changes + 16)
        let earlier = Array(file[first])
        file.replaceSubrange(first, with: Array(file[second]))
        file.replaceSubrange(second, with: earlier)
        #expect(refusal(file)?.contains("out of order") == true)
    }

    @Test(arguments: [
        "A0", "AAA", "AAA25", "AAA0:60", "AAA0B", "AAA0BBB", "AAA0BBB,M3.2.0", "AAA0BBB,M3.2.0,",
        "AAA0BBB,M0.1.0,M2.1.0", "AAA0BBB,M13.1.0,M2.1.0", "AAA0BBB,M1.0.0,M2.1.0",
        "AAA0BBB,M1.6.0,M2.1.0", "AAA0BBB,M1.1.7,M2.1.0", "AAA0BBB,J0,J5", "AAA0BBB,J366,J5",
        "AAA0BBB,366,5", "AAA0BBB,1/168,5", "AAA0BBB,1,5x", "<A+0", "<>0",
        "AAA99999999999999999999",
        "AAA0BBB,1/-168,5", " AAA0", "AAA0\0",
    ])
    func otherRulesAreRefused(rule: String) {
        #expect(refusal(ZoneFixtures.file(rule: rule))?.contains("POSIX") == true)
    }
}
