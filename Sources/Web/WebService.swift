package import SnapshotModel
internal import System

/// The HTTP API of one state folder.
package final class WebService: Sendable {
    private let server: WebServer
    private let responder: WebResponder

    /// How long what goes on may take to end, in milliseconds.
    private static let stopMilliseconds = 400
    /// For somebody else to take a connection, in milliseconds.
    private static let probeMilliseconds = 500

    private init(_ server: WebServer, _ responder: WebResponder) {
        self.server = server
        self.responder = responder
    }

    /// Begins to serve. A socket that nobody listens on any more is replaced.
    ///
    /// - Throws: `cannotListen` when the address is somebody else's, or cannot be had.
    package static func start(_ options: WebOptions) throws(Problem) -> WebService {
        try start(options, WebLimits(), .all)
    }

    static func start(
        _ options: WebOptions, _ limits: WebLimits, _ table: RouteTable
    ) throws(Problem) -> WebService {
        DescriptorLimit.raise()
        let address = options.address
        try requireFree(address)
        do throws(IOFailure) {
            let responder = WebResponder(
                options: options, limits: limits, table: table, turns: WebTurns(limits),
                feed: EventFeed(options.manager), jobs: try WebJobs(options))
            let listener = try LocalListener(folder: address.folder, name: address.name)
            if let group = address.group { try GroupAccess.open(address, to: group.number) }
            let server = WebServer(listener, responder, address.group)
            try server.start()
            return WebService(server, responder)
        } catch {
            throw Problem(
                .cannotListen,
                "the API cannot be served at \(address.path): \(Problem(error).message)",
                hint: "name another socket with --http unix:PATH, in a folder that is there")
        }
    }

    private static func requireFree(_ address: WebAddress) throws(Problem) {
        let other = try? LocalSocket.connect(
            folder: address.folder, name: address.name, milliseconds: probeMilliseconds)
        guard other == nil else {
            throw Problem(
                .cannotListen, "somebody serves at \(address.path) already",
                hint: "end it, or name another socket with --http unix:PATH")
        }
    }

    /// Ends what goes on, and gives the socket's name back.
    package func stop() {
        responder.feed.stop()
        responder.jobs.stop(milliseconds: Self.stopMilliseconds)
        server.stop(milliseconds: Self.stopMilliseconds)
    }
}
