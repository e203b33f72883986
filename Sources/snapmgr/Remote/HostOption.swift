import SnapshotModel

/// What is to be run on other machines.
struct HostOption {
    let hosts: [RemoteHost]
    /// All arguments but the option.
    let arguments: [String]

    /// More do not fit a table that is read.
    private static let hostMaximum = 100

    /// Nil when no host is named.
    ///
    /// - Throws: `usage` for what is no host, or several where one is meant.
    init?(_ arguments: [String]) throws(Problem) {
        // What a shell asks for is answered here.
        guard arguments.first?.hasPrefix("---") != true else { return nil }
        let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
        // Help is the same there.
        guard !arguments[..<end].contains(where: { $0 == "--help" || $0 == "-h" }) else {
            return nil
        }
        var (rest, names, index) = ([String](), [String](), 0)
        while index < end {
            let argument = arguments[index]
            if argument == "--host", index + 1 < end {
                names.append(arguments[index + 1])
                index += 1
            } else if argument.hasPrefix("--host=") {
                names.append(String(argument.dropFirst("--host=".count)))
            } else {
                rest.append(argument)
            }
            index += 1
        }
        guard let name = names.first else { return nil }
        guard names.count == 1 else {
            throw Problem(
                .usage, "--host is there \(names.count) times",
                hint: "write several as --host A,B, for status")
        }
        var hosts: [RemoteHost] = []
        for word in name.split(separator: ",", omittingEmptySubsequences: false) {
            let host = try RemoteHost(String(word))
            if !hosts.contains(host) { hosts.append(host) }
        }
        self.hosts = hosts
        self.arguments = rest + arguments[end...]
        let isStatus = NamedCommand(rest).path == ["status"]
        guard hosts.count == 1 || isStatus else {
            throw Problem(
                .usage, "several hosts go with status only", hint: "run the command on one host")
        }
        guard hosts.count <= Self.hostMaximum else {
            throw Problem(
                .usage, "there are \(hosts.count) hosts",
                hint: "name at most \(Self.hostMaximum)")
        }
    }

    /// - Returns: the exit code.
    func run() throws -> Int32 {
        guard hosts.count > 1 else { return try RemoteRun(hosts[0], arguments).run() }
        return try FleetStatus(hosts, arguments).run()
    }
}
