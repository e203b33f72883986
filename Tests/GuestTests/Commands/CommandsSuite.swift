/// The command line on block devices under device-mapper: the real program, one process per command.
enum CommandsSuite {
    static let suite = GuestSuite(
        "commands",
        machine: GuestMachine(
            diskMebibytes: [64, 64, 64, 768],
            modules: ["dm-mod", "dm-snapshot", "dm-zero", "loop"],
            memoryMebibytes: 1024),
        cases: SnapshotCases.cases + RevertCases.cases + SetCases.cases + ActivationCases.cases
            + RemovalCases.cases + RefusalCases.cases)
}
