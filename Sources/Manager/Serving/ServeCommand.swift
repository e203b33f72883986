internal import Glibc
internal import SnapshotModel

/// The nbdkit command that serves volumes. Pure.
struct ServeCommand: Hashable, Sendable {
    var executable: String
    var arguments: [String]
    /// What clients may ask for.
    var exports: [String]

    /// - Parameter listing: the command, with its arguments, that prints what is to be served at a
    ///   later time; none where it cannot be told.
    init(
        _ request: ServeRequest, _ tools: ServeTools, volumes: [ServedParameters],
        listing: [String] = []
    ) {
        executable = tools.nbdkitPath
        exports = volumes.map(\.name)
        arguments = ["nbdkit", "--foreground"]
        // The sockets are open already: nbdkit finds them by systemd's variables, since exec keeps
        // the process id.
        if let tls = request.tls {
            arguments += ["--tls=require", "--tls-certificates=\(tls.path)"]
            if tls.verifiesClients { arguments.append("--tls-verify-peer") }
        }
        if let count = request.threadCount { arguments += ["--threads", "\(count)"] }
        arguments.append(tools.pluginPath)
        arguments += volumes.flatMap(\.lines)
        arguments += listing.map { "listing=\($0)" }
    }
}

/// How the plugin is told of a volume.
struct ServedParameters: Hashable, Sendable {
    var name: String
    var storePath: String
    var writeBack: WriteBack

    /// The parameters, which are lines of a listing, too.
    var lines: [String] {
        let log = writeBack.logBytes.map { ["write-back=\(name):\($0)"] } ?? []
        return log + ["volume=\(name):\(storePath)"]
    }
}

/// The programs that serving needs.
struct ServeTools: Hashable, Sendable {
    var nbdkitPath: String
    var pluginPath: String

    static let pluginName = "libsnapmgr-nbdkit.so"

    init(nbdkitPath: String, pluginPath: String) {
        self.nbdkitPath = nbdkitPath
        self.pluginPath = pluginPath
    }

    /// Looks for them.
    ///
    /// - Throws: `missing`, saying what to install.
    init(environment: [String: String]) throws {
        let folders = (environment["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin").split(separator: ":")
        let candidates = folders.map { "\($0)/nbdkit" }
        guard let nbdkit = candidates.first(where: { Paths.isExecutableFile($0) }) else {
            throw Problem(
                .missing, "nbdkit is not installed", hint: "run `apt-get install nbdkit`")
        }
        nbdkitPath = nbdkit
        pluginPath = try Self.plugin(environment: environment)
    }

    /// `$SNAPMGR_NBDKIT_PLUGIN`, else beside the binary, else where `make install` puts it.
    private static func plugin(environment: [String: String]) throws -> String {
        if let path = environment["SNAPMGR_NBDKIT_PLUGIN"], !path.isEmpty {
            guard try Paths.exists(path) else {
                throw Problem(
                    .missing, "SNAPMGR_NBDKIT_PLUGIN names \(path), which does not exist",
                    hint: "unset it, or name the plugin \(pluginName)")
            }
            return try Paths.absolute(path)
        }
        let binary = try Paths.absolute("/proc/self/exe")
        let folder = PathHalves(binary).parent ?? ""
        let candidates = [
            "\(folder)/\(pluginName)", "\(folder)/../lib/snapmgr/\(pluginName)",
        ]
        guard let path = try candidates.first(where: { try Paths.exists($0) }) else {
            throw Problem(
                .missing, "the nbdkit plugin is at none of \(candidates.joined(separator: ", "))",
                hint: "run `make build` or `make install`, or set SNAPMGR_NBDKIT_PLUGIN")
        }
        return try Paths.absolute(path)
    }
}
