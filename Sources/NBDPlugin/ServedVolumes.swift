internal import System
internal import SnapshotModel
internal import VolumeAccess
internal import ShellWords

/// All that this server serves: what was asked for on the command line and, from the fork on, the
/// open volumes. SIGHUP has it look again at what there is.
final class ServedVolumes: Sendable {
    /// nbdkit's callbacks have no context but this.
    static let shared = ServedVolumes()

    private let state = Monitored(State())
    private let failures = FailureLog { SystemClock().monotonicNanoseconds() }

    private struct State {
        var arguments: [VolumeArgument] = []
        var volumes: [any ServedVolume] = []
        /// The program, with its arguments, that prints what is to be served now.
        var listing: [String] = []
        /// How long volumes' logs of first writes are to be, by their names; others have none.
        var logs: [String: Int] = [:]
        /// Whether what was asked for is open.
        var isStarted = false
        var isStopped = false
    }

    /// One look at a time.
    private let reloading = WorkLock(.reload)

    /// Notes a volume to serve. `.usage` when the parameter is wrong or repeats one.
    func configure(key: String, value: String) throws(Problem) {
        guard key != "listing" else { return state.withLock { $0.listing.append(value) } }
        if key == "write-back" {
            let log = try LogArgument(value)
            return state.withLock { $0.logs[log.name] = log.bytes }
        }
        guard key == "volume" else {
            throw Problem(
                .usage, "unknown parameter \(key)",
                hint: "known are: volume, listing, write-back")
        }
        let argument = try VolumeArgument(value)
        try state.withLock { state throws(Problem) in
            for other in state.arguments
            where other.name == argument.name || other.storePath == argument.storePath {
                throw Problem(.usage, "\(argument) and \(other) name the same volume")
            }
            state.arguments.append(argument)
        }
    }

    /// Whether what is to be served is there. Nothing is opened yet: nbdkit may still fork, and
    /// threads and locks do not survive that.
    func check() throws(Problem) {
        for argument in state.withLock(\.arguments) { try argument.check() }
    }

    /// `.usage` when there is nothing to serve.
    func requireVolumes() throws(Problem) {
        guard state.withLock({ !$0.arguments.isEmpty }) else {
            throw Problem(.usage, "no volume to serve", hint: "give one as volume=NAME:STOREPATH")
        }
    }

    /// Opens all volumes, or none.
    func start() throws(Problem) {
        for argument in state.withLock(\.arguments) {
            do throws(Problem) { try start(argument) } catch {
                stop()
                throw error
            }
        }
        state.change { $0.isStarted = true }
    }

    private func start(_ argument: VolumeArgument) throws(Problem) {
        let name = argument.name
        let bytes = state.withLock { $0.logs[name] }
        let volume = try argument.start(writeBackBytes: bytes) { [self] in
            BackgroundThread.start(name: "snapmgr-let-go") { self.forget(name) }
        }
        let isServed = state.withLock { state in
            if !state.isStopped { state.volumes.append(volume) }
            return !state.isStopped
        }
        if !isServed { volume.stop() }
    }

    /// Ends the serving of a volume; clients that have it open get errors from now on.
    private func forget(_ name: String) {
        let volume = state.withLock { state in
            let index = state.volumes.firstIndex { $0.name == name }
            return index.map { state.volumes.remove(at: $0) }
        }
        guard let volume else { return }
        volume.stop()
        NBDKitLog.notice("volume \(name) is not served any more")
    }

    /// A list may be wrong, and what a client has open would fail under it.
    private func forgetUnlessOpen(_ volume: any ServedVolume) {
        guard let clients = volume.clients else { return forget(volume.name) }
        NBDKitLog.warning(
            "volume \(volume.name) is not to be served any more, but \(clients.count) clients have "
                + "it open, the first since \(clients.since): it is served until the next look")
    }

    /// Serves what is new and forgets what is gone, as the listing program tells it. Nobody looks
    /// before all is open: he would open what is about to be.
    func reload() {
        let _: Bool? = state.wait { $0.isStarted || $0.isStopped ? true : nil }
        reloading.during {
            let listing = state.withLock(\.listing)
            let before = known
            do throws(Problem) {
                let lines = try doing { () throws(IOFailure) in
                    try ProgramOutput.lines(of: listing)
                }
                let wanted = try VolumeArgument.listed(lines)
                let logs = try LogArgument.listed(lines)
                // What it has said besides, of settings that cannot be read, say.
                for line in lines where !LogArgument.isParameter(line) {
                    NBDKitLog.warning(line)
                }
                state.withLock { $0.logs = logs }
                // Read now: a volume may have been let go while the program ran.
                for volume in volumes where !wanted.contains(Self.argument(volume)) {
                    forgetUnlessOpen(volume)
                }
                let known = known
                // One that was let go while the program ran is not taken up by an old list.
                for volume in wanted
                where !known.contains(volume) && !before.contains(volume) {
                    startNew(volume)
                }
            } catch {
                NBDKitLog.error("the volumes are served as before: \(error.message)")
            }
        }
    }

    private var known: [VolumeArgument] { volumes.map(Self.argument) }

    private static func argument(_ volume: any ServedVolume) -> VolumeArgument {
        VolumeArgument(name: volume.name, storePath: volume.storePath)
    }

    private func startNew(_ argument: VolumeArgument) {
        do throws(Problem) {
            try argument.check()
            try start(argument)
            NBDKitLog.notice("volume \(argument.name) is served from now on")
        } catch {
            NBDKitLog.error(
                Wording.shell.text("volume \(argument.name) is not served: \(error.sentence)"))
        }
    }

    /// Closes all volumes; the connections have ended by now.
    func stop() {
        let volumes = state.change { state in
            state.isStopped = true
            defer { state.volumes = [] }
            return state.volumes
        }
        for volume in volumes.reversed() { volume.stop() }
    }

    private var volumes: [any ServedVolume] { state.withLock(\.volumes) }

    /// The export for clients that name none: the only volume, when there is one.
    var defaultExport: String? { volumes.count == 1 ? volumes.first?.name : nil }

    /// The exports and what they are: the volumes, their clones, then their snapshots, newest first. What has changed
    /// between two snapshots is not among them: who lists exports looks into each, and there are too many pairs.
    func exports() throws(Problem) -> [(name: ExportName, description: String)] {
        var exports = volumes.map {
            (ExportName(volume: $0.name), ExportDescription.volume($0.name))
        }
        for volume in volumes {
            exports += try volume.readableClones().map { clone in
                (ExportName(volume: clone.name), ExportDescription.clone(clone, of: volume.name))
            }
        }
        for volume in volumes {
            exports += try volume.readableSnapshots().reversed().map { manifest in
                (
                    ExportName(volume: volume.name, snapshot: manifest.id),
                    ExportDescription.snapshot(manifest, of: volume.name)
                )
            }
        }
        return exports
    }

    /// Opens an export for one client. `.notFound`, `.ambiguous`, `.broken` or `.refused` when it
    /// cannot be.
    func open(_ text: String, readOnly: Bool) throws(Problem) -> NBDExport {
        let name = ExportName(text)
        let content: any ExportContent
        if let volume = volumes.first(where: { $0.name == name.volume }) {
            content =
                if let snapshot = name.snapshot {
                    try Self.open(snapshot, of: volume, readOnly: readOnly)
                } else {
                    try volume.openVolume(readOnly: readOnly)
                }
        } else {
            content = try openClone(text, readOnly: readOnly)
        }
        return NBDExport(content, readOnly: readOnly, failures: failures)
    }

    /// What follows a volume's name: one of its clones, one of its snapshots, or two.
    private static func open(
        _ reference: String, of volume: any ServedVolume, readOnly: Bool
    ) throws(Problem) -> any ExportContent {
        let isClone = try volume.readableClones().contains { $0.name == reference }
        return isClone
            ? try volume.openClone(reference, readOnly: readOnly)
            : try volume.openSnapshot(reference)
    }

    /// A clone has its name for itself, as a volume has.
    private func openClone(
        _ text: String, readOnly: Bool
    ) throws(Problem) -> any ExportContent {
        for volume in volumes where try volume.readableClones().contains(where: { $0.name == text })
        {
            return try volume.openClone(text, readOnly: readOnly)
        }
        let known = volumes.map(\.name).joined(separator: ", ")
        throw Problem(
            .notFound,
            text.isEmpty
                ? "a client named no export, and there are several volumes"
                : "there is no export \(text)", hint: "volumes: \(known)")
    }
}
