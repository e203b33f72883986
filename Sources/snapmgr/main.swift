import Glibc
import Hooks
import Manager

// The process that undoes what hooks did when the command that started it ends early.
if ProcessArguments.all == [ManagerOptions.watchdogMode] {
    exit(HookWatchdog.run(descriptor: WatchdogCommand.descriptor))
}
exit(CommandRunner.run(arguments: ProcessArguments.all))
