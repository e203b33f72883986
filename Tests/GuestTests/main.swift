import Glibc

/// All suites, in the order in which `Scripts/test.sh` runs them.
let guestSuites: [GuestSuite] = [
    DevicesSuite.suite,
    DevicesSuite.udevSuite,
    FormatSuite.suite,
    ConformanceSuite.suite,
    ModelSuite.suite,
    CommandsSuite.suite,
    CommandsSuite.namespaceSuite,
    FilesSuite.suite,
    DaemonSuite.suite,
    KillSuite.suite,
    CloneKillSuite.suite,
    FilesystemSuite.suite,
    FilesystemSuite.setSuite,
    FaultSuite.suite,
    FaultSuite.revertSuite,
    FaultSuite.powerSuite,
    SafetySuite.suite,
    SafetySuite.commandSuite,
]

CrashNote.install()
exit(GuestCommand(suites: guestSuites).run(Array(CommandLine.arguments.dropFirst())))
