import ArgumentParser
import Glibc
import Manager
import SnapshotModel

struct ServeCommandLine: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "serve", "Serve volumes over NBD, in the foreground.",
        discussion: """
            Exports are called VOL (read and write) and VOL@ID or VOL@NAME (read-only). VOL@A..B is \
            snapshot B, and its block status tells as holes that do not read as zeroes what is as in \
            snapshot A. A volume \
            under device-mapper must be active: run `snapmgr activate VOL`; its device is open \
            while a client is connected. Without --socket and --listen, the socket is nbd.sock in \
            the state folder. Sockets that systemd has opened are taken over. The server is nbdkit \
            with snapmgr's plugin. On SIGHUP it takes up volumes that are new and forgets those that \
            are gone; on SIGTERM it ends without any error to its clients.

            DIR of --tls holds ca-cert.pem, server-cert.pem and server-key.pem, and ca-crl.pem if \
            certificates were revoked. Only clients with a certificate that this authority has \
            signed are served. With --tls-anonymous, connections are encrypted, but no client needs \
            a certificate: everybody who can connect reads and writes. On TCP without --tls, \
            everybody who can connect, every user of this machine among them, reads and writes, \
            and can be listened to: that is refused without --insecure-tcp.

            With --write-back, a first write to an image is answered when it is in a log in the \
            store: a server that is killed loses none, and a power cut none that was flushed. It is \
            preserved and brought into the image behind its answer. Without it the settings say so: \
            write-back in snapmgr.toml.
            """,
        examples: [
            "serve data", "serve --socket /run/snapmgr/nbd.sock", "serve data --write-back 64MiB",
            "serve data --listen 0.0.0.0:10809 --tls /etc/snapmgr/tls",
        ],
        exits: [.done, .failed, .usage, .notFound, .missing, .cannotListen, .locked, .refused])

    @Argument(
        help: ArgumentHelp("The volumes; without any, images and active ones.", valueName: "vol"),
        completion: Candidates.volumes)
    var volumes: [String] = []

    @Option(help: ArgumentHelp("Listen on a Unix socket (mode 0600).", valueName: "path"))
    var socket: String?

    @Option(
        help: ArgumentHelp("Listen on TCP; ADDR:PORT, [ADDR]:PORT or ADDR.", valueName: "addr:port")
    )
    var listen: ListenAddress?

    @Option(
        help: ArgumentHelp(
            "Require TLS, and clients with a certificate of the authority in DIR.",
            valueName: "dir"))
    var tls: String?

    @Flag(help: "With --tls: encrypt only, and serve everybody who can connect.")
    var tlsAnonymous = false

    @Flag(
        name: .customLong("insecure-tcp"),
        help: "Serve TCP without TLS: everybody who can connect reads and writes.")
    var insecureTCP = false

    @Option(help: "Answer with so many threads per connection.")
    var threads: Int?

    @Option(
        help: ArgumentHelp(
            "Answer first writes to images from a log of SIZE (1 MiB to 2 GiB) in each store, or off.",
            valueName: "size|off"))
    var writeBack: WriteBackArgument?

    @Flag(help: .hidden)
    var listVolumes = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard socket == nil || listen == nil else {
            throw ValidationError("--socket and --listen exclude each other")
        }
        guard !tlsAnonymous || tls != nil else {
            throw ValidationError("--tls-anonymous goes with --tls DIR only")
        }
        guard !insecureTCP || tls == nil else {
            throw ValidationError("--insecure-tcp and --tls exclude each other")
        }
        guard tls?.isEmpty != true else { throw ValidationError("--tls needs a folder") }
        guard threads.map({ (1...256).contains($0) }) ?? true else {
            throw ValidationError("--threads takes a number from 1 to 256")
        }
    }

    func run(_ context: CommandContext) throws {
        // Before anything else is opened.
        let passing = try ServeService.reserveSockets()
        let options = try context.options()
        guard !listVolumes else {
            // A catalog that is not there is no list of nothing: all would be forgotten.
            let lines = try Manager(existing: options).serving.parameters(
                volumes, writeBack: writeBack?.value)
            return Output.write(lines.map { $0 + "\n" }.joined())
        }
        let request = ServeRequest(
            volumes: volumes, endpoint: endpoint(context, options.state),
            tls: tls.map { .init(path: $0, verifiesClients: !tlsAnonymous) },
            allowsInsecureTCP: insecureTCP, threadCount: threads,
            writeBack: writeBack?.value, configPath: global.config)
        let manager = try Manager(options)
        // The server must get the signals that this process keeps back.
        Interruption.uninstall()
        try manager.serving.serve(request, environment: context.environment, passing: passing)
    }

    private func endpoint(
        _ context: CommandContext, _ state: StateFolder
    ) -> ServeRequest.Endpoint {
        if let socket { return .socket(path: socket) }
        if let listen { return .listen(address: listen.address, port: listen.port) }
        if ServeRequest.inheritsSockets(context.environment) { return .inherited }
        return .socket(path: state.defaultSocketPath)
    }
}

/// How first writes are answered, as people write it: `64MiB` or `off`.
struct WriteBackArgument: ExpressibleByArgument {
    let value: WriteBack

    init?(argument: String) {
        guard let value = WriteBack(argument) else { return nil }
        self.value = value
    }
}

/// An address and a port as people write them.
struct ListenAddress: ExpressibleByArgument {
    let address: String
    let port: Int

    /// The port that IANA has given to NBD.
    private static let defaultPort = 10_809

    init?(argument: String) {
        if argument.hasPrefix("[") {
            let parts = argument.dropFirst().split(
                separator: "]", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let port = Self.port(parts[1]) else { return nil }
            (address, self.port) = (String(parts[0]), port)
        } else {
            let name = argument.prefix { $0 != ":" }
            guard !name.isEmpty, let port = Self.port(argument[name.endIndex...]) else {
                return nil
            }
            (address, self.port) = (String(name), port)
        }
    }

    /// Reads `:10809`, or nothing.
    private static func port(_ text: Substring) -> Int? {
        guard !text.isEmpty else { return defaultPort }
        guard text.first == ":", let port = Int(text.dropFirst()), (1...65_535).contains(port)
        else { return nil }
        return port
    }
}
