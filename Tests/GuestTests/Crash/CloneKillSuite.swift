import Glibc

/// Commands that change clones and are killed, at every fifteenth point, beginning with another one in each run.
/// `SNAPMGR_KILL_STRIDE`, `SNAPMGR_KILL_POINT` and `SNAPMGR_SEED` are as those of ``KillSuite``.
enum CloneKillSuite {
    static let suite = GuestSuite(
        "kill-clones",
        machine: GuestMachine(
            diskMebibytes: [16, 256], modules: ["dm-mod", "dm-snapshot", "dm-zero", "loop"],
            seconds: 1800),
        cases: CloneSweep.Kind.allCases.map { kind in
            GuestCase("\(kind.rawValue): whenever it is killed, nothing is lost") { context in
                let seed = number("SNAPMGR_SEED").map(UInt64.init) ?? .random(in: .min ... .max)
                let stride = max(1, number("SNAPMGR_KILL_STRIDE") ?? 15)
                var sweep = try CloneSweep(context, kind, seed: seed)
                do {
                    try sweep.run(
                        from: number("SNAPMGR_KILL_POINT") ?? Int(seed % UInt64(stride)),
                        stride: stride)
                } catch {
                    Console.say("SNAPMGR_SEED=\(seed)")
                    throw error
                }
                Console.say("    \(sweep.done) points")
            }
        })

    private static func number(_ variable: String) -> Int? {
        getenv(variable).flatMap { Int(String(cString: $0)) }
    }
}
