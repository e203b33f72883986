internal import System
internal import DeviceMapper
internal import Glibc
internal import SnapshotModel

/// An origin that was opened and is to be locked.
struct OriginCandidate {
    let path: String
    let volume: String
    let file: OriginFile
    let identity: OriginIdentity

    init(path: String, volume: String, isWritable: Bool) throws(Problem) {
        self.path = path
        self.volume = volume
        do throws(IOFailure) {
            file = try OriginFile(
                path: path, isWritable: isWritable, followsLink: Self.isDeviceName(path))
            identity = try Self.identity(of: file)
        } catch {
            throw Self.problem(error, path: path, volume: volume)
        }
    }

    /// Devices have many names, and most of them are links that udev keeps.
    private static func isDeviceName(_ path: String) -> Bool {
        path.hasPrefix("/dev/") && (try? FileStatus(path: path))?.kind == .blockDevice
    }

    private static func problem(
        _ failure: IOFailure, path: String, volume: String
    ) -> Problem {
        guard failure.code != ELOOP else {
            return Problem(
                .refused,
                "the origin \(path) of volume \(volume) is a symbolic link: what it leads to was "
                    + "never put under management",
                hint: "to accept it, run \(.volumeSet(volume, origin: path))")
        }
        return Problem(
            failure.isNotFound ? .missing : .failed,
            "the origin of volume \(volume) cannot be opened: \(failure)",
            hint: "check \(path); the snapshots in the store are untouched")
    }

    private static func identity(of file: OriginFile) throws(IOFailure) -> OriginIdentity {
        guard file.status.kind == .blockDevice else {
            return OriginIdentity(
                file: file.status.inode, device: file.status.device,
                bornNanoseconds: file.bornNanoseconds)
        }
        let sectors = try BlockDevices.sizeInSectors(file.path)
        return OriginIdentity(
            blockDevice: BlockDevices.lastingNames(file.number),
            byteCount: sectors.multipliedReportingOverflow(by: 512).partialValue)
    }

    private var backingFile: LoopDevice.BackingFile {
        LoopDevice.BackingFile(device: file.status.device, inode: file.status.inode)
    }

    private var isFile: Bool { file.status.kind == .file }

    // MARK: What it must be

    func requireRecorded(_ recorded: OriginIdentity?) throws(Problem) {
        guard let recorded, !recorded.matches(identity) else { return }
        throw Problem(
            .refused,
            "the origin \(path) of volume \(volume) is another one than recorded: it is "
                + "\(identity), and was \(recorded)",
            hint: "put the right one back, or, when it was moved or restored on purpose, run "
                + "\(.volumeSet(volume, origin: path))")
    }

    /// What is written through a loop device is preserved for nobody.
    func requireNoLoopDevice() throws(Problem) {
        guard isFile else { return }
        let writers = try doing { () throws(IOFailure) in try LoopDevice.writers(of: backingFile) }
        guard let loop = writers.first else { return }
        throw Problem(
            .refused,
            "the origin \(path) of volume \(volume) is open for writing through the loop device "
                + loop, hint: "detach it with `losetup -d \(loop)`, then run the command again")
    }

    // MARK: Locks

    func lock() throws(Problem) {
        guard try !doing({ () throws(IOFailure) in try file.lock() }) else { return }
        throw inUse(file)
    }

    func requireNotLocked() throws(Problem) {
        guard try doing({ () throws(IOFailure) in try file.isContradicted() }) else { return }
        throw inUse(file)
    }

    /// The file behind a loop device is locked as if it were the origin; nil for anything else, and
    /// for a file that cannot be reached from here.
    func lockBacking() throws(Problem) -> OriginFile? {
        guard !isFile else { return nil }
        let found = try doing { () throws(IOFailure) in try LoopDevice.backing(of: file.number) }
        guard let backing = found,
            let file = try? OriginFile(
                path: backing.path, isWritable: false, followsLink: true),
            LoopDevice.BackingFile(device: file.status.device, inode: file.status.inode)
                == backing.file
        else { return nil }
        guard try doing({ () throws(IOFailure) in try file.lock() }) else { throw inUse(file) }
        return file
    }

    /// The kernel's claim on a block device.
    func claim() throws(Problem) -> DeviceClaim? {
        guard !isFile else { return nil }
        do throws(IOFailure) {
            return try DeviceClaim(path: path)
        } catch {
            guard error.code == EBUSY else { throw Problem(error) }
            let holders = DeviceHolder.known(of: file.number).filter { !$0.isProcess(getpid()) }
            throw Problem(
                .refused, "the origin \(path) of volume \(volume) is \(Self.description(holders))",
                hint: "close or unmount it, then run the command again; see `lsblk \(path)`")
        }
    }

    private static func description(_ holders: [DeviceHolder]) -> String {
        holders.isEmpty
            ? "in use, or a part of it is" : holders.map(\.description).joined(separator: ", ")
    }

    /// Who has locked a file, and what to do about it.
    private func inUse(_ file: OriginFile) -> Problem {
        let processes = processes(of: file)
        let who =
            processes.isEmpty
            ? "another process" : processes.map(\.description).joined(separator: ", ")
        let what =
            file.path == path
            ? "the origin \(path) of volume \(volume)"
            : "\(file.path), which lies behind the origin \(path) of volume \(volume),"
        let isOurs =
            file.isFlocked() || processes.contains { Self.ownPrograms.contains($0.program) }
        return Problem(
            isOurs ? .locked : .refused, "\(what) is in use by \(who)",
            hint: "wait until it has ended, or end it, then run the command again; see "
                + "`fuser -v \(file.path)`")
    }

    /// What a snapmgr that has a volume open is called.
    private static let ownPrograms = ["snapmgr", "nbdkit"]

    private func processes(of file: OriginFile) -> [DeviceHolder.RunningProcess] {
        guard file.status.kind == .blockDevice else {
            return FileHolder.list(
                of: LoopDevice.BackingFile(device: file.status.device, inode: file.status.inode)
            ).map(\.process)
        }
        return DeviceHolder.known(of: file.number).compactMap { holder in
            guard case .process(let process) = holder, process.id != Int(getpid()) else {
                return nil
            }
            return process
        }
    }
}

extension OriginFile {
    fileprivate var number: DeviceNumber { DeviceNumber(encoded: status.blockDevice) }
}

extension DeviceHolder {
    fileprivate func isProcess(_ id: pid_t) -> Bool {
        guard case .process(let process) = self else { return false }
        return process.id == Int(id)
    }
}
