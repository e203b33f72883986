import Glibc
import Hooks

// What the tests of the hooks start as a process of its own, to end it in the middle.
//
//     snapmgr-hook-probe watchdog
//     snapmgr-hook-probe caller FOLDER COUNT WINDOW-SECONDS
//     snapmgr-hook-probe repeat FOLDER COUNT
let arguments = CommandLine.arguments
switch arguments.dropFirst().first {
case "watchdog":
    exit(HookWatchdog.run(descriptor: WatchdogCommand.descriptor))
case "caller" where arguments.count == 5:
    Caller(folder: arguments[2], hookCount: Int(arguments[3]) ?? 0).freezeOnce(
        windowSeconds: Double(arguments[4]) ?? 0)
case "repeat" where arguments.count == 4:
    Caller(folder: arguments[2], hookCount: 1).freeze(times: Int(arguments[3]) ?? 0)
default:
    print("usage: snapmgr-hook-probe watchdog | caller FOLDER COUNT SECONDS | repeat FOLDER COUNT")
    exit(2)
}
