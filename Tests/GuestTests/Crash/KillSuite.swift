import Glibc

/// Commands that are killed, at every eighth point, beginning with another one in each run.
/// `SNAPMGR_KILL_STRIDE=1` kills at every one, `SNAPMGR_KILL_POINT` begins with a certain one,
/// `SNAPMGR_SEED` repeats a run.
enum KillSuite {
    static let suite = GuestSuite(
        "kill",
        machine: GuestMachine(
            diskMebibytes: [16, 256], modules: SlowOrigin.modules, seconds: 3600),
        cases: KillSweep.Kind.allCases.map { kind in
            GuestCase("\(kind.rawValue): whenever it is killed, nothing is lost") { context in
                let seed = number("SNAPMGR_SEED").map(UInt64.init) ?? .random(in: .min ... .max)
                let stride = max(1, number("SNAPMGR_KILL_STRIDE") ?? 8)
                var sweep = try KillSweep(context, kind, seed: seed)
                do {
                    try sweep.run(
                        from: number("SNAPMGR_KILL_POINT") ?? Int(seed % UInt64(stride)),
                        stride: stride)
                } catch {
                    Console.say("SNAPMGR_SEED=\(seed)")
                    throw error
                }
                Console.say("    \(sweep.done) points, \(sweep.inMerge) of them in mid-merge")
            }
        })

    private static func number(_ variable: String) -> Int? {
        getenv(variable).flatMap { Int(String(cString: $0)) }
    }
}
