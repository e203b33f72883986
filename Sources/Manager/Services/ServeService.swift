internal import BlockIO
internal import Catalog
internal import Glibc
internal import SnapshotModel

/// How `serve` is to serve.
package struct ServeRequest: Hashable, Sendable {
    /// Empty is all.
    package var volumes: [String]
    package var endpoint: Endpoint
    /// The folder with the server's certificate and key; nil serves in plain text.
    package var tlsPath: String?
    package var threadCount: Int?

    package enum Endpoint: Hashable, Sendable {
        case socket(path: String)
        case listen(address: String, port: Int)
        /// The sockets that systemd has opened for us.
        case inherited
    }

    package init(
        volumes: [String], endpoint: Endpoint, tlsPath: String? = nil, threadCount: Int? = nil
    ) {
        self.volumes = volumes
        self.endpoint = endpoint
        self.tlsPath = tlsPath
        self.threadCount = threadCount
    }
}

/// Serves volumes over NBD by becoming nbdkit with snapmgr's plugin.
package struct ServeService {
    let context: ManagerContext

    /// Checks all that can be checked before, then replaces this process. Returns only by an error.
    ///
    /// - Parameter environment: where `PATH`, `SNAPMGR_NBDKIT_PLUGIN` and systemd's variables are.
    package func serve(_ request: ServeRequest, environment: [String: String]) throws {
        let command = try prepare(request, environment: environment)
        if case .socket(let path) = request.endpoint { try Self.handOver(NBDSocket(path: path)) }
        try Self.become(command)
    }

    /// Opens the socket and passes it on as sd_listen_fds(3) describes.
    private static func handOver(_ socket: NBDSocket) throws {
        let firstPassedDescriptor: Int32 = 3
        let descriptor = try socket.listen()
        // A duplicate onto itself would keep the old flags, which is as well: none is set.
        guard dup2(descriptor, firstPassedDescriptor) >= 0 else {
            throw IOFailure("pass on", path: socket.path, code: errno)
        }
        if descriptor != firstPassedDescriptor { close(descriptor) }
        setenv("LISTEN_FDS", "1", 1)
        setenv("LISTEN_PID", "\(getpid())", 1)
    }

    /// The command that serves, after everything that can be checked before was.
    func prepare(
        _ request: ServeRequest, environment: [String: String]
    ) throws -> ServeCommand {
        let tools = try ServeTools(environment: environment)
        try requireSafe(request)
        if case .socket(let path) = request.endpoint { try NBDSocket(path: path).makeFree() }
        return try Reconciler(context).withVolumes(request.volumes) { volumes in
            let inactive = volumes.filter { $0.record.driver == .dm && !context.isActive($0) }
            let names = try ServeSelection(
                volumes: volumes.map(\.record.name), inactive: inactive.map(\.record.name),
                areNamed: !request.volumes.isEmpty
            ).served()
            let served = volumes.filter { names.contains($0.record.name) }
            for volume in served { try requireServable(volume) }
            return ServeCommand(
                request, tools, volumes: served.map { ($0.record.name, $0.storePath) })
        }
    }

    private func requireSafe(_ request: ServeRequest) throws {
        if let path = request.tlsPath, try !Paths.exists(path + "/server-cert.pem") {
            throw Problem(
                .notFound, "\(path) holds no server-cert.pem",
                hint: "put ca-cert.pem, server-cert.pem and server-key.pem there")
        }
        guard case .listen(let address, _) = request.endpoint, request.tlsPath == nil,
            !ServeCommand.isLoopback(address)
        else { return }
        throw Problem(
            .refused, "serving on \(address) without TLS would let anybody read and write",
            hint: "add --tls DIR, or listen on 127.0.0.1")
    }

    private func requireServable(_ volume: VolumeRow) throws {
        _ = try context.reader(volume)
        // The server asks the store alone.
        try BrokenMarks(context: context).writeBack(volume)
        // The kernel has its origin, and its store's lock stays free.
        guard volume.record.driver == .image else { return }
        _ = try OriginProbe(path: volume.record.originPath)
        // Given back at once: the plugin takes it when it opens the volume.
        _ = try VolumeLock.acquire(volume)
    }

    private static func become(_ command: ServeCommand) throws {
        var arguments: [UnsafeMutablePointer<CChar>?] = command.arguments.map { strdup($0) }
        arguments.append(nil)
        execv(command.executable, arguments)
        let code = errno
        for argument in arguments { free(argument) }
        throw IOFailure("run", path: command.executable, code: code)
    }
}
