import ArgumentParser
import Bus
import Hooks
import Manager
import Settings
import SnapshotModel
import Web

struct DaemonCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "daemon", "Watch the volumes under device-mapper, and serve the message bus and HTTP.",
        discussion: """
            Runs in the foreground until SIGTERM or SIGINT, and ends with 0 then. It keeps room \
            reserved ahead of what the kernel writes for snapshots, prunes as the policy says when a \
            store is below its free-space-floor, and gives a volume's snapshots up before its store is \
            filled to the last byte. It notes at once that a merge has ended or that the kernel has \
            given snapshots up, and does a revert that waits for its volume to be closed. It takes no \
            snapshots by itself: that is tick's. Without it, ticks do the same, once a minute.

            With --bus it is org.snapmgr1 on a message bus, also where the kernel has no device-mapper: \
            clients ask it for snapshots and reverts, and programs that register there are asked to \
            prepare, to come to rest and to go on whenever any command takes a snapshot of their volumes. \
            While there is no bus it does all else, and looks for one again.

            To the webhooks of the configuration it sends what the event log tells, as long as it runs: \
            `snapmgr webhook list` says how far each is.

            With --http it serves an HTTP API on a Unix socket, whose documents are those of --json. Where that cannot \
            be and there is something else to do, it does that, and tries again. Root and \
            the daemon's own user may do everything there; --http-group lets the members of a group connect, \
            too, and --http-role says what they may do.

            With --http tcp:HOST:PORT, which may stand beside a socket, it serves the network by TLS: DIR of --http-tls \
            holds server-cert.pem and server-key.pem, and SIGHUP has them read anew. Whoever shows a token \
            (`snapmgr token create`) may do what its role says; all others get the page's form and nothing else.
            """,
        examples: [
            "daemon", "daemon --bus system", "systemctl enable --now snapmgr-daemon",
            "daemon --http unix",
            "daemon --http unix:/run/snapmgr/http.sock --http-group operators --http-role snapshot",
            "daemon --http unix --http tcp:[::]:8443 --http-tls /etc/snapmgr/tls",
        ],
        exits: [.done, .failed, .usage, .missing, .cannotListen, .locked, .refused])

    @Option(
        help: ArgumentHelp(
            "Serve org.snapmgr1 on a message bus: system, session or an address.",
            valueName: "bus"))
    var bus: String?

    @Option(
        help: ArgumentHelp(
            "Serve the HTTP API: unix:PATH, unix for http.sock in the state folder, or tcp:HOST:PORT.",
            valueName: "address"))
    var http: [String] = []

    @Option(
        help: ArgumentHelp(
            "Serve --http tcp: with the certificate and the key in DIR.", valueName: "dir"),
        completion: .directory)
    var httpTls: String?

    @Flag(help: "Serve --http tcp: without TLS: who listens on the way has tokens and answers.")
    var httpInsecure = false

    @Option(
        help: ArgumentHelp("Let this group's members connect to --http, too.", valueName: "group"))
    var httpGroup: String?

    @Option(
        help: ArgumentHelp(
            "What --http-group may do (default: read).",
            valueName: WebRole.allCases.map(\.word).joined(separator: "|")),
        completion: .list(WebRole.allCases.map(\.word)))
    var httpRole: String?

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        let (sockets, networks) = (http.filter { !isNetwork($0) }, http.filter(isNetwork))
        guard sockets.count <= 1, networks.count <= 1 else {
            throw ValidationError("--http names one Unix socket and one TCP address at most")
        }
        guard !sockets.isEmpty || (httpGroup == nil && httpRole == nil) else {
            throw ValidationError("--http-group and --http-role go with --http unix")
        }
        guard !networks.isEmpty || (httpTls == nil && !httpInsecure) else {
            throw ValidationError("--http-tls and --http-insecure go with --http tcp:HOST:PORT")
        }
    }

    private func isNetwork(_ address: String) -> Bool { NetworkAddress.isMeant(by: address) }

    /// For the jobs of the bus and of HTTP, which have a minute, and for what ends with them.
    private static let endSeconds = 80

    func run(_ context: CommandContext) throws {
        if bus != nil || !http.isEmpty { Interruption.endsWithin(seconds: Self.endSeconds) }
        let state = try context.options().state.path
        let bus = try bus.map { try BusAddress($0, environment: context.environment) }
        let manager = try context.manager()
        var faces = DaemonFaces()
        defer { faces.stop() }
        let web = try webOptions(manager, context, folder: state)
        var refusal: Problem?
        do {
            let needsDevices = bus == nil && web == nil && !hasWebhooks(context)
            try manager.daemon.run(needsDevices: needsDevices) {
                if let web {
                    do throws(Problem) {
                        faces.web = try start(web, mustServe: bus == nil)
                    } catch {
                        refusal = error
                        throw error
                    }
                }
                if let bus {
                    faces.bus = BusStart(busOptions(bus, manager, context, folder: state))
                }
                // Behind what may fail, after which all of it is tried again.
                faces.webhooks = try webhooks(manager, context)
                guard bus == nil else { return }
                context.terminal.note(
                    web.map { "serving HTTP on \($0.places)" }
                        ?? Self.task(needsDevices: needsDevices))
            }
        } catch {
            guard let web, let refusal else { throw error }
            try watch(manager, context, web, &faces, without: refusal)
        }
    }

    /// What is done where nothing is served.
    private static func task(needsDevices: Bool) -> String {
        needsDevices ? "watching the kernel's devices" : "sending events"
    }

    /// Watches the kernel's devices, and sends events, although HTTP is not served yet: without that, no room is reserved
    /// for snapshots.
    ///
    /// - Parameter refusal: why it is not, which is the failure where there are no devices.
    private func watch(
        _ manager: Manager, _ context: CommandContext, _ web: WebOptions,
        _ faces: inout DaemonFaces,
        without refusal: Problem
    ) throws {
        var isWatching = false
        do {
            let needsDevices = !hasWebhooks(context)
            try manager.daemon.run(needsDevices: needsDevices) {
                isWatching = true
                faces.web = try start(web, mustServe: false)
                faces.webhooks = try webhooks(manager, context)
                context.terminal.note(Self.task(needsDevices: needsDevices))
            }
        } catch {
            if isWatching { throw error }
            throw refusal
        }
    }

    private func start(_ web: WebOptions, mustServe: Bool) throws(Problem) -> WebStart {
        let start = try WebStart(web, mustServe: mustServe)
        // Without a certificate SIGHUP ends a daemon, as when its terminal goes.
        if web.network?.certificates != nil { Interruption.onHangUp { start.reload() } }
        return start
    }

    /// What is served while the daemon runs.
    private struct DaemonFaces {
        var bus: BusStart?
        var web: WebStart?
        var webhooks: WebhookDispatch?

        /// Two of them wait for jobs of theirs, at once.
        func stop() {
            web?.beginEnd()
            webhooks?.stop()
            bus?.stop()
            web?.waitForEnd()
        }
    }

    /// Whether there is something to do without devices. What is wrong with the settings is said when they are used.
    private func hasWebhooks(_ context: CommandContext) -> Bool {
        (try? context.settings())?.webhooks.isEmpty == false
    }

    private func webhooks(
        _ manager: Manager, _ context: CommandContext
    ) throws -> WebhookDispatch {
        try manager.webhooks.begin(agent: Version.agent, operation: operation(context))
    }

    private func busOptions(
        _ address: BusAddress, _ manager: Manager, _ context: CommandContext, folder: String
    ) -> BusOptions {
        BusOptions(
            address: address, manager: manager, folder: folder,
            watchdog: WatchdogCommand.ownProgram(BusWatchdogProcess.mode).arguments
                + [address.text],
            version: Version.text, operation: operation(context), onNote: note(context))
    }

    /// Nil when HTTP is not served.
    private func webOptions(
        _ manager: Manager, _ context: CommandContext, folder: String
    ) throws -> WebOptions? {
        guard !http.isEmpty else { return nil }
        let address = try http.first { !isNetwork($0) }.map {
            try WebAddress($0, state: folder, group: httpGroup, role: httpRole)
        }
        let certificates = try httpTls.map { try Paths.absolute($0) }
        let network = try http.first(where: isNetwork).map {
            try NetworkAddress($0, certificates: certificates, isInsecure: httpInsecure)
        }
        return WebOptions(
            address: address, network: network, manager: manager, state: folder,
            version: Version.text,
            operation: operation(context), errorDocument: { ErrorMessage($0).document },
            onNote: note(context))
    }

    private func note(_ context: CommandContext) -> @Sendable (String) -> Void {
        let terminal = context.terminal
        return { terminal.note($0) }
    }

    private func operation(_ context: CommandContext) -> @Sendable () -> Operation {
        let (settings, note) = (context.settingsLoader, note(context))
        return { Operation(settings: settings(), onNote: note) }
    }
}
