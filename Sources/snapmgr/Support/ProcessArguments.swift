import CSystem

/// What this process was called with.
enum ProcessArguments {
    /// Without the program's name.
    ///
    /// Swift's runtime looks for the arguments in front of the environment's place at the start, and
    /// finds none when a preloaded library has moved the environment by then: libfaketime does when
    /// the runtime's first `stat` makes it set a variable.
    static let all: [String] = {
        guard CommandLine.argc == 0 else { return Array(CommandLine.arguments.dropFirst()) }
        var (values, next) = ([String](), snapmgr_arguments())
        while let argument = next?.pointee {
            values.append(String(cString: argument))
            next = next?.successor()
        }
        return Array(values.dropFirst())
    }()
}
