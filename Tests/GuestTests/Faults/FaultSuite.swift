/// What goes wrong below and beside a volume.
enum FaultSuite {
    static let suite = GuestSuite(
        "faults", machine: FaultRig.machine,
        cases: FailingDiskCases.cases + FullStoreCases.cases + OriginCases.cases)
}
