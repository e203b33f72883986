/// Cases that run one after the other in one process, in one guest (or on loop devices).
///
/// A suite is a static constant of an enum of its own, in a folder of its own, and is named in
/// ``guestSuites``.
struct GuestSuite: Sendable {
    /// One word of small letters: the command's argument.
    let name: String
    let machine: GuestMachine
    let cases: [GuestCase]

    init(_ name: String, machine: GuestMachine, cases: [GuestCase]) {
        self.name = name
        self.machine = machine
        self.cases = cases
    }
}

/// What a suite needs to run on. The scripts ask for it with `snapmgr-guest-tests machine SUITE`.
struct GuestMachine: Sendable {
    /// Empty scratch disks, sizes in MiB; sparse, so that a large one costs what is written to it.
    var diskMebibytes: [Int]
    /// Kernel modules to load before the suite.
    var modules: [String] = ["dm-mod", "dm-snapshot", "loop"]
    /// Whether udev runs. Without it libdevmapper makes the nodes itself.
    var runsUdev = false
    /// Whether each command runs in a mount namespace of its own, as systemd's services do.
    var separatesMounts = false
    /// The guest's memory. Its writable files (all but the disks) live in it, half of it at most.
    var memoryMebibytes = 1024
    /// The limit for the whole suite, many times what it takes.
    var seconds = 1200
}

/// One promise that is checked.
struct GuestCase: Sendable {
    /// Says what holds: a sentence.
    let name: String
    let place: SourcePlace
    let body: @Sendable (GuestContext) throws -> Void

    init(
        _ name: String, fileID: StaticString = #fileID, line: Int = #line,
        body: @escaping @Sendable (GuestContext) throws -> Void
    ) {
        self.name = name
        self.place = SourcePlace(fileID: "\(fileID)", line: line)
        self.body = body
    }
}
