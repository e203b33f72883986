/// What people keep on volumes: filesystems, databases, logical volumes, programs that write to
/// several volumes in an order.
enum FilesystemSuite {
    static let suite = GuestSuite(
        "filesystems", machine: FilesystemRig.machine, cases: BusyCases.cases)

    /// Sets, and logical volumes, on the same disks.
    static let setSuite = GuestSuite(
        "sets", machine: FilesystemRig.machine, cases: SetCases.cases + LogicalVolumeCases.cases)
}
