internal import Catalog
internal import DeviceMapper
internal import Glibc
internal import Setup
internal import SnapshotModel
internal import System

/// Finds out what an origin is, and who uses it, without a change.
struct OriginLook {
    let path: String
    let status: FileStatus
    let machine: SetupMachine

    /// - Throws: `notFound`, or `failed` when it is neither a file nor a block device.
    init(_ path: String, _ machine: SetupMachine) throws {
        let path = try Paths.fromRoot(path)
        do throws(IOFailure) {
            status = try FileStatus(path: path)
        } catch {
            guard error.isNotFound else { throw error }
            throw Problem(
                .notFound, "the origin \(path) does not exist",
                hint: "check the path; \(.volumeCreate()) with --create-size makes a new image")
        }
        guard status.kind == .file || status.kind == .blockDevice else {
            throw Problem(
                .failed, "the origin \(path) is neither a file nor a block device",
                hint: "name a raw disk image or a block device")
        }
        // A device keeps the name by which it was given: its own may be another one after a restart.
        self.path = status.kind == .file ? try Paths.absolute(path) : path
        self.machine = machine
    }

    private var number: DeviceNumber { DeviceNumber(encoded: status.blockDevice) }

    private var kind: OriginKind {
        get throws {
            guard status.kind == .blockDevice else { return .file }
            let labels = try BlockDevices.labels(number)
            return OriginKind(
                mapperName: labels.mapperName, mapperUUID: labels.mapperUUID,
                isPartition: labels.isPartition, isLoop: labels.isLoop)
        }
    }

    /// - Parameter isNew: whether it is no volume's yet. What a guest writes into a volume must not be taken
    ///   for another format.
    /// - Throws: `refused` for an image of another format than raw, with the command that converts it.
    func facts(isNew: Bool) throws -> OriginFacts {
        let device = try FileDevice(path: path, access: .readOnly)
        let byteCount = try device.byteCount()
        var facts = OriginFacts(path: path, kind: try kind, byteCount: byteCount)
        facts.guestDisks = guestDisks()
        guard isNew else { return facts }
        try ImageFormat.requireRaw(path, byteCount: byteCount)
        let content = try FilesystemKind.detect(device)
        facts.content = try content?.rawValue ?? (hasPartitions(device) ? "partitions" : nil)
        facts.holdsFilesystem = content?.isFilesystem ?? false
        (facts.users, facts.mountPoint) = try users()
        return facts
    }

    private static let sectorBytes = 512

    /// Whether the first sector ends as a table of partitions does, of whatever kind.
    private func hasPartitions(_ device: FileDevice) throws -> Bool {
        guard try device.byteCount() >= Self.sectorBytes else { return false }
        var buffer = AlignedBuffer(count: Self.sectorBytes)
        var bytes = buffer.mutableBytes
        try device.read(into: &bytes, at: 0)
        return buffer.bytes.array.suffix(2) == [0x55, 0xAA]
    }

    private func users() throws -> ([String], mountPoint: String?) {
        guard status.kind == .blockDevice else {
            let file = LoopDevice.BackingFile(device: status.device, inode: status.inode)
            let processes = FileHolder.list(of: file).map { "opened by \($0.process)" }
            return try (processes + LoopDevice.writers(of: file).map { "behind \($0)" }, nil)
        }
        let own = Int(getpid())
        let holders = try DeviceHolder.list(of: number).filter { holder in
            if case .process(let process) = holder { process.id != own } else { true }
        }
        let points = holders.compactMap { holder in
            if case .mount(let point, nil) = holder { point } else { String?.none }
        }
        return (holders.map(\.description), points.first)
    }

    // MARK: libvirt

    private static let definitionBytesMaximum = 1 << 20
    private static let definitionsMaximum = 1000

    /// The disks of libvirt's machines that are this origin. What cannot be read is passed over.
    private func guestDisks() -> [GuestDisk] {
        let folder = FileFolder(path: machine.guestFolder)
        let names = ((try? folder.list("")) ?? []).filter { $0.hasSuffix(".xml") }.sorted()
        return names.prefix(Self.definitionsMaximum).flatMap { name -> [GuestDisk] in
            let bytes = try? folder.readFile(name, limitBytes: Self.definitionBytesMaximum)
            return GuestDisk.all(inDefinition: String(decoding: bytes ?? [], as: UTF8.self))
                .filter(isOrigin)
        }.map { disk in
            var disk = disk
            disk.isRunning =
                (try? Paths.exists("\(machine.guestRunFolder)/\(disk.domain).pid")) ?? false
            return disk
        }
    }

    private func isOrigin(_ disk: GuestDisk) -> Bool {
        guard disk.source.hasPrefix("/") else { return false }
        return (try? FileStatus(path: disk.source))?.isSame(as: status) ?? false
    }
}
