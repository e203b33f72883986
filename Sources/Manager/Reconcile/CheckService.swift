internal import System
internal import Catalog
internal import StoreFormat
package import SnapshotModel
internal import VolumeAccess

/// What a check found in a volume, or in the catalog itself.
package struct CheckReport: Hashable, Sendable {
    package struct Item: Hashable, Sendable {
        /// Nil for the catalog.
        package var volume: String?
        package var finding: Finding
    }

    package var items: [Item]
    package var volumes: [String]

    package var damageCount: Int { items.count { $0.finding.severity == .damage } }
}

/// Looks for damage in stores and in the catalog, and compares the two.
package struct CheckService {
    let context: ManagerContext

    /// - Parameters:
    ///   - names: the volumes; none is all.
    ///   - readsData: also reads all data and, where it can tell, compares it.
    ///   - repairs: mends what can be mended.
    ///   - scrub: how data is read.
    package func check(
        _ names: [String], readsData: Bool, repairs: Bool, scrub: ScrubRequest = ScrubRequest()
    ) throws -> CheckReport {
        let names = try context.members(of: names)
        let job = names.isEmpty ? try context.volumes([]).map(\.record.name) : names
        return try context.asJob(.check, of: job) { context in
            try CheckService(context: context).run(
                names, Depth(readsData: readsData, repairs: repairs, scrub: scrub))
        }
    }

    /// What is looked at, and what is done about it.
    private struct Depth {
        let readsData: Bool
        let repairs: Bool
        let scrub: ScrubRequest
    }

    private func run(_ names: [String], _ depth: Depth) throws -> CheckReport {
        var report = CheckReport(items: try catalogItems(), volumes: [])
        try Reconciler(context).tidy(names)
        let volumes = try context.volumes(names)
        for volume in volumes {
            try context.end.check()
            context.tell(
                OperationProgress(
                    activity: .checking, volume: volume.record.name,
                    amount: .count(done: report.volumes.count, total: volumes.count)))
            let name = volume.record.name
            let findings = try doubtful(volume, repairs: depth.repairs) {
                try findingsOrFailure(volume, depth)
            }
            report.volumes.append(name)
            report.items += findings.map { CheckReport.Item(volume: name, finding: $0) }
        }
        if report.damageCount > 0 {
            try context.log(
                .error, .damageFound, "a check found damage in \(report.damageCount) places")
        }
        return report
    }

    /// Whoever checks a volume doubts its files. What a repair marks is looked for, whatever ends it: so what
    /// is known is forgotten first. And once more behind it, for others may have looked meanwhile.
    private func doubtful<Result>(
        _ volume: VolumeRow, repairs: Bool, _ check: () throws -> Result
    ) throws -> Result {
        guard context.catalog.access == .writable else { return try check() }
        let name = volume.record.name
        if repairs { try context.catalog.forgetLooks(volume: name, waits: true) }
        // A help, and no part of the check.
        defer { try? context.catalog.forgetLooks(volume: name, waits: repairs) }
        return try check()
    }

    /// What cannot be read is a finding, and the others are checked all the same.
    private func findingsOrFailure(
        _ volume: VolumeRow, _ depth: Depth
    ) throws -> [Finding] {
        do {
            return try findings(volume, depth)
        } catch {
            let problem = Problem(error)
            guard [.inputOutput, .corrupt, .newerVersion].contains(problem.code) else {
                throw error
            }
            return [
                Finding(
                    .damage, object: "store", message: problem.message, remedy: problem.hint)
            ]
        }
    }

    private func catalogItems() throws -> [CheckReport.Item] {
        try context.catalog.integrityCheck().map { message in
            CheckReport.Item(
                volume: nil,
                finding: Finding(
                    .damage, object: "catalog", message: message,
                    remedy: "run \(.catalogRebuild)"))
        }
    }

    private func findings(
        _ volume: VolumeRow, _ depth: Depth
    ) throws -> [Finding] {
        let reader: StoreReader
        do {
            reader = try context.reader(volume)
        } catch {
            let problem = Problem(error)
            return [
                Finding(
                    .damage, object: "store", message: problem.message, remedy: problem.hint)
            ]
        }
        // What a killed command has left is not damage: it is finished first.
        if context.isActive(volume) {
            try context.withSession(volume) { _ in }
        }
        let findings =
            try originFindings(volume, reader.record)
            + verify(volume, depth)
        return try findings + compare(volume, reader, repairs: depth.repairs)
    }

    /// What would keep the volume from being opened: another origin, or one that others write to. Of
    /// a volume that is open, its server has seen to that.
    private func originFindings(_ volume: VolumeRow, _ record: VolumeRecord) throws -> [Finding] {
        let place = VolumePlace(record, storePath: volume.storePath)
        let driver = try context.driver(of: volume)
        do {
            guard let problem = try driver.originProblem(place) else {
                return try driver.inspector(at: place).findings()
            }
            return [
                Finding(.damage, object: "origin", message: problem.message, remedy: problem.hint)
            ]
        } catch {
            // Of a cluster that does not answer, all the rest is told.
            guard !record.hasOriginPath else { throw error }
            return [finding(of: error)]
        }
    }

    private func finding(of problem: Problem) -> Finding {
        // What does not answer is not damaged.
        Finding(
            problem.code == .missing ? .warning : .damage, object: "origin",
            message: problem.message, remedy: problem.hint)
    }

    private func verify(
        _ volume: VolumeRow, _ depth: Depth
    ) throws -> [Finding] {
        // Repairing writes, so nobody else may have the volume open.
        let lock = try depth.repairs ? volume.lock() : nil
        defer { withExtendedLifetime(lock) {} }
        var findings: [Finding] = []
        if depth.readsData, !volume.record.hasAreas {
            findings.append(
                Finding(
                    .note, object: "data",
                    message: "its snapshots lie elsewhere, and were not read",
                    remedy: "they are checked there: a cluster scrubs by itself"))
        }
        var origin: (any BlockDevice)?
        do {
            if volume.record.hasOriginPath {
                origin = try FileDevice(path: volume.record.originPath, access: .readOnly)
            }
        } catch {
            findings.append(
                Finding(
                    .damage, object: "origin", message: error.description,
                    remedy: "mount or restore it: the snapshots need it"))
        }
        return try findings
            + StoreVerifier.check(
                store: FileFolder(path: volume.storePath), origin: origin,
                readData: depth.readsData && volume.record.hasAreas,
                repair: depth.repairs,
                mergesByItself: context.driver(of: volume).traits.mergesByItself,
                proceed: context.end.check
            ) { folder, isRepaired, proceed throws(Problem) in
                do {
                    return try scrub(volume, folder, depth.scrub, isRepaired, proceed)
                } catch { throw Problem(error) }
            }
    }

    /// What comparing the areas with their seals has found.
    private func scrub(
        _ volume: VolumeRow, _ folder: any Folder, _ request: ScrubRequest, _ repairs: Bool,
        _ proceed: @escaping () throws(Problem) -> Void
    ) throws -> [Finding] {
        var request = request
        // What an older one has found may have been mended since.
        request.resumesWithinSeconds = 86_400
        let outcome = try ScrubService(context: context).scrub(
            volume, folder, request, repairs: repairs, proceed: proceed)
        let counts = outcome.pass.counts
        var notes: [Finding] = []
        func note(_ message: String, _ remedy: Advice? = nil) {
            notes.append(Finding(.note, object: "data", message: message, remedy: remedy))
        }
        if outcome.isResumed {
            note(
                "this went on with what was begun on \(outcome.pass.begunAt)",
                "--restart begins anew")
        }
        if counts.sealed > 0 {
            note(
                "the areas of \(counts.sealed) snapshots were compared with their seals"
                    + (counts.late > 0
                        ? "; \(counts.late) of them were sealed when they had been there for long"
                        : ""))
        }
        if counts.unsealed > 0 {
            note(
                "the areas of \(counts.unsealed) snapshots have no seals yet: they could be read, and "
                    + "nobody knows what they should hold",
                "they are sealed while the volume is served")
        }
        return outcome.findings + notes
    }

    private func compare(
        _ volume: VolumeRow, _ reader: StoreReader, repairs: Bool
    ) throws -> [Finding] {
        let manifests: [SnapshotManifest]
        do {
            manifests = try reader.manifests()
        } catch {
            // The verifier has said so already.
            return []
        }
        let clones = try compareClones(volume, reader, repairs: repairs)
        let rows = try context.catalog.snapshots(volume: volume.record.name)
        let comparison = CatalogComparison(
            rows: rows.filter { $0.phase == .present }, manifests: manifests,
            labelling: volume.labelling)
        guard repairs, !comparison.isEqual else {
            return clones + comparison.findings(isRepaired: false)
        }
        try RebuildService.readopt(volume, context)
        return clones + comparison.findings(isRepaired: true)
    }

    /// The clones of the catalog are those of the store.
    private func compareClones(
        _ volume: VolumeRow, _ reader: StoreReader, repairs: Bool
    ) throws -> [Finding] {
        let name = volume.record.name
        let stored = try reader.clones()
        let known = try context.catalog.clones(volume: name).map(\.record)
        let different = Set(stored).symmetricDifference(known).map(\.name)
        guard !different.isEmpty else { return [] }
        if repairs { try context.catalog.setClones(volume: name, stored) }
        return Set(different).sorted().map {
            Finding(
                repairs ? .note : .damage, object: "clone \($0)",
                message: "the catalog and the store tell different things of it"
                    + (repairs ? ": mended from the store" : ""),
                remedy: repairs ? nil : "run \(.checkRepair)", isRepairable: true)
        }
    }
}
