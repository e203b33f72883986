import Bus
import Glibc
import Hooks
import Manager

// The process that undoes what hooks did when the command that started it ends early.
if ProcessArguments.all == [ManagerOptions.watchdogMode] {
    exit(HookWatchdog.run(descriptor: WatchdogCommand.descriptor))
}
// The one that has programs go on which were brought to rest over the bus.
if ProcessArguments.all.count == 2, ProcessArguments.all[0] == BusWatchdogProcess.mode {
    exit(
        BusWatchdogProcess.run(
            address: ProcessArguments.all[1], descriptor: BusWatchdogProcess.descriptor))
}
exit(CommandRunner.run(arguments: ProcessArguments.all))
