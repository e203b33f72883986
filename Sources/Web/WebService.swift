internal import Glibc
internal import Manager
package import SnapshotModel
internal import System

/// The HTTP API of one state folder.
package final class WebService: Sendable {
    private let server: WebServer
    private let responder: WebResponder
    private let encryption: Encryption?
    /// Those of the network.
    let ports: [Int]

    /// How long answers that are under way may take to end, in milliseconds.
    private static let stopMilliseconds = 400
    /// The same of jobs, in milliseconds: what is cut is told as interrupted, and nobody knows what came of it. The service
    /// unit gives the daemon more.
    private static let jobsEndMilliseconds = 60_000
    /// For somebody else to take a connection, in milliseconds.
    private static let probeMilliseconds = 500

    private init(
        _ server: WebServer, _ responder: WebResponder, _ encryption: Encryption?, ports: [Int]
    ) {
        self.server = server
        self.responder = responder
        self.encryption = encryption
        self.ports = ports
    }

    /// Begins to serve. A socket that nobody listens on any more is replaced.
    ///
    /// - Throws: `cannotListen` when an address is somebody else's, or cannot be had; what is wrong with the certificate.
    package static func start(_ options: WebOptions) throws(Problem) -> WebService {
        try start(options, WebLimits(), .all)
    }

    static func start(
        _ options: WebOptions, _ limits: WebLimits, _ table: RouteTable
    ) throws(Problem) -> WebService {
        DescriptorLimit.raise()
        let encryption = try options.network?.certificates.map { folder throws(Problem) in
            try Encryption(folder, options)
        }
        if let address = options.address { try requireFree(address) }
        let responder = try responder(options, limits, table)
        // The network first: who is refused there leaves no socket behind.
        let networkDoors = try networkDoors(options, encryption)
        let doors: [any WebDoor] = try networkDoors + localDoors(options)
        do throws(IOFailure) {
            let server = WebServer(doors, responder)
            try server.start()
            warn(options)
            return WebService(
                server, responder, encryption, ports: networkDoors.map(\.port))
        } catch {
            throw failure(Problem(error), options.places)
        }
    }

    private static func warn(_ options: WebOptions) {
        guard let network = options.network, network.certificates == nil, !network.isLoopback
        else { return }
        options.onNote(
            "\(network.text): whoever listens on the way has tokens and answers, and browsers keep no session; a "
                + "proxy that speaks TLS belongs before it")
    }

    private static func responder(
        _ options: WebOptions, _ limits: WebLimits, _ table: RouteTable
    ) throws(Problem) -> WebResponder {
        do throws(IOFailure) {
            return WebResponder(
                options: options, limits: limits, table: table,
                local: WebShare(
                    looks: limits.looks, downloads: limits.downloads, limits.turnMilliseconds),
                network: WebShare(
                    looks: limits.networkLooks, downloads: limits.networkDownloads,
                    limits.turnMilliseconds),
                feed: EventFeed(options.manager), jobs: try WebJobs(options),
                gate: WebGate(
                    state: options.state, clock: options.operation().clock,
                    onNote: options.onNote))
        } catch {
            throw failure(Problem(error), options.places)
        }
    }

    private static func localDoors(_ options: WebOptions) throws(Problem) -> [any WebDoor] {
        guard let address = options.address else { return [] }
        do throws(IOFailure) {
            let listener = try LocalListener(folder: address.folder, name: address.name)
            if let group = address.group { try GroupAccess.open(address, to: group.number) }
            return [LocalDoor(listener, address.group)]
        } catch {
            throw failure(Problem(error), address.path)
        }
    }

    private static func networkDoors(
        _ options: WebOptions, _ encryption: Encryption?
    ) throws(Problem) -> [NetworkDoor] {
        guard let network = options.network else { return [] }
        let sockets = try ListeningSocket.openTCP(
            address: network.listeningHost, port: network.port, option: "--http tcp:HOST:PORT")
        let identity = encryption?.identity ?? Monitored(nil)
        return sockets.map { NetworkDoor(NetworkListener(owning: $0), identity) }
    }

    private static func failure(_ cause: Problem, _ place: String) -> Problem {
        Problem(
            .cannotListen, "the API cannot be served at \(place): \(cause.message)",
            hint: "name another socket with --http unix:PATH, in a folder that is there")
    }

    /// Nobody serves there only when the name is free, or the kernel says that nobody listens.
    private static func requireFree(_ address: WebAddress) throws(Problem) {
        do throws(IOFailure) {
            _ = try LocalSocket.connect(
                folder: address.folder, name: address.name, milliseconds: probeMilliseconds)
        } catch {
            if [ENOENT, ECONNREFUSED].contains(error.code) { return }
            // Who has too much to do to take a connection serves all the same.
            guard error.code == EAGAIN else { throw failure(Problem(error), address.path) }
        }
        throw Problem(
            .cannotListen, "somebody serves at \(address.path) already",
            hint: "end it, or name another socket with --http unix:PATH")
    }

    /// Reads the certificate anew. What is wrong with it is said, and the one before goes on.
    package func reload() { encryption?.reload() }

    /// Ends what goes on, and gives the socket's name back. Jobs are waited for, for a minute at most.
    package func stop() {
        responder.feed.stop()
        responder.jobs.stop(milliseconds: Self.jobsEndMilliseconds)
        server.stop(milliseconds: Self.stopMilliseconds)
    }
}
