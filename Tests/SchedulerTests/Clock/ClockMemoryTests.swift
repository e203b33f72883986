import SnapshotModel
import Testing

@testable import Scheduler

/// A machine whose wall clock can be set, and which can be off.
private final class Machine {
    private static let start = Timestamp(stored: 1_795_348_800_000_000_000)
    private var wall = Machine.start
    private var boot = 1
    private var bootSeconds: Int64 = 3600
    private(set) var memory: ClockMemory?
    var lastKnown: Timestamp?
    var reach: Timestamp?

    /// Whether the kernel's files of its start cannot be read.
    var isBlind = false

    var reading: ClockReading {
        guard !isBlind else { return ClockReading(wall: wall, bootID: "", bootNanoseconds: 0) }
        return ClockReading(
            wall: wall, bootID: "boot-\(boot)", bootNanoseconds: bootSeconds * 1_000_000_000)
    }

    func run(hours: Int64) {
        wall = wall.advanced(bySeconds: hours * 3600)
        bootSeconds += hours * 3600
    }

    func set(byHours hours: Int64) { wall = wall.advanced(bySeconds: hours * 3600) }

    /// Off, and on again for a minute.
    func rest(hours: Int64) {
        wall = wall.advanced(bySeconds: hours * 3600 + 60)
        boot += 1
        bootSeconds = 60
    }

    /// Paused, as a virtual machine is: its boot clock stands still, then the wall clock is set.
    func pause(hours: Int64) { set(byHours: hours) }

    /// Whether the clock is in doubt, as a tick finds it.
    @discardableResult
    func look() -> Bool {
        let memory = ClockMemory.after(
            memory, reading: reading, lastKnown: lastKnown, reach: reach)
        self.memory = memory
        return memory.judgement(at: reading).isInDoubt
    }

    /// The moment that ages are reckoned with.
    var believed: Timestamp { memory?.judgement(at: reading).now ?? wall }
    var now: Timestamp { wall }
}

@Suite("M1: a clock that jumped does not age snapshots")
struct ClockMemoryTests {
    private static let century: Int64 = 100 * 365 * 24

    @Test("M1: a clock that runs with the machine is believed, however long nobody looks")
    func steady() {
        let machine = Machine()
        for hours in [1, 24, 24 * 400] as [Int64] {
            machine.run(hours: hours)
            #expect(!machine.look())
            #expect(machine.believed == machine.now)
        }
    }

    @Test("M1: a clock that jumps ahead is in doubt, and time goes on as the machine knows it")
    func jump() {
        let machine = Machine()
        machine.look()
        let before = machine.now
        machine.set(byHours: Self.century)
        #expect(machine.look())
        #expect(machine.believed == before)
        machine.run(hours: 3)
        #expect(machine.look())
        #expect(machine.believed == before.advanced(bySeconds: 3 * 3600))
    }

    @Test("M1: a jump that was mended leaves no trace")
    func mended() {
        let machine = Machine()
        machine.look()
        machine.set(byHours: Self.century)
        machine.look()
        machine.set(byHours: -Self.century)
        #expect(!machine.look() && machine.memory?.deviation == nil)
    }

    @Test("M1: the first look compares with what the catalog knows")
    func firstLook() {
        let machine = Machine()
        machine.lastKnown = machine.now
        machine.set(byHours: 24 * 60)
        #expect(machine.look())
        let new = Machine()
        new.set(byHours: Self.century)
        #expect(!new.look())
    }

    @Test("M1: a machine that was off for a night is believed at once")
    func night() {
        let machine = Machine()
        machine.look()
        machine.rest(hours: 14)
        #expect(!machine.look())
    }

    @Test("M1: a machine that was off for a month is believed after a day of steady running")
    func month() {
        let machine = Machine()
        machine.look()
        let before = machine.now
        machine.rest(hours: 30 * 24)
        for _ in 0..<24 {
            #expect(machine.look())
            #expect(machine.believed < before.advanced(bySeconds: 2 * 86_400))
            machine.run(hours: 1)
        }
        machine.look()
        machine.run(hours: 1)
        #expect(!machine.look())
        #expect(machine.believed == machine.now)
    }

    @Test("M1: steady running is added up over starts of the machine")
    func startsInDoubt() {
        let machine = Machine()
        machine.look()
        machine.rest(hours: 30 * 24)
        machine.look()
        for _ in 0..<4 {
            machine.run(hours: 8)
            machine.look()
            machine.rest(hours: 14)
            machine.look()
        }
        #expect(!machine.look())
    }

    @Test("M1: another jump within a doubt begins the day anew")
    func jumpsAgain() {
        let machine = Machine()
        machine.look()
        machine.set(byHours: Self.century)
        machine.look()
        machine.run(hours: 23)
        machine.look()
        machine.set(byHours: 24)
        machine.look()
        machine.run(hours: 23)
        #expect(machine.look())
        machine.run(hours: 2)
        #expect(!machine.look())
    }

    @Test("M1: a machine that runs by day, and is off for a weekend now and then, is believed")
    func weekends() {
        let machine = Machine()
        machine.look()
        machine.set(byHours: Self.century)
        machine.look()
        for hours in [62, 14] as [Int64] {
            machine.run(hours: 9)
            machine.look()
            machine.rest(hours: hours)
            #expect(machine.look())
        }
        machine.run(hours: 7)
        machine.look()
        #expect(!machine.look())
    }

    @Test("M1: a virtual machine that is paused every night is believed after a day of running")
    func paused() {
        let machine = Machine()
        machine.look()
        machine.set(byHours: Self.century)
        machine.look()
        for _ in 0..<2 {
            machine.run(hours: 8)
            machine.look()
            machine.pause(hours: 16)
            #expect(machine.look())
        }
        machine.run(hours: 8)
        #expect(!machine.look())
    }

    @Test("M1: where the kernel does not tell of its start, a jump is in doubt all the same")
    func blind() {
        let machine = Machine()
        machine.isBlind = true
        machine.look()
        let before = machine.now
        machine.run(hours: 1)
        #expect(!machine.look())
        machine.set(byHours: Self.century)
        for _ in 0..<40 {
            #expect(machine.look())
            #expect(machine.believed == before.advanced(bySeconds: 3600))
            machine.run(hours: 1)
        }
        machine.isBlind = false
        #expect(machine.look())
        #expect(machine.believed == before.advanced(bySeconds: 3600))
    }

    @Test("M1: a long uptime explains no jump since what the catalog knows")
    func uptime() {
        let machine = Machine()
        machine.run(hours: 400 * 24)
        machine.lastKnown = machine.now
        machine.set(byHours: 30 * 24)
        #expect(machine.look())
        #expect(machine.believed == machine.lastKnown)
    }

    @Test("M1: slots that are rare explain a long silence, but not those of a clock in doubt")
    func reach() {
        let machine = Machine()
        machine.look()
        machine.reach = machine.now.advanced(bySeconds: 7 * 86_400)
        machine.rest(hours: 7 * 24)
        #expect(!machine.look())
        machine.rest(hours: 60 * 24)
        #expect(machine.look())
        machine.reach = machine.now.advanced(bySeconds: 86_400)
        #expect(machine.look())
    }

    @Test("M1: a clock that was set back is no danger")
    func back() {
        let machine = Machine()
        machine.look()
        machine.set(byHours: -Self.century)
        #expect(!machine.look())
        #expect(machine.believed == machine.now)
        machine.set(byHours: Self.century)
        #expect(!machine.look())
    }

    @Test("M1: time servers may step the clock by minutes")
    func step() {
        let machine = Machine()
        machine.look()
        machine.run(hours: 1)
        machine.lastKnown = nil
        #expect(!machine.look())
    }

    @Test("M4: clocks at the ends of time do not trap")
    func ends() {
        let ends = [Int64.min, -1, 0, 1, Int64.max]
        let readings = ends.flatMap { wall in
            ends.flatMap { boot in
                ["", "a", "b"].map {
                    ClockReading(
                        wall: Timestamp(stored: wall), bootID: $0, bootNanoseconds: boot)
                }
            }
        }
        for first in readings {
            for second in readings {
                let begun = ClockMemory.after(nil, reading: first, lastKnown: nil, reach: nil)
                let memory = ClockMemory.after(
                    begun, reading: second, lastKnown: first.wall, reach: first.wall)
                let judgement = memory.judgement(at: second)
                #expect(judgement.now <= second.wall)
            }
        }
    }
}
