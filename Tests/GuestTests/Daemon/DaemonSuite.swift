/// The real `snapmgr daemon` beside volumes that are used: what it does between commands.
enum DaemonSuite {
    static let suite = GuestSuite(
        "daemon",
        machine: GuestMachine(
            diskMebibytes: [96, 24, 24, 256],
            modules: ["dm-mod", "dm-snapshot", "loop"], memoryMebibytes: 1024, seconds: 2400),
        cases: DaemonCases.cases)
}
