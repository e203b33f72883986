import System
import Glibc

/// Runs the cases of a suite and says of each what came of it.
struct GuestRunner {
    let disks: [String]
    /// Only cases whose name has one of these words in it; all when there is none.
    let filters: [String]

    private(set) var passed = 0
    private(set) var failed = 0
    private let clock = SystemClock()

    init(disks: [String], filters: [String]) {
        self.disks = disks
        self.filters = filters
    }

    mutating func run(_ suite: GuestSuite) {
        guard disks.count >= suite.machine.diskMebibytes.count else {
            Console.refuse(
                "suite \(suite.name) needs \(suite.machine.diskMebibytes.count) disks in "
                    + "SNAPMGR_GUEST_DISKS; there are \(disks.count)")
        }
        for test in suite.cases where isWanted(test) {
            CrashNote.begin("\(suite.name): \(test.name)")
            let start = clock.monotonicNanoseconds()
            let problems = run(test, suite.machine)
            let milliseconds = (clock.monotonicNanoseconds() - start) / 1_000_000
            CrashNote.end()
            Console.say(
                "\(problems.isEmpty ? "✔" : "✘") \(suite.name): \(test.name) (\(milliseconds) ms)")
            for problem in problems { Console.say("    \(problem)") }
            if problems.isEmpty { passed += 1 } else { failed += 1 }
        }
    }

    private func isWanted(_ test: GuestCase) -> Bool {
        filters.isEmpty || filters.contains { test.name.contains($0) }
    }

    /// What went wrong, with the place where that is known.
    private func run(_ test: GuestCase, _ machine: GuestMachine) -> [String] {
        let context = GuestContext(disks: disks, separatesMounts: machine.separatesMounts)
        context.cleanUp { try Tool.removeScratch() }
        var problems: [String] = []
        do { try test.body(context) } catch let failure as ExpectationFailure {
            problems.append("\(failure)")
        } catch { problems.append("\(test.place): it threw: \(error)") }
        problems += context.end().map { "\(test.place): its clean-up threw: \($0)" }
        return problems
    }
}
