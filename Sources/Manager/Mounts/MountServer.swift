internal import Catalog
internal import Glibc
internal import SnapshotModel
internal import StoreFormat
internal import System

/// The server of a volume that is to be mounted: the one that there is, or one that is started for mounts and
/// ends with the last of them.
struct MountServer {
    private let context: ManagerContext
    private let folder: MountFolder

    init(_ context: ManagerContext) {
        self.context = context
        folder = MountFolder(context.state)
    }

    /// How a mount's server is to be reached.
    struct Place {
        var process: ProcessIdentity
        var socket: String
        /// Whether it was started for mounts.
        var isOwn: Bool
    }

    // MARK: Beginning

    /// Finds the server, or starts one.
    ///
    /// - Parameter environment: where `PATH` and `SNAPMGR_NBDKIT_PLUGIN` are.
    func require(_ volume: VolumeRow, environment: [String: String]) throws -> Place {
        let name = volume.record.name
        let own = folder.socketPath(name)
        if let running = try RunningServer.find(name, storePath: volume.storePath) {
            return place(running, own)
        }
        // What would keep it from serving is said in its own words.
        _ = try ServeService(context: context).prepare(
            ServeRequest(volumes: [name], endpoint: .socket(path: own)), environment: environment)
        let server = try DetachedProgram(
            [
                try Paths.absolute("/proc/self/exe"), "serve", name, "--socket", own, "--state",
                try Paths.absolute(context.state.path),
            ], logPath: folder.serverLogPath(name))
        do {
            try awaitServing(server, volume)
        } catch {
            // One that a command started which was killed then may have come first.
            if server.hasEnded,
                let running = try? RunningServer.find(name, storePath: volume.storePath)
            {
                return place(running, own)
            }
            server.identity.send(SIGTERM)
            if server.identity.awaitEnd(milliseconds: Self.endMilliseconds) {
                try? removeFiles(of: name)
            }
            throw error
        }
        return Place(process: server.identity, socket: own, isOwn: true)
    }

    private func place(_ running: RunningServer, _ own: String) -> Place {
        Place(process: running.process, socket: running.socket, isOwn: running.socket == own)
    }

    private static let startMilliseconds = 20_000
    private static let lookMilliseconds = 2

    private func awaitServing(_ server: DetachedProgram, _ volume: VolumeRow) throws {
        let name = volume.record.name
        let deadline = Deadline(milliseconds: Self.startMilliseconds)
        let lock = volume.storePath + "/" + StoreHolder.fileName
        while StoreHolder(ofFile: lock)?.processID != server.identity.id {
            try context.end.check()
            guard !server.hasEnded, !deadline.hasPassed else {
                throw Problem(
                    .inputOutput, "volume \(name) cannot be served: \(server.lastWords)",
                    hint: "see what it says by itself: \(.serve(name))")
            }
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
    }

    // MARK: Keeping

    /// Runs `body`, and has the server that a mount in it starts stay for the next one. It ends with `body`, unless
    /// others use it.
    func keeping<Result>(_ volume: VolumeRow, _ body: () throws -> Result) throws -> Result {
        guard context.devices(of: volume) == nil else { return try body() }
        let result = Swift.Result { try held(volume, body) }
        do {
            try ImageMounts(context).locked(.whileEnding) {
                try endUnlessUsed(of: volume.record.name, storePath: volume.storePath)
            }
        } catch {
            // The next command that mounts meets it.
            context.note(Problem(error).message)
        }
        return try result.get()
    }

    /// Another command that has the lock keeps the server for this one, too.
    private func held<Result>(_ volume: VolumeRow, _ body: () throws -> Result) throws -> Result {
        let lock = try context.acquireLock(at: folder.keepPath(volume.record.name))
        defer { withExtendedLifetime(lock) {} }
        return try body()
    }

    private func isKept(_ volume: String) -> Bool {
        let path = PathHalves(folder.keepPath(volume))
        return (try? FileLock.isHeld(path.name, in: FileFolder(path: path.folder))) ?? false
    }

    // MARK: Ending

    /// As ``endUnlessUsed(_:of:)``, whoever has started it for mounts.
    func endUnlessUsed(of volume: String, storePath: String) throws {
        guard let running = try RunningServer.find(volume, storePath: storePath) else { return }
        let isOwn = running.socket == folder.socketPath(volume)
        try endUnlessUsed(
            Place(process: running.process, socket: running.socket, isOwn: isOwn), of: volume)
    }

    private static let endMilliseconds = 20_000

    /// Ends the server that was started for a volume's mounts when there is none any more.
    func endUnlessUsed(_ place: Place, of volume: String) throws {
        guard place.isOwn, !isKept(volume), try !folder.hasRecords(of: volume) else { return }
        guard !isUsed(place) else {
            return context.note(
                "volume \(volume): the server of its mounts, process \(place.process.id), has other "
                    + "clients, and stays until they have gone")
        }
        // So that nobody finds it any more, also when this command is killed here.
        try Paths.remove(folder.socketPath(volume))
        place.process.send(SIGTERM)
        guard place.process.awaitEnd(milliseconds: Self.endMilliseconds) else {
            return context.note(
                "volume \(volume): the server of its mounts, process \(place.process.id), still ends"
            )
        }
        try removeFiles(of: volume)
    }

    private func removeFiles(of volume: String) throws {
        try Paths.remove(folder.socketPath(volume))
        try Paths.remove(folder.serverLogPath(volume))
    }

    private static let leavingMilliseconds = 500

    /// Whether somebody else has found the server. The one whose mount has ended may be leaving just now.
    private func isUsed(_ place: Place) -> Bool {
        let deadline = Deadline(milliseconds: Self.leavingMilliseconds)
        while RunningServer.hasClients(place.process, on: place.socket) {
            guard !deadline.hasPassed else { return true }
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
        return false
    }

    // MARK: Strays

    /// The volumes for which a server was started and nothing is mounted: the command that was to mount it was
    /// killed before it had a record, or somebody else used the server when the last mount went.
    func strays() throws -> [String] {
        try folder.servedVolumes().filter { volume in try !folder.hasRecords(of: volume) }
    }

    /// Ends them. To be called while nobody else mounts.
    func endStrays() throws {
        for name in try strays() {
            do { try endStray(of: name) } catch {
                context.note(
                    "volume \(name): whether a server was left by its mounts cannot be told: "
                        + Problem(error).message)
            }
        }
    }

    /// Who serves a volume. One that starts has its socket before it has the store, and is waited for.
    private func started(_ row: VolumeRow?, socket: String) throws -> RunningServer? {
        let deadline = Deadline(milliseconds: StoreHolder.patienceMilliseconds)
        while true {
            // Looked at first: it may have taken the store and ended in between.
            let isListening = RunningServer.hasListener(socket)
            let running = try row.flatMap {
                try RunningServer.find($0.record.name, storePath: $0.storePath)
            }
            guard running == nil, isListening, !deadline.hasPassed else { return running }
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
    }

    private func endStray(of name: String) throws {
        let row = try context.catalog.volume(named: name)
        let running = try started(row, socket: folder.socketPath(name))
        guard let running, running.socket == folder.socketPath(name) else {
            guard !RunningServer.hasListener(folder.socketPath(name)) else { return }
            return try removeFiles(of: name)
        }
        // Somebody uses it, and that is no matter of this command.
        guard !RunningServer.hasClients(running.process, on: running.socket) else { return }
        try endUnlessUsed(
            Place(process: running.process, socket: running.socket, isOwn: true), of: name)
    }
}
