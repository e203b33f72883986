import BlockIO
import Glibc
import TestKit

// The commands on a disk that loses, reorders and tears what was not synced. A child process runs a
// history of commands while a preloaded library writes down what it does to files; the parent plays
// the record on a simulated disk, cuts the power again and again, lets the next command recover from
// what is left, and compares with what had been acknowledged.

let arguments = CommandLine.arguments
if arguments.count == 4, arguments[1] == "record", let seed = UInt64(arguments[3]) {
    CommandHistory.record(root: arguments[2], seed: seed)
}
guard arguments.count == 1 else { refuse("usage: snapmgr-command-torture") }

let points = number("SNAPMGR_COMMAND_CRASH_POINTS") ?? 4000
let sweep = CommandSweep(
    pointsMaximum: points, seed: number("SNAPMGR_SEED").map(UInt64.init),
    workers: number("SNAPMGR_WORKERS") ?? WorkerThreads.processorCount)
let result = sweep.run()
print(
    "commands: \(result.histories) histories, \(result.points) crash points, "
        + "\(result.syncs) syncs swept, \(result.rebuilds) catalogs rebuilt")
print("\(result.points) passed, \(result.failed) failed")
exit(result.failed == 0 ? 0 : 1)

func number(_ name: String) -> Int? {
    guard let text = getenv(name).map({ String(cString: $0) }), !text.isEmpty else { return nil }
    guard let number = Int(text), number >= 0 else { refuse("\(name) is no number: \(text)") }
    return number
}

func refuse(_ line: String) -> Never {
    let bytes = Array((line + "\n").utf8)
    _ = write(2, bytes, bytes.count)
    exit(2)
}
