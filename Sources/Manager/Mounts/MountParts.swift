internal import DeviceMapper
internal import Glibc
internal import SnapshotModel
internal import StoreFormat
internal import System
internal import VolumeAccess

/// Makes what a mount of an image's snapshot or clone consists of, from its server to the folder, and ends it
/// in the other order.
struct MountParts {
    private let context: ManagerContext
    private let folder: MountFolder

    init(_ context: ManagerContext) {
        self.context = context
        folder = MountFolder(context.state)
    }

    // MARK: Making

    /// - Parameter record: of a mount of which nothing is there yet; it is filled in, and written before what
    ///   it tells of is made.
    func make(
        _ record: inout MountRecord, on point: MountPoint, _ tools: MountTools
    ) throws {
        try folder.write(record)
        try folder.makeViewFolder(record.number)
        let view = folder.viewPath(record.number)
        let helper = try DetachedProgram(
            [tools.nbdfusePath] + (record.isReadOnly ? ["-r"] : []) + [view, Self.uri(record)],
            logPath: folder.logPath(record.number))
        record.helpers = [helper.identity]
        try folder.write(record)
        try awaitView(view, helper, record)
        let plan = try MountPlan(view, partition: record.partition, record.target.subject)
        if plan.isAlwaysReadOnly { record.isReadOnly = true }
        guard let program = tools.fuse2fsPath else {
            return try mount(&record, plan, view, on: point)
        }
        try ProgramMount(context).begin(&record, plan, view, program)
    }

    private func mount(
        _ record: inout MountRecord, _ plan: MountPlan, _ view: String, on point: MountPoint
    ) throws {
        let loop = try LoopDevice.attach(
            path: view, isReadOnly: record.isReadOnly, directIO: false, label: record.label,
            part: plan.part)
        let attempt = try Self.mount(loop, record, plan, on: point)
        // From now on the device goes with the mount, however that ends.
        try loop.releaseWhenClosed()
        record.filesystem = plan.kind.rawValue
        try folder.write(record)
        if let note = attempt.note { context.advise(note) }
    }

    private static let startMilliseconds = 20_000
    private static let lookMilliseconds = 2

    private func awaitView(
        _ view: String, _ helper: DetachedProgram, _ record: MountRecord
    ) throws {
        let deadline = Deadline(milliseconds: Self.startMilliseconds)
        while (try? FileStatus(path: view))?.kind != .file {
            try context.end.check()
            guard !helper.hasEnded, !deadline.hasPassed else {
                throw Problem(
                    .inputOutput, "\(record.what) cannot be shown as a file: \(helper.lastWords)",
                    hint: "see whether its server, process \(record.server.id), takes clients on "
                        + "\(record.socket)")
            }
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
    }

    private static func mount(
        _ loop: LoopDevice, _ record: MountRecord, _ plan: MountPlan, on point: MountPoint
    ) throws -> MountPlan.Attempt {
        // udev has told Btrfs of every device that it has seen with that UUID.
        if plan.kind == .btrfs { loop.forgetBtrfs() }
        do {
            return try plan.mount(
                loop.path, isReadOnly: record.isReadOnly, record.target.subject, on: point)
        } catch {
            if plan.kind == .btrfs { loop.forgetBtrfs() }
            throw error
        }
    }

    /// The server's export, as libnbd wants it. A clone goes by its volume's name, too: its own alone may be
    /// that of another volume, which would be written to.
    static func uri(_ record: MountRecord) -> String {
        let export =
            record.clone.map { "\(record.volume)@\($0)" }
            ?? ExportName(volume: record.volume, snapshot: record.snapshot).description
        return "nbd+unix:///\(encoded(export))?socket=\(encoded(record.socket))"
    }

    /// RFC 3986, section 2.3.
    private static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            let character = Character(Unicode.Scalar(byte))
            let isPlain =
                byte < 0x80
                && (character.isLetter || character.isNumber || "-._~/".contains(character))
            return isPlain ? String(character) : "%" + byte.padded(to: 2, radix: 16)
        }.joined()
    }

    // MARK: Ending

    /// Whether a mount can be used, was unmounted by hand, or has lost one of its parts.
    func state(of record: MountRecord) -> MountReport.State {
        guard isInUse(record) else { return .broken }
        return isMounted(record) ? .mounted : .unmounted
    }

    /// What cannot be looked at counts as mounted: who may look finds out.
    private func isMounted(_ record: MountRecord) -> Bool {
        guard record.hasLoop else { return ProgramMount(context).isMounted(record) }
        do throws(IOFailure) { return try record.loop(in: folder) != nil } catch {
            return true
        }
    }

    func isWhole(_ record: MountRecord) -> Bool { state(of: record) == .mounted }

    /// Whether its programs are there: what is in doubt counts as there. Locks tell it, which do not depend on
    /// what a unit's process may see of others, and on which mounts there are in its namespace.
    func isInUse(_ record: MountRecord) -> Bool {
        guard record.filesystem != nil else { return false }
        let isServed =
            (try? FileLock.isHeld(
                StoreHolder.fileName, in: FileFolder(path: record.storePath))) ?? true
        guard isServed else { return false }
        let holder = StoreHolder(ofFile: record.storePath + "/" + StoreHolder.fileName)
        guard holder == nil || holder?.processID == record.server.id else { return false }
        guard record.hasLoop || ProgramMount(context).isRunning(record) else { return false }
        return
            (try? DetachedProgram.isRunning(logPath: folder.logPath(record.number))) ?? true
    }

    private static let patienceMilliseconds = 5_000
    private static let forcedMilliseconds = 500

    /// Unmounts it and ends what it was made of.
    ///
    /// - Parameter isForced: for what cannot be used any more: nobody who has files open there is asked.
    /// - Throws: `refused` while somebody uses files on it, or has it mounted elsewhere.
    func end(_ record: MountRecord, isForced: Bool) throws {
        if let loop = try loop(of: record) { try end(loop, record, isForced: isForced) }
        if !record.hasLoop { try ProgramMount(context).end(record, isForced: isForced) }
        let patience = isForced ? Self.forcedMilliseconds : Self.patienceMilliseconds
        try requireWritten(record, milliseconds: patience)
        folder.removeViewFolder(record.number)
        for helper in record.helpers.reversed()
        where !helper.awaitEnd(milliseconds: patience) {
            helper.send(SIGKILL)
        }
        folder.removeLog(record.number)
        try folder.remove(record.number)
        let place = MountServer.Place(
            process: record.server, socket: record.socket, isOwn: record.ownsServer)
        try MountServer(context).endUnlessUsed(place, of: record.volume)
    }

    /// What fuse2fs has not written when it is unmounted, bitmaps among it, it writes before it ends: until then
    /// nothing below it may be ended. The record stays for the next sweep.
    ///
    /// - Throws: `refused` while it is at that.
    private func requireWritten(_ record: MountRecord, milliseconds: Int) throws {
        guard !record.hasLoop, !record.isReadOnly, record.filesystem != nil,
            record.helpers.count > 1, let program = record.helpers.last,
            !program.awaitEnd(milliseconds: milliseconds)
        else { return }
        throw Problem(
            .refused,
            "what was written to \(record.what) is still being stored, by process \(program.id)",
            hint: "wait for it to end: the next `mount` or `umount` tidies up")
    }

    /// - Throws: `refused` when it cannot be told whether there is one: nothing below it may be ended then.
    private func loop(of record: MountRecord) throws -> LoopDevice? {
        guard record.hasLoop else { return nil }
        do throws(IOFailure) { return try record.loop(in: folder) } catch {
            throw Problem(
                .refused, "whether \(record.what) is mounted cannot be told: \(error)",
                hint: "run the command as root, where all of /dev and /sys can be seen")
        }
    }

    private func end(_ loop: LoopDevice, _ record: MountRecord, isForced: Bool) throws {
        let points = try MountTable.points(of: loop)
        for point in points {
            let flags = UMOUNT_NOFOLLOW | (isForced ? MNT_DETACH : 0)
            guard umount2(point, Int32(flags)) == 0 || isForced else {
                throw Self.refusal(errno, point)
            }
        }
        do throws(IOFailure) { try loop.releaseWhenClosed() } catch {
            // It has gone with its filesystem.
            guard error.code == ENXIO else { throw error }
        }
        // Whoever stood in what an earlier sweep has taken away may stand there for days: it is not waited for.
        let patience =
            !isForced ? Self.patienceMilliseconds : points.isEmpty ? 0 : Self.forcedMilliseconds
        guard loop.awaitRelease(milliseconds: patience) else {
            throw Problem(
                .refused, "\(record.what) is still mounted or open elsewhere, as \(loop.path)",
                hint: "see who has it with `fuser -v \(loop.path)`, then run the command again")
        }
        if record.filesystem == FilesystemKind.btrfs.rawValue { loop.forgetBtrfs() }
    }

    /// Why a folder cannot be unmounted.
    static func refusal(_ code: Int32, _ path: String) -> Problem {
        let failure = IOFailure("unmount", path: path, code: code)
        guard code == EBUSY else { return Problem(.failed, failure.description) }
        return Problem(
            .refused, "\(failure): somebody uses files on it",
            hint: "see who with `fuser -vm \(path)`, then run the command again")
    }
}

extension MountRecord {
    /// The loop device that is mounted; nil when there is none for certain.
    func loop(in folder: MountFolder) throws(IOFailure) -> LoopDevice? {
        // As the kernel has it: without symbolic links.
        try LoopDevice.labelled(label, ofFile: folder.realViewPath(number))
    }
}
