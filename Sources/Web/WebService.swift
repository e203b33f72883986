internal import Glibc
package import SnapshotModel
internal import System

/// The HTTP API of one state folder.
package final class WebService: Sendable {
    private let server: WebServer
    private let responder: WebResponder

    /// How long answers that are under way may take to end, in milliseconds.
    private static let stopMilliseconds = 400
    /// The same of jobs, in milliseconds: what is cut is told as interrupted, and nobody knows what came of it. The service
    /// unit gives the daemon more.
    private static let jobsEndMilliseconds = 60_000
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
                options: options, limits: limits, table: table,
                turns: WebTurns(limits.looks, milliseconds: limits.turnMilliseconds),
                downloads: WebTurns(limits.downloads, milliseconds: limits.turnMilliseconds),
                feed: EventFeed(options.manager), jobs: try WebJobs(options))
            let listener = try LocalListener(folder: address.folder, name: address.name)
            if let group = address.group { try GroupAccess.open(address, to: group.number) }
            let server = WebServer(listener, responder, address.group)
            try server.start()
            return WebService(server, responder)
        } catch {
            throw failure(Problem(error), address)
        }
    }

    private static func failure(_ cause: Problem, _ address: WebAddress) -> Problem {
        Problem(
            .cannotListen, "the API cannot be served at \(address.path): \(cause.message)",
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
            guard error.code == EAGAIN else { throw failure(Problem(error), address) }
        }
        throw Problem(
            .cannotListen, "somebody serves at \(address.path) already",
            hint: "end it, or name another socket with --http unix:PATH")
    }

    /// Ends what goes on, and gives the socket's name back. Jobs are waited for, for a minute at most.
    package func stop() {
        responder.feed.stop()
        responder.jobs.stop(milliseconds: Self.jobsEndMilliseconds)
        server.stop(milliseconds: Self.stopMilliseconds)
    }
}
