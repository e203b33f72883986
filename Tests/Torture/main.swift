import System
import Glibc

/// The heavy suites, by name, in the order in which they run.
let suites: [(name: String, run: (TortureOptions) -> SuiteResult)] = [
    ("model", { ModelSuite(options: $0).run() }),
    ("crash", { CrashSuite(options: $0).run() }),
    ("faults", { FaultSuite(options: $0).run() }),
    ("stress", { StressSuite(options: $0).run() }),
]

let arguments = CommandLine.arguments.dropFirst()
let names = Set(suites.map(\.name))
guard arguments.allSatisfy({ $0 == "--list" || names.contains($0) }) else {
    Console.refuse(
        "usage: snapmgr-torture [--list] [\(suites.map(\.name).joined(separator: "|"))]...")
}
if arguments.contains("--list") {
    Console.say(suites.map(\.name).joined(separator: "\n"))
    exit(0)
}

CrashNote.install()
let clock = SystemClock()
var total = SuiteResult()
for suite in suites where arguments.isEmpty || arguments.contains(suite.name) {
    let start = clock.monotonicNanoseconds()
    let result = suite.run(TortureOptions())
    let tenths = (clock.monotonicNanoseconds() - start) / 100_000_000
    Console.say(
        "\(suite.name): \(result.passed) passed, \(result.failed) failed, \(result.summary), "
            + "\(tenths / 10).\(tenths % 10) s")
    total.passed += result.passed
    total.failed += result.failed
}
Console.say("\(total.passed) passed, \(total.failed) failed")
exit(total.failed == 0 ? 0 : 1)
