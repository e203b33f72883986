internal import Glibc

/// The programs that are to run, whatever happens, in the reverse of the order in which they were
/// noted.
struct OwedPrograms {
    private var programs: [(step: Int, program: HookProgram)] = []

    var isEmpty: Bool { programs.isEmpty }

    /// How long all of them may take at most, in milliseconds.
    var totalMilliseconds: Int { programs.reduce(0) { $0 + $1.program.longestMilliseconds } }

    mutating func note(_ program: HookProgram, step: Int) { programs.append((step, program)) }

    /// It ran elsewhere, or its step never was.
    mutating func drop(step: Int) { programs.removeAll { $0.step == step } }

    /// Runs all that are owed.
    ///
    /// - Parameters:
    ///   - environments: what is added to the environment of each step's program.
    ///   - common: what is added to all of them.
    ///   - leadsSession: as for ``ProgramRunner/run(_:stop:leadsSession:)``.
    mutating func run(
        environments: [[String: String]] = [], common: [String: String] = [:],
        leadsSession: Bool, hasRun: (UndoRun) -> Void
    ) {
        while let (step, noted) = programs.last {
            var program = noted
            program.environment.merge(common) { $1 }
            if environments.indices.contains(step) {
                program.environment.merge(environments[step]) { $1 }
            }
            var result = ProgramRunner.run(program, leadsSession: leadsSession)
            // Whoever stops a service signals all of its processes. What undoes a step runs to its
            // end all the same.
            if result.wasAskedToEnd {
                result = ProgramRunner.run(program, leadsSession: leadsSession)
            }
            programs.removeLast()
            hasRun(UndoRun(step: step, program: program, result: result))
        }
    }
}
