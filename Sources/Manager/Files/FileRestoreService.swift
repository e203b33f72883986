internal import Catalog
internal import DeviceMapper
internal import FileSystems
internal import SnapshotModel
internal import System
internal import VolumeAccess

/// Puts files and trees of a snapshot back where they were, in the mounted filesystem of the volume.
package struct FileRestoreService {
    let context: ManagerContext

    /// Each path comes in the place of what is there, which gets another name beside it.
    ///
    /// - Throws: `notFound` when nothing in the snapshot has one of the paths, or its folder is not there any
    ///   more, `refused` when nobody knows where the filesystem is; nothing was written then. What fails when some
    ///   of it was put back is told in the report.
    package func restore(_ request: FileRestoreRequest) throws -> FileRestoreReport {
        try FileAccess(context: context).withFileSystem(
            request.reference, partition: request.partition
        ) { fileSystem, point in
            let (root, device) = try root(request, point)
            return try context.asJob(.restore, of: [point.volume.record.name]) { context in
                var report = FileRestoreReport(
                    snapshot: point.snapshotID, clone: point.clone?.name,
                    volume: point.volume.record.name, root: root, isDryRun: request.isDryRun)
                let restore = try FileRestore(context, fileSystem, request.paths, root, device)
                try restore.run(&report)
                if !request.isDryRun, !report.items.isEmpty { try log(report) }
                return report
            }
        }
    }

    private func log(_ report: FileRestoreReport) throws {
        let paths = report.items.prefix(3).map(\.path.text).joined(separator: ", ")
        try context.log(
            .restored,
            "\(paths)\(report.items.count > 3 ? " and others" : "") were put back to \(report.root)",
            volume: report.volume, snapshot: report.snapshot)
    }

    /// The folder, and the filesystem that it must be of, as far as that is known.
    private func root(
        _ request: FileRestoreRequest, _ point: FilePoint
    ) throws -> (path: String, device: UInt64?) {
        guard point.target != nil else {
            throw Problem(
                .usage, "`\(request.reference)` is the volume as it is",
                hint: "name one of its snapshots, or a clone")
        }
        if let root = request.root {
            return (try MountService.existingFolder(root, for: "put files back to"), nil)
        }
        let name = point.volume.record.name
        let device = try context.devices(of: point.volume)?.number(of: point.volume.place)
        if let device, let path = try MountTable.wholePoint(of: device) { return (path, device) }
        throw Problem(
            .refused, "where the filesystem of volume \(name) is mounted is not known here",
            hint: "name the folder with --to DIR; the paths go on from there")
    }
}

/// One request, with all that it names found before anything is written.
private struct FileRestore {
    private let context: ManagerContext
    private let fileSystem: any SnapshotFileSystem
    private let targets: [Target]

    private struct Target {
        var item: TreeWriter.Item
        var name: FileName
        var folder: TargetFolder
        /// The name that what is there is to get; nil when nothing is.
        var former: FileName?
    }

    /// When it is, as what was there is called by it.
    private let moment: String

    init(
        _ context: ManagerContext, _ fileSystem: any SnapshotFileSystem, _ paths: [String],
        _ root: String, _ device: UInt64?
    ) throws {
        self.context = context
        self.fileSystem = fileSystem
        let found = try paths.map { (text) throws(Problem) in
            try PathLookup(fileSystem).find(NodePath(argument: text))
        }
        try Self.requireApart(found.map { $0.path })
        let moment = String(context.clock.now().description.prefix("2026-11-29T23:59:59".count))
        self.moment = moment
        targets = try found.map { path, node in
            guard let name = path.last, path.names.allSatisfy(\.isPossible) else {
                throw Problem(
                    .usage, "\(path.text) cannot be put back: it has no name of its own",
                    hint: "name what is in it")
            }
            let folder = try Self.folder(of: path, root, device)
            let existing = try folder.status(name.bytes)
            var former: FileName?
            if let existing {
                try Self.requireNoMount(existing, name, folder)
                former = try Self.spareName(name, moment, folder)
            }
            return Target(
                item: TreeWriter.Item(node: node, path: path), name: name, folder: folder,
                former: former)
        }
    }

    /// What another filesystem is mounted on cannot get another name.
    private static func requireNoMount(
        _ existing: FileStatus, _ name: FileName, _ folder: TargetFolder
    ) throws {
        guard try existing.device != folder.ownStatus.device else { return }
        throw Problem(
            .refused, "another filesystem is mounted on \(folder.path)/\(name.text)",
            hint: "unmount it, or bring what the snapshot has elsewhere: \(.help(["get"]))")
    }

    /// What lies in another one of the paths would be put back twice.
    private static func requireApart(_ paths: [NodePath]) throws {
        for (index, path) in paths.enumerated() {
            for other in paths[..<index]
            where path.names.starts(with: other.names) || other.names.starts(with: path.names) {
                throw Problem(
                    .usage, "\(path.text) and \(other.text) are one within the other",
                    hint: "name the outer one alone")
            }
        }
    }

    /// Links on the way are not followed: they may have come after the snapshot. Nor is another filesystem
    /// entered that is mounted there.
    private static func folder(
        of path: NodePath, _ root: String, _ device: UInt64?
    ) throws -> TargetFolder {
        var folder = try TargetFolder(path: root)
        let device = try device ?? folder.ownStatus.device
        try requireFileSystem(device, folder)
        for name in path.names.dropLast() {
            do throws(IOFailure) { folder = try folder.folder(name.bytes) } catch {
                guard error.isAbsence else { throw error }
                throw Problem(
                    .notFound,
                    "\(folder.path)/\(name.text), where \(path.text) was, is no folder any more",
                    hint: "put that back instead, or bring the file elsewhere: \(.help(["get"]))")
            }
            try requireFileSystem(device, folder)
        }
        return folder
    }

    private static func requireFileSystem(_ device: UInt64, _ folder: TargetFolder) throws {
        guard try folder.ownStatus.device != device else { return }
        throw Problem(
            .refused, "another filesystem than the volume's is mounted on \(folder.path)",
            hint:
                "name the folder with --to DIR where the volume's is, or bring the file elsewhere: "
                + "\(.help(["get"]))")
    }

    private static func spareName(
        _ name: FileName, _ moment: String, _ folder: TargetFolder
    ) throws -> FileName {
        for number in 1...100 {
            let end = ".before-restore-\(moment)Z" + (number == 1 ? "" : "-\(number)")
            var spare = name
            spare.bytes += Array(end.utf8)
            guard spare.isUsable else {
                throw Problem(
                    .failed, "\(name.text) is too long for another name beside it",
                    hint: "bring it elsewhere: \(.help(["get"]))")
            }
            if try folder.status(spare.bytes) == nil { return spare }
        }
        throw Problem(
            .exists, "\(folder.path)/\(name.text) has a hundred former ones of this second already",
            hint: "remove some, and run the command again")
    }

    func run(_ report: inout FileRestoreReport) throws {
        guard !report.isDryRun else {
            (report.counts, report.skipped) = try FileTally(context, fileSystem)
                .run(targets.map(\.item))
            report.items = targets.map { item($0, keptAs: $0.former) }
            return
        }
        TreeWriter.tell(context, of: fileSystem)
        for target in targets {
            do { try run(target, &report) } catch {
                let problem = TreeWriter.problem(error, target.folder)
                // What was put back must not go untold: what was there has another name.
                guard !report.items.isEmpty else { throw problem }
                report.failure = problem
                return
            }
        }
    }

    private func run(_ target: Target, _ report: inout FileRestoreReport) throws {
        let writer = TreeWriter(
            fileSystem, into: target.folder, overwrites: false, end: context.end)
        let outcome = try writer.replace(target.item, as: target.name) {
            try Self.spareName(target.name, moment, target.folder)
        }
        report.counts.add(writer.counts)
        report.skipped += writer.skipped
        writer.tell(context)
        switch outcome {
        case .leftOut: return
        case .new: report.items.append(item(target, keptAs: nil))
        case .kept(let former): report.items.append(item(target, keptAs: former))
        }
    }

    private func item(_ target: Target, keptAs name: FileName?) -> FileRestoreReport.Item {
        let path = target.item.path
        return FileRestoreReport.Item(
            path: path,
            keptAs: name.map { NodePath(Array(path.names.dropLast())).appending($0) })
    }
}

extension FileCounts {
    fileprivate mutating func add(_ other: FileCounts) {
        files += other.files
        folders += other.folders
        links += other.links
        hardLinks += other.hardLinks
        others += other.others
        bytes = bytes.addingClamped(other.bytes)
    }
}
