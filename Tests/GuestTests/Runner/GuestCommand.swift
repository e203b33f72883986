import Glibc

/// The command line of `snapmgr-guest-tests`.
struct GuestCommand {
    let suites: [GuestSuite]

    private static let usage = """
        usage: snapmgr-guest-tests list                        the suites
               snapmgr-guest-tests cases SUITE                 its cases
               snapmgr-guest-tests machine SUITE               what it needs: lines of `word value`
               snapmgr-guest-tests bench [TABLE...]            measures, on four disks
               snapmgr-guest-tests SUITE... [--filter WORDS]... runs the cases with WORDS in their
                                                               name on $SNAPMGR_GUEST_DISKS
               snapmgr-guest-tests crashes RUN_SCRIPT          starts guests, and crashes them
               snapmgr-guest-tests crash-boot END SEED         what such a guest runs
        """

    /// Runs a command; the status to exit with.
    func run(_ arguments: [String]) -> Int32 {
        switch arguments.first {
        case "list" where arguments.count == 1:
            for suite in suites { Console.say(suite.name) }
        case "cases" where arguments.count == 2:
            for test in suite(arguments[1]).cases { Console.say(test.name) }
        case "machine" where arguments.count == 2:
            describe(suite(arguments[1]).machine)
        case "bench": return runBenchmarks(Array(arguments.dropFirst()))
        case "crashes": return CrashHost.run(Array(arguments.dropFirst()))
        case "crash-boot": return CrashBoot.run(Array(arguments.dropFirst()))
        default: return runSuites(arguments)
        }
        return 0
    }

    private func describe(_ machine: GuestMachine) {
        Console.say("seconds \(machine.seconds)")
        Console.say("memory \(machine.memoryMebibytes)")
        Console.say("modules \(machine.modules.joined(separator: " "))")
        if machine.runsUdev { Console.say("udev yes") }
        for size in machine.diskMebibytes { Console.say("disk \(size)") }
    }

    private func runSuites(_ arguments: [String]) -> Int32 {
        var wanted: [GuestSuite] = []
        var filters: [String] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--filter" {
                guard let words = rest.popFirst() else { Console.refuse(Self.usage) }
                filters.append(words)
            } else {
                wanted.append(suite(argument))
            }
        }
        guard !wanted.isEmpty else { Console.refuse(Self.usage) }
        let disks = getenv("SNAPMGR_GUEST_DISKS").map { String(cString: $0) } ?? ""
        var runner = GuestRunner(
            disks: disks.split(separator: " ").map(String.init), filters: filters)
        for suite in wanted { runner.run(suite) }
        Console.say("\(runner.passed) passed, \(runner.failed) failed")
        return runner.failed == 0 && runner.passed > 0 ? 0 : 1
    }

    private func runBenchmarks(_ tables: [String]) -> Int32 {
        let disks = getenv("SNAPMGR_GUEST_DISKS").map { String(cString: $0) } ?? ""
        do {
            try GuestBenchmarks.run(
                GuestContext(disks: disks.split(separator: " ").map(String.init)), tables)
            return 0
        } catch {
            Console.say("it ended early: \(error)")
            return 1
        }
    }

    private func suite(_ name: String) -> GuestSuite {
        guard let suite = suites.first(where: { $0.name == name }) else {
            Console.refuse("there is no suite \(name)\n\(Self.usage)")
        }
        return suite
    }
}
