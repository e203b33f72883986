internal import System
internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// What is to become of a clone that is made a volume.
package struct PromoteOptions: Hashable, Sendable {
    /// The new image; nil is one beside the volume's, with the new volume's name.
    package var originPath: String?
    /// The new volume's; nil is the clone's.
    package var name: String?
    package var isDryRun: Bool

    package init(originPath: String? = nil, name: String? = nil, isDryRun: Bool = false) {
        self.originPath = originPath
        self.name = name
        self.isDryRun = isDryRun
    }
}

/// A clone that became a volume of its own; of a dry run, one that would.
package struct PromotionReport: Hashable, Sendable {
    package var clone: String
    /// The volume that it was a clone of.
    package var volume: String
    /// The new volume.
    package var name: String
    package var originPath: String
    package var byteCount: Int
    package var isDryRun: Bool
}

extension PromotionReport: JSONConvertible {
    package var json: JSONValue {
        [
            "promoted": [
                "clone": JSONValue(clone), "clone_of": JSONValue(volume), "volume": JSONValue(name),
                "origin": JSONValue(originPath), "size": JSONValue(byteCount),
            ], "dry_run": JSONValue(isDryRun),
        ]
    }
}

// A clone becomes a volume in three steps, each durable before the next: its content in a new image, the volume over
// this, the clone's end. Nobody writes to the clone meanwhile. Cut before the second, the image is nobody's; before
// the third, the clone is there as well, and can be deleted.
extension CloneService {
    /// Makes a clone a volume of its own, with its content in a new image.
    ///
    /// - Throws: `exists` when the image or the name is taken; `refused` while a client has the clone open, or a
    ///   merge copies from it.
    package func promote(
        _ reference: String, _ options: PromoteOptions
    ) throws -> PromotionReport {
        let row = try clone(reference)
        return try context.asJob(.export, of: [row.volume]) { context in
            try CloneService(context: context).promote(row, options)
        }
    }

    private func promote(_ row: CloneRow, _ options: PromoteOptions) throws -> PromotionReport {
        let report = try Reconciler(context).withVolume(row.volume) { volume in
            // It may have gone meanwhile.
            let known = try clone("\(row.volume)@\(row.record.name)")
            let name = options.name ?? known.record.name
            try VolumeService.requireValid(name)
            try requireFreeVolumeName(name, replacing: known)
            try MountHolds(context).requireUnmounted(clone: known.record.name, of: row.volume)
            // Refused for the same reasons as its deletion.
            _ = try context.withSession(volume) { session in
                try session.deleteClone(known.record.name, isDryRun: true)
            }
            return PromotionReport(
                clone: known.record.name, volume: known.volume, name: name,
                originPath: try image(options.originPath, named: name, volume),
                byteCount: known.record.volumeBytes, isDryRun: options.isDryRun)
        }
        guard !options.isDryRun else { return report }
        // Others may change the volume while the image is written, but not the clone. Where the kernel has the
        // clone, commands that change the volume find its store locked until then.
        try context.withSession(try context.volume(row.volume)) { session in
            _ = try ExportService.write(to: report.originPath) { partial in
                let bytes = try session.exportClone(report.clone, path: partial, holds: true)
                try context.end.check()
                return bytes
            }
            try Reconciler(context).withVolume(row.volume) { volume in
                // It may lie elsewhere than it did: it is known by its name.
                let known = try clone("\(row.volume)@\(report.clone)")
                try finish(report, known, volume, session)
            }
        }
        return report
    }

    private func finish(
        _ report: PromotionReport, _ row: CloneRow, _ volume: VolumeRow,
        _ session: any VolumeSession
    ) throws {
        do {
            let record = volume.record
            try VolumeService(context: context).create(
                Self.request(
                    report, record,
                    // It is an image, whatever the volume is that it was a clone of.
                    driver: context.devices(of: volume) == nil
                        ? record.driver : CreateRequest.defaultDriver),
                replacing: row)
        } catch {
            // It is this command's, and nobody has written to it; unless a volume came to be over it.
            let volumes = try context.catalog.volumes().map(\.record.originPath)
            if !volumes.contains(report.originPath) { try? Paths.remove(report.originPath) }
            throw error
        }
        _ = try changing(report.clone, of: volume) { try session.deleteClone(report.clone) }
        try context.log(
            .clonePromoted,
            "clone \(report.clone) of snapshot \(row.record.snapshotID) became volume \(report.name)",
            volume: report.volume, snapshot: row.record.snapshotID)
    }

    private static func request(
        _ report: PromotionReport, _ record: VolumeRecord, driver: DriverName
    ) -> CreateRequest {
        CreateRequest(
            name: report.name, originPath: report.originPath,
            chunkBytes: record.geometry.chunkBytes,
            storeFullPolicy: driver == record.driver ? record.storeFullPolicy : nil,
            driver: driver)
    }

    /// - Parameter clone: the one that may have the name.
    private func requireFreeVolumeName(_ name: String, replacing clone: CloneRow) throws {
        guard try context.catalog.volume(named: name) == nil || name != clone.record.name else {
            throw Problem(
                .exists,
                "there is a volume \(name) already; if an earlier promotion has made it and was cut, the clone "
                    + "is not needed any more",
                hint:
                    "see \(.volumeShow(name)); then delete the clone with \(.cloneDelete(name)), or choose "
                    + "another name with --name")
        }
        try context.requireFreeVolumeName(name, replacing: clone)
    }

    private func image(_ path: String?, named name: String, _ volume: VolumeRow) throws -> String {
        let origin = volume.record.originPath
        guard path != nil || !origin.hasPrefix("/dev/") else {
            throw Problem(
                .usage, "volume \(volume.record.name) is no file: there is no place beside it",
                hint: "say where the new image shall be, with --origin")
        }
        let path = try Paths.absolute(
            path ?? "\(PathHalves(origin).parent ?? "")/\(name).img")
        guard try !Paths.exists(path) else {
            throw Problem(
                .exists, "\(path) exists already",
                hint:
                    "name a file that does not, with --origin; if an earlier promotion has left it, remove it"
            )
        }
        return path
    }
}
