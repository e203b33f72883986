/// The command line on block devices under device-mapper: the real program, one process per command,
/// of which each takes 0.4 s in the guest, nearly all for loading it.
enum CommandsSuite {
    static let suite = GuestSuite(
        "commands",
        machine: GuestMachine(
            diskMebibytes: [24, 24, 24, 512],
            modules: ["dm-mod", "dm-snapshot", "dm-zero", "dm-delay", "loop", "fuse"],
            memoryMebibytes: 1024, seconds: 3000),
        cases: SnapshotCases.cases + RevertCommandCases.cases + SetCommandCases.cases
            + ActivationCases.cases + ServeCases.cases + RemovalCases.cases + RefusalCases.cases
            + NamespaceCases.cases + LostSnapshotCases.cases + CloneCases.cases
            + CloneLayerCases.cases
            + TreeMountCases.cases + OldStoreCases.cases)

    /// The same, each command in mounts of its own, as systemd's services have them.
    static let namespaceSuite = GuestSuite(
        "namespaces",
        machine: GuestMachine(
            diskMebibytes: [24, 24, 24, 512],
            modules: ["dm-mod", "dm-snapshot", "dm-zero", "dm-delay", "loop"],
            separatesMounts: true, memoryMebibytes: 1024, seconds: 1800),
        cases: SetCommandCases.cases + ofOthers + NamespaceCases.mounts)

    /// What a command mounts there, nobody else sees: cases without that.
    private static let ofOthers = [
        RevertCommandCases.cases.named("a revert waits for the unmount"),
        SnapshotCases.cases.named("list, show, diff and export"),
        ActivationCases.cases.named("an origin that was written to"),
        ActivationCases.cases.named("a tick notes the end"),
        RemovalCases.cases.named("volume remove"),
        ServeCases.cases.named("what a client writes is on the disk"),
        ServeCases.cases.named("what a killed server had open"),
    ].flatMap(\.self)
}

extension [GuestCase] {
    /// Those whose name begins so.
    fileprivate func named(_ beginning: String) -> [GuestCase] {
        let found = filter { $0.name.hasPrefix(beginning) }
        precondition(!found.isEmpty, "no case begins with \(beginning)")
        return found
    }
}
