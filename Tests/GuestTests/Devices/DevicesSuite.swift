/// The module DeviceMapper against a kernel: device-mapper, loop devices, and who holds a device.
enum DevicesSuite {
    static let suite = GuestSuite(
        "devices",
        machine: GuestMachine(
            diskMebibytes: [64, 64],
            modules: ["dm-mod", "dm-snapshot", "dm-zero", "dm-delay", "loop"],
            memoryMebibytes: 1536),
        cases: LifecycleCases.cases + TableCases.cases + SnapshotStatusCases.cases
            + LoopCases.cases + HolderCases.cases + GuardCases.cases + FailureCases.cases
            + ThreadCases.cases)

    /// The same where udev makes the nodes, and is waited for.
    static let udevSuite = GuestSuite(
        "devices-udev",
        machine: GuestMachine(diskMebibytes: [64, 64], runsUdev: true),
        cases: UdevCases.cases + LifecycleCases.cases + LoopCases.cases + ThreadCases.cases
            + NodeAccessCases.udevCases)
}
