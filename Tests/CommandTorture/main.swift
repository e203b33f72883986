import System
import Glibc
import Manager
import SnapshotModel
import TestKit

// The commands on a disk that loses, reorders and tears what was not synced. A child process runs a
// history of commands while a preloaded library writes down what it does to files; the parent plays
// the record on a simulated disk, cuts the power again and again, lets the next command recover from
// what is left, and compares with what had been acknowledged.

let arguments = CommandLine.arguments
if arguments.count == 4, arguments[1] == "record", let seed = UInt64(arguments[3]) {
    CommandHistory.record(root: arguments[2], seed: seed)
}
if arguments.count >= 2, arguments[1] == "lookups" {
    sweepLookups(command: arguments.count == 2 ? nil : arguments[2...].joined(separator: " "))
}
if arguments.dropFirst() == ["copies"] { CopiedProgram.check() }
if arguments.dropFirst() == [CopiedProgram.argument] { CopiedProgram.begin() }
guard arguments.count == 1 else {
    refuse("usage: snapmgr-command-torture [lookups [COMMAND...] | copies]")
}

let points = number("SNAPMGR_COMMAND_CRASH_POINTS") ?? 3000
let sweep = CommandSweep(
    pointsMaximum: points, seed: number("SNAPMGR_SEED").map(UInt64.init),
    workers: number("SNAPMGR_WORKERS") ?? WorkerThreads.processorCount)
let result = sweep.run()
print(
    "commands: \(result.histories) histories, \(result.points) crash points, "
        + "\(result.syncs) syncs swept, \(result.rebuilds) catalogs rebuilt")
print("\(result.points) passed, \(result.failed) failed")
exit(result.failed == 0 ? 0 : 1)

/// Look-ups fail instead of the power, of one command or of all.
func sweepLookups(command: String?) -> Never {
    do {
        let sweep = LookupSweep(
            pointsMaximum: number("SNAPMGR_LOOKUP_POINTS") ?? 2_000,
            seed: number("SNAPMGR_SEED").map(UInt64.init) ?? 1,
            workers: number("SNAPMGR_WORKERS") ?? WorkerThreads.processorCount, command: command)
        let result = try sweep.run()
        print(
            "lookups: \(result.failedLookUps) failed look-ups, \(result.points) of "
                + "\(result.possible) points")
        print("\(result.points - result.failed) passed, \(result.failed) failed")
        exit(result.failed == 0 ? 0 : 1)
    } catch {
        refuse("lookups: \(Problem(error))")
    }
}

func number(_ name: String) -> Int? {
    guard let text = getenv(name).map({ String(cString: $0) }), !text.isEmpty else { return nil }
    guard let number = Int(text), number >= 0 else { refuse("\(name) is not a number: \(text)") }
    return number
}

func refuse(_ line: String) -> Never {
    let bytes = Array((line + "\n").utf8)
    _ = write(2, bytes, bytes.count)
    exit(2)
}
