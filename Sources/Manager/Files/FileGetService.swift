internal import Catalog
internal import FileSystems
internal import Glibc
package import SnapshotModel
internal import System

/// What is to be brought back, and where to.
package struct FileGetRequest: Hashable, Sendable {
    /// A snapshot, a clone, or the live volume.
    package var reference: String
    package var paths: [String]
    package var folder: String
    package var overwrites: Bool
    package var isDryRun: Bool
    package var partition: Int?

    package init(
        reference: String, paths: [String], folder: String, overwrites: Bool = false,
        isDryRun: Bool = false, partition: Int? = nil
    ) {
        self.reference = reference
        self.paths = paths
        self.folder = folder
        self.overwrites = overwrites
        self.isDryRun = isDryRun
        self.partition = partition
    }
}

/// What was brought back, or would be.
package struct FileGetReport: Hashable, Sendable {
    /// The snapshot, or the one that a clone began as.
    package var snapshot: SnapshotID?
    /// The clone's name; nil when it is none.
    package var clone: String?
    package var volume: String
    package var folder: String
    package var isDryRun: Bool
    package var counts: FileCounts
    package var skipped: [FileFlaw]
    /// Why it ended before all was brought, where some of it was.
    package var failure: Problem?
}

extension FileGetReport: JSONConvertible {
    package var json: JSONValue {
        [
            "get": [
                "snapshot_id": JSONValue(snapshot), "clone": JSONValue(clone),
                "volume": JSONValue(volume), "directory": JSONValue(folder),
                "dry_run": JSONValue(isDryRun),
                "files": JSONValue(counts.files), "folders": JSONValue(counts.folders),
                "links": JSONValue(counts.links), "hard_links": JSONValue(counts.hardLinks),
                "others": JSONValue(counts.others), "bytes": JSONValue(counts.bytes),
                "skipped": JSONValue(skipped), "error": JSONValue(failure?.message),
            ]
        ]
    }
}

/// Brings files and trees back from a snapshot.
package struct FileGetService {
    let context: ManagerContext

    /// - Throws: `notFound` when nothing has one of the paths, `exists` when a name is taken; nothing was written
    ///   then. What fails when some of it was brought is told in the report.
    package func get(_ request: FileGetRequest) throws -> FileGetReport {
        let folder = try Paths.absolute(request.folder)
        return try FileAccess(context: context).withFileSystem(
            request.reference, partition: request.partition
        ) { fileSystem, point in
            try context.asJob(.get, of: [point.volume.record.name]) { context in
                let get = try FileGet(context, fileSystem, request, folder)
                var report = FileGetReport(
                    snapshot: point.snapshotID, clone: point.clone?.name,
                    volume: point.volume.record.name, folder: folder, isDryRun: request.isDryRun,
                    counts: FileCounts(), skipped: [])
                try get.run(&report)
                return report
            }
        }
    }

    /// Gives the bytes of one file, its holes as zeroes. Whoever takes those of a snapshot's has all the time that he
    /// wants: between two slices the volume is not kept. What is mounted to be read is mounted once, and does not
    /// keep it either.
    ///
    /// - Throws: `notFound` when nothing has the path, `failed` when that is no file.
    package func read(
        _ reference: String, path: String, partition: Int?, _ onPiece: (RawSpan) throws -> Void
    ) throws {
        guard let snapshot = try snapshot(reference) else {
            return try readAtOnce(reference, path: path, partition: partition, onPiece)
        }
        var position = 0
        while true {
            let bytes = try patiently(position > 0) {
                try slice(of: snapshot, path, partition, from: position, onPiece)
            }
            guard let bytes, !bytes.isEmpty else { return }
            try onPiece(bytes.span.bytes)
            position = position.addingClamped(bytes.count)
        }
    }

    /// Whether what has that name stays as it is: a snapshot, and no clone or live volume.
    package func isFixed(_ reference: String) throws -> Bool { try snapshot(reference) != nil }

    /// A snapshot's number, which means the same one later on; nil for a clone and a live volume, which can change
    /// between two looks.
    private func snapshot(_ reference: String) throws -> String? {
        let point = try FileAccess(context: context).point(reference)
        guard point.clone == nil, let id = point.snapshotID else { return nil }
        return "\(id)"
    }

    private static let sliceBytes = 8 << 20
    /// How long a slice waits for another command that is at work on the volume, and how often it looks.
    private static let patienceMilliseconds = 60_000
    private static let lookMilliseconds = 200

    /// Tries again while another command is at work on the volume: half of a file is of no use.
    private func patiently<Result>(_ isPatient: Bool, _ body: () throws -> Result) throws -> Result
    {
        let deadline = Deadline(milliseconds: Self.patienceMilliseconds)
        while true {
            try context.end.check()
            do { return try body() } catch let problem as Problem where problem.code == .locked {
                guard isPatient, !deadline.hasPassed else { throw problem }
                BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
            }
        }
    }

    /// The bytes from a position on, as many as are held in memory at once; none at the end.
    ///
    /// - Returns: nil when all were given to `onPiece`, for the filesystem is mounted for that.
    private func slice(
        of snapshot: String, _ path: String, _ partition: Int?, from position: Int,
        _ onPiece: (RawSpan) throws -> Void
    ) throws -> [UInt8]? {
        try FileAccess(context: context).withFileSystem(
            snapshot, partition: partition, tells: position == 0
        ) { fileSystem, _ in
            let (node, contents) = try Self.contents(fileSystem, path)
            guard !(fileSystem is MountedFileSystem) else {
                try give(contents, byteCount: node.byteCount, onPiece)
                return nil
            }
            let end = min(node.byteCount, position.addingClamped(Self.sliceBytes))
            guard position < end else { return [] }
            var slice = [UInt8](repeating: 0, count: end - position)
            try contents.forEachPiece(in: position..<end) { offset, piece in
                let place = offset - position
                let count = min(piece.byteCount, slice.count - place)
                piece.extracting(0..<count).withUnsafeBytes {
                    slice.replaceSubrange(place..<place + count, with: $0)
                }
            }
            return slice
        }
    }

    private static func contents(
        _ fileSystem: any SnapshotFileSystem, _ path: String
    ) throws -> (FileNode, FileContents) {
        let (path, node) = try PathLookup(fileSystem).find(NodePath(argument: path))
        do throws(Problem) { return (node, try FileContents(fileSystem, of: node)) } catch {
            throw error.about(path.text)
        }
    }

    /// What can change meanwhile is read in one session.
    private func readAtOnce(
        _ reference: String, path: String, partition: Int?, _ onPiece: (RawSpan) throws -> Void
    ) throws {
        try FileAccess(context: context).withFileSystem(reference, partition: partition) {
            fileSystem, _ in
            let (node, contents) = try Self.contents(fileSystem, path)
            try give(contents, byteCount: node.byteCount, onPiece)
        }
    }

    private func give(
        _ contents: FileContents, byteCount: Int, _ onPiece: (RawSpan) throws -> Void
    ) throws {
        var position = 0
        try contents.forEachPiece { offset, piece in
            try fill(&position, upTo: offset, onPiece)
            try context.end.check()
            try onPiece(piece)
            position = offset + piece.byteCount
        }
        try fill(&position, upTo: byteCount, onPiece)
    }

    private static let zeroes = [UInt8](repeating: 0, count: 64 << 10)

    private func fill(
        _ position: inout Int, upTo end: Int, _ onPiece: (RawSpan) throws -> Void
    ) throws {
        while position < end {
            try context.end.check()
            let count = min(Self.zeroes.count, end - position)
            try onPiece(Self.zeroes.span.bytes.extracting(0..<count))
            position += count
        }
    }
}

/// One request, with all that it names found.
private struct FileGet {
    private let context: ManagerContext
    private let fileSystem: any SnapshotFileSystem
    private let request: FileGetRequest
    private let folder: TargetFolder
    private let items: [(item: TreeWriter.Item, name: FileName)]

    init(
        _ context: ManagerContext, _ fileSystem: any SnapshotFileSystem,
        _ request: FileGetRequest, _ path: String
    ) throws {
        self.context = context
        self.fileSystem = fileSystem
        self.request = request
        guard try Paths.exists(path) else {
            throw Problem(
                .notFound, "the folder \(path) does not exist", hint: "run `mkdir \(path)`")
        }
        folder = try TargetFolder(path: path)
        items = try Self.items(request, fileSystem)
        try requireFree()
    }

    private static func items(
        _ request: FileGetRequest, _ fileSystem: any SnapshotFileSystem
    ) throws -> [(item: TreeWriter.Item, name: FileName)] {
        var items: [(item: TreeWriter.Item, name: FileName)] = []
        for text in request.paths {
            let (path, node) = try PathLookup(fileSystem).find(NodePath(argument: text))
            if let name = path.last, name.isPossible {
                items.append((TreeWriter.Item(node: node, path: path), name))
            } else {
                // The root folder has no name: what is in it is brought.
                items += try fileSystem.entries(of: node.number).filter(\.name.isPossible)
                    .sorted { $0.name < $1.name }
                    .map { entry in
                        let found = try fileSystem.node(entry.number)
                        let inner = path.appending(entry.name)
                        return (TreeWriter.Item(node: found, path: inner), entry.name)
                    }
            }
        }
        return items
    }

    /// Before anything is written.
    private func requireFree() throws {
        var names: Set<FileName> = []
        for (item, name) in items {
            guard names.insert(name).inserted else {
                throw Problem(
                    .usage, "two of the paths end in \(name.text), the second is \(item.path.text)",
                    hint: "bring them to two folders, one by one")
            }
            guard let existing = try existing(name) else { continue }
            guard request.overwrites else { throw TreeWriter.taken(name, folder) }
            if let flaw = TreeWriter.mismatch(existing, item, name, folder) {
                throw Problem(
                    .refused, flaw, hint: "move it away, or bring it to another folder with --to")
            }
        }
    }

    /// Nil also of a name that is too long there: what has it is left out.
    private func existing(_ name: FileName) throws(IOFailure) -> FileStatus? {
        do throws(IOFailure) { return try folder.status(name.bytes) } catch {
            guard error.code == ENAMETOOLONG else { throw error }
            return nil
        }
    }

    func run(_ report: inout FileGetReport) throws {
        guard !request.isDryRun else {
            (report.counts, report.skipped) = try FileTally(context, fileSystem)
                .run(items.map(\.item))
            return
        }
        let writer = TreeWriter(
            fileSystem, into: folder, overwrites: request.overwrites, end: context.end)
        do {
            for (item, name) in items { try writer.write(item, as: name) }
        } catch {
            let problem = TreeWriter.problem(error, folder)
            guard writer.hasPlaced else { throw problem }
            report.failure = problem
        }
        writer.tell(context)
        TreeWriter.tell(context, of: fileSystem)
        (report.counts, report.skipped) = (writer.counts, writer.skipped)
    }
}
