internal import DeviceMapper
internal import FileSystems
internal import SnapshotModel
internal import System

/// The last part of an ordinary user's mount: fuse2fs, which reads an ext2, ext3 or ext4 in the file that shows an
/// export, and shows what is in it to this user alone. The kernel reads nothing of it.
struct ProgramMount {
    private let context: ManagerContext
    private let folder: MountFolder

    init(_ context: ManagerContext) {
        self.context = context
        folder = MountFolder(context.state)
    }

    /// What the table of mounts calls these.
    private static let subtype = "fuse.ext4"

    /// - Throws: `refused` for what root alone can mount.
    func begin(
        _ record: inout MountRecord, _ plan: MountPlan, _ view: String, _ path: String
    ) throws {
        guard plan.kind == .ext4 else {
            throw Problem(
                .refused,
                "\(record.what) holds \(plan.kind.rawValue), which root alone can mount",
                hint:
                    "run the command as root, or write it to a file: \(record.target.subject.export)"
            )
        }
        let options =
            [record.isReadOnly ? "ro,norecovery" : "rw", "fakeroot"]
            + (plan.part.map { ["offset=\($0.lowerBound)"] } ?? [])
        let program = try DetachedProgram(
            [path, "-f", view, record.folder, "-o", options.joined(separator: ",")],
            logPath: folder.programLogPath(record.number))
        record.helpers.append(program.identity)
        try folder.write(record)
        try awaitMount(record, program)
        record.filesystem = plan.kind.rawValue
        try folder.write(record)
        if let note = plan.attempts.first?.note { context.advise(note) }
    }

    private static let startMilliseconds = 20_000
    private static let lookMilliseconds = 2

    private func awaitMount(_ record: MountRecord, _ program: DetachedProgram) throws {
        let deadline = Deadline(milliseconds: Self.startMilliseconds)
        while try !MountTable.isPoint(record.folder, subtype: Self.subtype) {
            try context.end.check()
            guard !program.hasEnded, !deadline.hasPassed else {
                throw Problem(
                    .failed,
                    "\(record.what) cannot be mounted on \(record.folder): \(program.lastWords)",
                    hint: "read its files without a mount: \(.help(["files"])), \(.help(["get"]))")
            }
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
    }

    /// Whether it is there: what is in doubt counts as there.
    func isRunning(_ record: MountRecord) -> Bool {
        (try? DetachedProgram.isRunning(logPath: folder.programLogPath(record.number))) ?? true
    }

    /// The same of what it shows.
    func isMounted(_ record: MountRecord) -> Bool {
        (try? MountTable.isPoint(record.folder, subtype: Self.subtype)) ?? true
    }

    /// Unmounts it, after which the program ends by itself.
    ///
    /// - Throws: `refused` while somebody uses files on it.
    func end(_ record: MountRecord, isForced: Bool) throws {
        guard try MountTable.isPoint(record.folder, subtype: Self.subtype) else { return }
        do throws(IOFailure) {
            try TreeTools.unmount(record.folder, isForced: isForced)
        } catch {
            throw MountParts.refusal(error.code, record.folder)
        }
    }
}
