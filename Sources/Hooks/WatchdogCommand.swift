internal import Glibc

/// How the watchdog's process is started: a program that calls ``HookWatchdog/run(descriptor:)``
/// with descriptor 3.
package struct WatchdogCommand: Sendable {
    /// The argument vector; the first is the program's absolute path.
    package var arguments: [String]

    /// The number of the descriptor at which the watchdog finds its caller.
    package static let descriptor: Int32 = 3

    package init(_ arguments: [String]) { self.arguments = arguments }

    /// This very program, in a mode that is named by an argument.
    package static func ownProgram(_ mode: String) -> WatchdogCommand {
        let link = "/proc/self/exe"
        var space = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(link, &space, space.count - 1)
        let path = String(
            decoding: space.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // Replaced on disk, the running program can still be started by its link.
        return WatchdogCommand([access(path, X_OK) == 0 ? path : link, mode])
    }
}
