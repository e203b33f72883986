/// The exception store's format, between our engine and the kernel, in both directions.
enum FormatSuite {
    static let suite = GuestSuite(
        "format",
        machine: GuestMachine(
            diskMebibytes: [288, 304], modules: ["dm-mod", "dm-snapshot", "dm-zero"],
            memoryMebibytes: 1024),
        cases: EngineAreaCases.cases + KernelAreaCases.cases + ContinuedAreaCases.cases
            + LargeAreaCases.cases + OddAreaCases.cases)
}
