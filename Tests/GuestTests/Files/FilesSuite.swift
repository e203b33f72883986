/// Filesystems in snapshots and clones of volumes under device-mapper, by the command line: mounted, looked into,
/// and put back.
enum FilesSuite {
    static let suite = GuestSuite(
        "files",
        machine: GuestMachine(
            // XFS takes no device below 300 MiB.
            diskMebibytes: [320, 24, 24, 1024], modules: ["dm-mod", "dm-snapshot", "loop", "fuse"],
            memoryMebibytes: 1536, seconds: 1500),
        cases: DeviceMountCases.cases + DirtyMountCases.cases + PartitionCases.cases
            + MountTroubleCases.cases + FileCases.cases + MountedFileCases.cases)
}
