internal import Catalog
internal import Settings
internal import SnapshotModel
internal import StoreFormat
internal import System

/// The copies of VMs that a state has: their records, their files, and their locks.
struct MachineCopies {
    private let context: ManagerContext
    private let folder: MountFolder

    init(_ context: ManagerContext) {
        self.context = context
        folder = MountFolder(context.state)
    }

    /// All of them, by name.
    var all: [MachineCopyRecord] {
        get throws { try folder.records(MachineCopyRecord.self).sorted { $0.name < $1.name } }
    }

    func find(_ name: String) throws -> MachineCopyRecord? {
        try all.first { $0.name == name }
    }

    /// Runs `body` while no other command is at work on a copy of this name.
    ///
    /// - Throws: `locked`.
    func locked<Result>(_ name: String, _ body: () throws -> Result) throws -> Result {
        let path = context.state.lockPath(copy: name)
        guard let lock = try context.acquireLock(at: path) else {
            throw Problem(
                .locked,
                "the copy \(name) is used by another command\(context.holder(ofLock: path))",
                hint: "try again when it has ended; see \(.machineList)")
        }
        defer { withExtendedLifetime(lock) {} }
        return try body()
    }

    /// Whether another command is at work on it.
    func isAtWork(_ name: String) -> Bool { context.state.isLocked(copy: name) }

    /// Writes the first record of a copy, before anything of it is there.
    func begin(_ plan: MachineCopyPlan) throws -> MachineCopyRecord {
        try ImageMounts(context).locked {
            let number = try folder.freeNumber(MachineCopyRecord.self)
            let record = MachineCopyRecord(
                number: number, name: plan.name, machine: plan.settings.name,
                setID: plan.rows.first?.setID,
                disks: try plan.rows.map { row in
                    MachineCopyRecord.Disk(
                        volume: row.volume, snapshot: row.id,
                        clone: plan.cloneName(of: row.volume),
                        storePath: try Paths.absolute(try context.volume(row.volume).storePath))
                },
                monitorPath: try Paths.absolute(folder.monitorPath(number)),
                hasNetwork: plan.hasNetwork, hasMemory: plan.memory != nil,
                madeAt: context.clock.now())
            try requireShort(record.monitorPath)
            // Of a copy that had the number before and left something.
            try removeFiles(of: record)
            try write(record)
            return record
        }
    }

    private func requireShort(_ path: String) throws {
        guard path.utf8.count > NBDSocket.pathMaximum else { return }
        throw Problem(
            .refused,
            "the path of its monitor's socket is too long for one, by \(path.utf8.count - NBDSocket.pathMaximum) "
                + "bytes: \(path)",
            hint: "use a state folder with a shorter path")
    }

    /// Replaces its record, durably: its clones outlive a start of the machine.
    func write(_ record: MachineCopyRecord) throws { try folder.writeDurably(record) }

    /// Where its program's words go.
    func logPath(_ record: MachineCopyRecord) throws -> String {
        try Paths.absolute(folder.copyLogPath(record.number))
    }

    /// Forgets it, when all of it has gone.
    func forget(_ record: MachineCopyRecord) throws {
        try ImageMounts(context).locked(.whileEnding) {
            try removeFiles(of: record)
            try folder.remove(record.number, MachineCopyRecord.self)
            for disk in record.disks {
                try MountServer(context).endUnlessUsed(of: disk.volume, storePath: disk.storePath)
            }
        }
    }

    private func removeFiles(of record: MachineCopyRecord) throws {
        try Paths.remove(record.monitorPath)
        try Paths.remove(try logPath(record))
    }
}
