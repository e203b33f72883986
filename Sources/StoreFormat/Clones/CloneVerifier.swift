internal import System
import SnapshotModel

/// Looks over the clones of a store: their records, what they need, and their areas.
struct CloneVerifier {
    private let store: Store
    private let record: VolumeRecord
    private let repair: Bool
    private(set) var findings: [Finding] = []

    /// - Parameter repair: removes what is unfinished, and puts aside what has lost its record.
    init(_ store: Store, _ record: VolumeRecord, repair: Bool) {
        self.store = store
        self.record = record
        self.repair = repair
    }

    private var format: AreaFormat { AreaFormat(chunkBytes: record.geometry.chunkBytes) }

    /// Checks all clones.
    ///
    /// - Parameters:
    ///   - readsData: also reads every byte that was written to them.
    ///   - proceed: asked before each clone and each piece of data; what it throws ends the check.
    mutating func check(
        readsData: Bool, proceed: () throws(Problem) -> Void
    ) throws(Problem) {
        let survey = try survey()
        for ordinal in survey.unfinished { try mendUnfinished(ordinal) }
        for (ordinal, problem) in survey.doubtful {
            try mendDoubtful(ordinal, problem, isNeeded: survey.needed.contains(ordinal))
        }
        let manifests = survey.clones.isEmpty ? [] : try store.manifests()
        let state = survey.clones.isEmpty ? nil : try StoreReading(store, record).state
        for clone in survey.clones {
            try proceed()
            let base = manifests.first { $0.ordinal == clone.snapshot }
            if base?.id != clone.snapshotID || base?.isDeleted != false {
                report(
                    clone,
                    "its snapshot \(clone.snapshotID) is gone: what it shared with that is lost",
                    remedy: "delete it: \(.cloneDelete(clone.name))")
            } else if state?.isBroken(clone.snapshot) == true {
                report(
                    clone, "its snapshot \(clone.snapshotID) is broken: exceptions were lost",
                    remedy: "delete it: \(.cloneDelete(clone.name))")
            }
            // A layer's damage is that of each clone that reads it.
            for area in try [clone] + layers(of: clone) {
                guard let map = checkArea(area, of: clone), readsData else { continue }
                try read(map, in: area, of: clone, proceed)
            }
        }
    }

    /// The layers of a clone that are there; the others are told.
    private mutating func layers(of clone: CloneRecord) throws(Problem) -> [CloneRecord] {
        var found: [CloneRecord] = []
        for ordinal in clone.layers ?? [] {
            do throws(Problem) { found.append(try store.requireLayer(ordinal)) } catch {
                guard error.isDamage else { throw error }
                report(
                    clone, error.message,
                    remedy: "restore it from a copy of the store, or delete the clone: "
                        + "\(.cloneDelete(clone.name))")
            }
        }
        return found
    }

    /// While it is not known what the running revert copies from, nothing counts as unfinished.
    private func survey() throws(Problem) -> CloneSurvey {
        let revert: RevertRecord?
        do throws(Problem) { revert = try store.runningRevert() } catch {
            // Told of beside the reverts.
            guard error.isDamage || error.code == .newerVersion else { throw error }
            return try CloneSurvey(store, revert: nil).withoutUnfinished
        }
        return try CloneSurvey(store, revert: revert)
    }

    private mutating func report(_ clone: CloneRecord, _ message: String, remedy: Advice) {
        findings.append(
            Finding(.damage, object: "clone \(clone.name)", message: message, remedy: remedy))
    }

    private mutating func mendUnfinished(_ ordinal: CloneOrdinal) throws(Problem) {
        if repair { try store.removeClone(ordinal) }
        findings.append(
            Finding(
                .warning, object: StoreLayout.cloneFolder(ordinal),
                message: "no clone needs it: an unfinished creation or removal"
                    + (repair ? ": repaired" : ""),
                remedy: repair ? nil : "run \(.checkRepair)", isRepairable: true))
    }

    /// A record of a newer version is whole, and stays.
    private mutating func mendDoubtful(
        _ ordinal: CloneOrdinal, _ problem: Problem, isNeeded: Bool
    ) throws(Problem) {
        let folder = StoreLayout.cloneFolder(ordinal)
        guard !isNeeded else {
            findings.append(
                Finding(
                    .damage, object: folder,
                    message:
                        "\(problem.message); clones read it, or a merge copies from it: it stays",
                    remedy: "restore clone.json from a copy of the store (look in lost+found)"))
            return
        }
        let isNewer = problem.code == .newerVersion
        if repair, !isNewer { try store.putAside(folder) }
        let remedy: Advice =
            "restore clone.json from a copy of the store (look in lost+found); else \(.checkRepair) puts "
            + "the folder aside as \(StoreLayout.asidePrefix)…, and its snapshot can be deleted"
        findings.append(
            Finding(
                .damage, object: folder,
                message: "\(problem.message); no snapshot is deleted while it is so"
                    + (repair && !isNewer ? ": put aside" : ""),
                remedy: isNewer ? problem.hint : repair ? nil : remedy, isRepairable: !isNewer))
    }

    /// - Parameter record: the clone's, or that of a layer that it reads.
    private mutating func checkArea(
        _ record: CloneRecord, of clone: CloneRecord
    ) -> ChunkMap? {
        do throws(Problem) {
            let device = try store.openCloneArea(record.ordinal, writable: false)
            let map = try AreaLibrary.read(
                device, format: format, ordinal: record.snapshot,
                volumeBytes: record.volumeBytes)
            let reader = AreaReader(device: device, format: format, originChunkCount: .max)
            let isValid: Bool
            do { isValid = try reader.header().isValid } catch {
                throw Problem(error, area: device.path)
            }
            guard !isValid else { return map }
            report(
                clone, "its area was given up: what was written to it is lost",
                remedy: "delete it: \(.cloneDelete(clone.name))")
        } catch {
            report(
                clone, "\(error.message); its snapshot is whole",
                remedy: error.isDamage
                    ? "restore the area from a copy of the store, or delete it: "
                        + "\(.cloneDelete(clone.name))"
                    : "check the disk and the permissions, then run \(.check()) again")
        }
        return nil
    }

    private mutating func read(
        _ map: ChunkMap, in area: CloneRecord, of clone: CloneRecord,
        _ proceed: () throws(Problem) -> Void
    ) throws(Problem) {
        let device = try store.openCloneArea(area.ordinal, writable: false)
        var buffer = AlignedBuffer(count: 1 << 20)
        for run in map.runs {
            let start = format.offset(of: run.area)
            let end = start + run.count * format.chunkBytes
            for position in stride(from: start, to: end, by: buffer.count) {
                try proceed()
                var bytes = buffer.mutableBytes(in: 0..<min(buffer.count, end - position))
                do throws(IOFailure) { try device.read(into: &bytes, at: position) } catch {
                    return report(
                        clone, "byte \(position) of \(device.path) cannot be read: \(error)",
                        remedy: "check the disk; what was written to the clone there is lost")
                }
            }
        }
    }
}
