/// What goes wrong below and beside a volume.
enum FaultSuite {
    static let suite = GuestSuite(
        "faults", machine: FaultRig.machine,
        cases: FailingDiskCases.cases + FullStoreCases.cases + OriginCases.cases
            + SuspensionCases.cases + StrangeSuspensionCases.cases)

    /// Reverts, on the same disks.
    static let revertSuite = GuestSuite(
        "reverts", machine: FaultRig.machine, cases: RevertCases.cases + PauseCases.cases)

    static let powerSuite = GuestSuite(
        "powerloss", machine: FaultRig.machine, cases: LostCacheCases.cases)
}
