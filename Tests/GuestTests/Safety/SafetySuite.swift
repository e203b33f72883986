/// What must not happen to other disks, and to those who use a volume.
enum SafetySuite {
    static let suite = GuestSuite(
        "safety", machine: FaultRig.machine,
        cases: OriginIdentityCases.cases + OriginNoteCases.cases + ThrottleCases.cases
            + FrozenCases.cases + PhysicalVolumeCases.cases + NodeAccessCases.cases)

    /// By the command line.
    static let commandSuite = GuestSuite(
        "safety-commands", machine: CommandsSuite.suite.machine,
        cases: CreationCases.cases + StoreCases.cases + SnapshotMountCases.cases
            + SuspendedVolumeCases.cases)
}
