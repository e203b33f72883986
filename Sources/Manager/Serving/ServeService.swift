package import SnapshotModel
package import System
internal import Catalog
internal import Glibc
internal import Settings
internal import VolumeAccess

/// How `serve` is to serve.
package struct ServeRequest: Hashable, Sendable {
    /// Empty is all.
    package var volumes: [String]
    package var endpoint: Endpoint
    /// Nil serves in plain text.
    package var tls: TLS?
    /// Whether everybody who reaches a TCP port may read and write.
    package var allowsInsecureTCP: Bool
    package var threadCount: Int?
    /// How first writes to all images are answered; nil as the settings say.
    package var writeBack: WriteBack?
    /// The file of settings that somebody has named; nil for the standard one.
    package var configPath: String?

    package enum Endpoint: Hashable, Sendable {
        case socket(path: String)
        case listen(address: String, port: Int)
        /// The sockets that systemd has opened for us.
        case inherited
    }

    /// How connections are encrypted.
    package struct TLS: Hashable, Sendable {
        /// The folder with `ca-cert.pem`, `server-cert.pem`, `server-key.pem` and maybe
        /// `ca-crl.pem`.
        package var path: String
        /// Whether only clients with a certificate of that authority are served.
        package var verifiesClients: Bool

        package init(path: String, verifiesClients: Bool = true) {
            self.path = path
            self.verifiesClients = verifiesClients
        }
    }

    package init(
        volumes: [String], endpoint: Endpoint, tls: TLS? = nil, allowsInsecureTCP: Bool = false,
        threadCount: Int? = nil, writeBack: WriteBack? = nil, configPath: String? = nil
    ) {
        self.volumes = volumes
        self.endpoint = endpoint
        self.tls = tls
        self.allowsInsecureTCP = allowsInsecureTCP
        self.threadCount = threadCount
        self.writeBack = writeBack
        self.configPath = configPath
    }
}

extension ServeRequest {
    /// Whether systemd has opened sockets for this process.
    package static func inheritsSockets(_ environment: [String: String]) -> Bool {
        PassedSockets.received(environment: environment) != nil
    }
}

/// Serves volumes over NBD by becoming nbdkit with snapmgr's plugin.
package struct ServeService {
    let context: ManagerContext

    /// Keeps the numbers that the server's sockets will have; to be called before all else.
    package static func reserveSockets() throws -> PassedSockets { try PassedSockets() }

    /// Checks all that can be checked before, then replaces this process. Returns only by an error,
    /// and then nothing is left of what it opened.
    ///
    /// - Parameters:
    ///   - environment: where `PATH`, `SNAPMGR_NBDKIT_PLUGIN` and systemd's variables are.
    ///   - passing: of ``reserveSockets()``.
    package func serve(
        _ request: ServeRequest, environment: [String: String], passing: PassedSockets
    ) throws {
        let command = try prepare(request, environment: environment)
        switch request.endpoint {
        case .inherited: try Self.become(command)
        case .socket(let path):
            let socket = NBDSocket(path: path)
            let descriptor = try socket.listen()
            defer { socket.abandon() }
            let place = try Paths.absolute(path)
            tell(command.exports) { NBDAddress.uri(export: $0, socket: place) }
            try Self.become(command, with: [descriptor], passing)
        case .listen(let address, let port):
            let descriptors = try ListeningSocket.openTCP(address: address, port: port)
            tell(command.exports) {
                NBDAddress.uri(
                    export: $0, address: address, port: port, isEncrypted: request.tls != nil)
            }
            try Self.become(command, with: descriptors, passing)
        }
    }

    /// More lines nobody reads.
    private static let toldMaximum = 8

    /// Says where volumes are served: whoever connects from now on is taken as soon as the server is up.
    private func tell(_ exports: [String], _ uri: (String) -> String) {
        for name in exports.prefix(Self.toldMaximum) {
            context.note("volume \(name) is served at \(uri(name))")
        }
        let rest = exports.count - Self.toldMaximum
        if rest > 0 { context.note("and \(rest) more volumes beside it") }
    }

    private static func become(
        _ command: ServeCommand, with descriptors: [Int32], _ passing: PassedSockets
    ) throws {
        defer { passing.takeBack() }
        try passing.pass(descriptors)
        setenv("LISTEN_FDS", "\(descriptors.count)", 1)
        setenv("LISTEN_PID", "\(getpid())", 1)
        unsetenv("LISTEN_FDNAMES")
        try become(command)
    }

    /// The command that serves, after everything that can be checked before was.
    func prepare(
        _ request: ServeRequest, environment: [String: String]
    ) throws -> ServeCommand {
        try ServeSafety(request, environment: environment).check()
        let tools = try ServeTools(environment: environment)
        if case .socket(let path) = request.endpoint { try NBDSocket(path: path).makeFree() }
        return try Reconciler(context).withVolumes(request.volumes) { volumes in
            let names = try ServeSelection(
                volumes: volumes.map(\.record.name), inactive: inactive(volumes),
                areNamed: !request.volumes.isEmpty
            ).served()
            let served = volumes.filter { volume in
                // What is no file of this machine's is served by name only, or refused then.
                let isMeant = volume.record.hasOriginPath || !request.volumes.isEmpty
                return isMeant && names.contains(volume.record.name)
            }
            // Where there is nothing else, it says so itself.
            let others = volumes.filter { volume in
                !volume.record.hasOriginPath && names.contains(volume.record.name)
            }
            for volume in served.isEmpty ? others : served { try requireServable(volume) }
            return ServeCommand(
                request, tools, volumes: parameters(of: served, request.writeBack),
                listing: try listing(request))
        }
    }

    /// Why volumes that need devices of the kernel's, and have none now, are not served.
    private func inactive(_ volumes: [VolumeRow]) -> [String: Problem] {
        volumes.reduce(into: [:]) { inactive, volume in
            guard let devices = context.devices(of: volume), !context.isActive(volume) else {
                return
            }
            inactive[volume.record.name] = devices.inactiveProblem(volume.record.name)
        }
    }

    private func listing(_ request: ServeRequest) throws -> [String] {
        var words = [
            try Paths.absolute("/proc/self/exe"), "serve", "--list-volumes", "--state",
            try Paths.absolute(context.state.path),
        ]
        if let path = request.configPath { words += ["--config", try Paths.absolute(path)] }
        switch request.writeBack {
        case nil: break
        case .off?: words += ["--write-back", "off"]
        case .log(let bytes)?: words += ["--write-back", "\(bytes)"]
        }
        return words + request.volumes
    }

    /// Settings that cannot be read keep nobody from his volumes: they are served without a log then,
    /// which loses nothing.
    private func parameters(
        of volumes: [VolumeRow], _ writeBack: WriteBack?
    ) -> [ServedParameters] {
        var settings: Settings?
        if writeBack == nil {
            do { settings = try context.settings.get() } catch {
                context.note(
                    "volumes are served without a log of first writes, as the settings cannot be "
                        + "read: \(Problem(error).message)")
            }
        }
        return volumes.map { volume in
            let name = volume.record.name
            return ServedParameters(
                name: name, storePath: volume.storePath,
                writeBack: writeBack ?? settings?.volume(name).writeBack ?? .off)
        }
    }

    /// What a server that was asked for these volumes, or for all, shall serve now: the parameters
    /// that its plugin takes. What is not there is left out.
    ///
    /// - Parameter writeBack: as in the request.
    package func parameters(
        _ names: [String], writeBack: WriteBack? = nil
    ) throws -> [String] {
        let volumes = try context.catalog.volumes().filter { volume in
            guard names.isEmpty || names.contains(volume.record.name) else { return false }
            guard volume.record.hasOriginPath else { return false }
            return context.devices(of: volume) == nil || context.isActive(volume)
        }
        return parameters(of: volumes, writeBack).flatMap(\.lines)
    }

    private func requireServable(_ volume: VolumeRow) throws {
        _ = try context.reader(volume)
        if let standing = try VolumeStandings(context).recorded(volume), standing.role != .primary {
            context.note(
                "volume \(volume.record.name) is a mirror's target: clients can only read it, and nothing is "
                    + "received while it is served")
        }
        // The server asks the store alone.
        try BrokenMarks(context: context).writeBack(volume)
        // The kernel has its origin, and its store's lock stays free.
        guard context.devices(of: volume) == nil else { return }
        if volume.record.hasOriginPath { _ = try OriginProbe(path: volume.record.originPath) }
        let record = try context.prepareStore(volume)
        try context.driver(of: volume).requireServable(
            VolumePlace(record, storePath: volume.storePath))
    }

    private static func become(_ command: ServeCommand) throws {
        var arguments: [UnsafeMutablePointer<CChar>?] = command.arguments.map { strdup($0) }
        arguments.append(nil)
        // What is asked for while the server starts waits until it can be done; by itself, the
        // signal would end it.
        var hangUp = sigset_t()
        sigemptyset(&hangUp)
        sigaddset(&hangUp, SIGHUP)
        pthread_sigmask(SIG_BLOCK, &hangUp, nil)
        execv(command.executable, arguments)
        let code = errno
        for argument in arguments { free(argument) }
        throw Problem(
            .missing, IOFailure("run", path: command.executable, code: code).description,
            hint: "run `apt-get install --reinstall nbdkit`")
    }
}
