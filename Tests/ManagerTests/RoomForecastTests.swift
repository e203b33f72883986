import DeviceDriver
import SnapshotModel
import Testing

@testable import Manager
import VolumeAccess

/// When the daemon looks again, reserves more, and gives up.
@Suite struct RoomForecastTests {
    private static let mebibyte = 1 << 20
    private static let second: Int64 = 1_000_000_000

    private func look(
        used: Int, reserved: Int, left: Int = 1 << 40, free: Int, ordinal: Int = 1
    ) -> RoomReading {
        var look = RoomReading(freeBytes: free * Self.mebibyte)
        look.areas = [
            RoomReading.Area(
                ordinal: SnapshotOrdinal(rawValue: ordinal), usedBytes: used * Self.mebibyte,
                reservedBytes: reserved * Self.mebibyte, leftBytes: left)
        ]
        return look
    }

    @Test("a store that is full is no reason to give up while nothing is written")
    func idle() {
        var watch = RoomForecast()
        for second in 0..<5 {
            let judgement = watch.judge(
                look(used: 10, reserved: 0, free: 0), at: Int64(second) * Self.second)
            #expect(!judgement.isCritical)
            #expect(judgement.pauseMilliseconds == RoomForecast.shortestPauseMilliseconds)
        }
    }

    @Test("room for less than four tenths of a second is critical")
    func critical() {
        var watch = RoomForecast()
        _ = watch.judge(look(used: 0, reserved: 64, free: 1000), at: 0)
        // 100 MiB per second.
        #expect(
            !watch.judge(look(used: 100, reserved: 41, free: 0), at: Self.second).isCritical)
        #expect(
            watch.judge(look(used: 200, reserved: 39, free: 0), at: 2 * Self.second).isCritical)
    }

    @Test("what is free counts as room beside what is reserved")
    func free() {
        var watch = RoomForecast()
        _ = watch.judge(look(used: 0, reserved: 64, free: 1000), at: 0)
        let judgement = watch.judge(look(used: 100, reserved: 1, free: 45), at: Self.second)
        #expect(!judgement.isCritical)
    }

    @Test("an area that cannot take more than it has needs no room")
    func whole() {
        var watch = RoomForecast()
        _ = watch.judge(look(used: 0, reserved: 100, free: 0), at: 0)
        let judgement = watch.judge(
            look(used: 99, reserved: 1, left: Self.mebibyte, free: 0), at: Self.second)
        #expect(!judgement.isCritical)
        #expect(judgement.pauseMilliseconds == RoomForecast.longestPauseMilliseconds)
    }

    @Test("a merge has what it needs, however little is left at its end")
    func merge() {
        var watch = RoomForecast()
        _ = watch.judge(look(used: 0, reserved: 200, free: 0), at: 0)
        var late = look(used: 199, reserved: 1, free: 0)
        late.isMerging = true
        #expect(!watch.judge(late, at: Self.second).isCritical)
        late.isMerging = false
        #expect(watch.isCritical(late))
    }

    @Test("an area that hardly grows is not judged by the rate of another")
    func rates() {
        var watch = RoomForecast()
        var first = look(used: 0, reserved: 3, free: 0)
        first.areas += look(used: 0, reserved: 500, free: 0, ordinal: 2).areas
        _ = watch.judge(first, at: 0)
        var second = look(used: 0, reserved: 3, free: 0)
        second.areas += look(used: 100, reserved: 400, free: 0, ordinal: 2).areas
        #expect(!watch.judge(second, at: Self.second).isCritical)
    }

    @Test("it looks again before half of the reserve is used up at the present rate")
    func reserve() {
        var watch = RoomForecast()
        _ = watch.judge(look(used: 0, reserved: 64, free: 1 << 18), at: 0)
        // 10 MiB per second; half of 60 MiB.
        let judgement = watch.judge(
            look(used: 10, reserved: 60, free: 1 << 18), at: Self.second)
        #expect(judgement.pauseMilliseconds == 3000)
    }

    @Test("the less room there is, the sooner it looks at what is written at no rate yet")
    func sudden() {
        let pauses = [10_000, 1000, 100, 10, 1].map { free in
            var watch = RoomForecast()
            return watch.judge(look(used: 0, reserved: 0, free: free), at: 0).pauseMilliseconds
        }
        #expect(pauses == [10_000, 7812, 781, 100, 100])
    }

    @Test("a burst is forgotten by halves")
    func burst() {
        var watch = RoomForecast()
        _ = watch.judge(look(used: 0, reserved: 64, free: 1000), at: 0)
        var rates: [Int] = []
        for second in 1...4 {
            _ = watch.judge(
                look(used: 80, reserved: 64, free: 1000), at: Int64(second) * Self.second)
            rates.append((watch.rates[SnapshotOrdinal(rawValue: 1)] ?? 0) / Self.mebibyte)
        }
        #expect(rates == [80, 40, 20, 10])
    }

    @Test("a new area's growth counts from its beginning")
    func newArea() {
        var watch = RoomForecast()
        _ = watch.judge(look(used: 50, reserved: 64, free: 1000), at: 0)
        _ = watch.judge(look(used: 20, reserved: 64, free: 1000, ordinal: 2), at: Self.second)
        #expect(watch.rates == [SnapshotOrdinal(rawValue: 2): 20 * Self.mebibyte])
    }

    @Test("what is reserved is refilled once half of it is used up")
    func refill() {
        var watch = RoomForecast()
        #expect(!watch.judge(look(used: 0, reserved: 33, free: 1000), at: 0).needsRefill)
        #expect(watch.judge(look(used: 2, reserved: 31, free: 1000), at: 1).needsRefill)
        // As much as it can ever take is there.
        #expect(
            !watch.judge(
                look(used: 2, reserved: 3, left: 3 * Self.mebibyte, free: 1000), at: 2
            ).needsRefill)
        // There is nothing to reserve it from.
        #expect(!watch.judge(look(used: 2, reserved: 0, free: 0), at: 3).needsRefill)
    }
}
