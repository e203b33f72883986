internal import Catalog
internal import Glibc
internal import SnapshotModel
internal import System
internal import VolumeAccess

// The file for QEMU's programs.
extension ChangesService {
    func write(_ request: BitmapRequest, _ states: States) throws -> BitmapReport {
        guard let newer = states.newer else {
            throw Problem(
                .refused, "volume \(states.volume) changes while its content is read by a bitmap",
                hint: "take a snapshot, and name that: \(.snapshot(states.volume))")
        }
        let path = try Paths.absolute(request.file)
        try requireFree(path, replaces: request.replaces)
        return try holding(states) { changes in
            let image = try QCOW2Bitmap(
                volumeBytes: changes.heading.volumeBytes, chunkBytes: changes.heading.chunkBytes,
                name: name(of: changes), content: content(request, changes, newer),
                ranges: changes.ranges)
            if !request.isDryRun { try put(image, at: path, replaces: request.replaces) }
            return BitmapReport(
                heading: changes.heading, file: path, fileBytes: image.fileBytes,
                bitmap: image.name, granularity: 1 << image.granularityBits,
                content: image.content, isDryRun: request.isDryRun)
        }
    }

    /// As the export is called that tells the same.
    private func name(of changes: Changes) -> String {
        let (heading, to) = (changes.heading, changes.heading.to.map { "\($0)" } ?? "")
        return "\(heading.volume)@\(heading.from)\(SnapshotPair.separator)\(to)"
    }

    // MARK: The content

    /// Where QEMU's programs read the newer snapshot.
    private func content(
        _ request: BitmapRequest, _ changes: Changes, _ newer: SnapshotRow
    ) throws -> String {
        if let content = request.content { return try given(content, newer) }
        var sockets = ServerSocketLook()
        if let uri = sockets.uri(of: changes.volume, snapshot: newer.id) { return uri }
        if let address = try context.inspector(changes.volume).contentAddress(newer.manifest) {
            return address
        }
        throw Problem(
            .refused,
            "nobody serves volume \(newer.volume) on a socket that can be seen here, so that nothing "
                + "says where the content of snapshot \(newer.id) is to be read",
            hint: "serve it: \(.serve(newer.volume)); or name a copy, or where else it is served, "
                + "with --content: \(.export(newer.id))")
    }

    private func given(_ content: String, _ newer: SnapshotRow) throws -> String {
        guard !content.contains("://") else {
            guard Self.schemes.contains(where: content.hasPrefix) else {
                throw Problem(
                    .usage, "\(content) is no address of an NBD server",
                    hint: "name a raw file, or \(Self.schemes.joined(separator: ", "))...")
            }
            return content
        }
        let path = try Paths.absolute(content)
        try requireCopy(path, newer)
        return path
    }

    private static let schemes = ["nbd://", "nbds://", "nbd+unix://", "nbds+unix://"]

    private func requireCopy(_ path: String, _ newer: SnapshotRow) throws {
        let status: FileStatus
        do throws(IOFailure) { status = try FileStatus(path: path) } catch {
            guard error.isAbsence else { throw error }
            throw Problem(
                .notFound, "there is no file \(path)",
                hint: "make the copy first: \(.export(newer.id))")
        }
        guard status.kind == .file, status.byteCount == newer.volumeBytes else {
            throw Problem(
                .refused,
                "\(path) is no raw copy of snapshot \(newer.id), which has \(newer.volumeBytes) bytes",
                hint: "make one: \(.export(newer.id))")
        }
    }

    // MARK: The file

    private func requireFree(_ path: String, replaces: Bool) throws {
        guard let status = try FileStatus.ofName(path) else { return }
        guard replaces else {
            throw Problem(
                .exists, "\(path) exists already",
                hint: "name a file that does not, or replace it with --force")
        }
        guard status.kind == .file else {
            throw Problem(
                .refused, "\(path) is no file, and is not replaced",
                hint: "name another file")
        }
    }

    /// Under its name it is complete and durable.
    private func put(_ image: QCOW2Bitmap, at path: String, replaces: Bool) throws {
        let (folder, name) = (FileFolder(path: PathHalves(path).folder), PathHalves(path).name)
        let partial = "\(name).\(UInt64.random(in: .min ... .max))\(FileFolder.temporarySuffix)"
        do {
            let file = try folder.createFile(partial, byteCount: image.fileBytes)
            try image.write(to: file) { try context.end.check() }
            try file.sync()
            if replaces {
                // What it is now is what counts: a link or a device stays.
                try requireFree(path, replaces: true)
                try folder.rename(partial, to: name)
                try folder.syncFolder("")
            } else {
                try Paths.renameUnlessTaken("\(folder.path)/\(partial)", to: path)
            }
        } catch {
            try? folder.removeFile(partial)
            throw error
        }
    }
}
