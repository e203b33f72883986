package import System
package import SnapshotModel

/// Looks a store over, file by file, and says what is wrong and what to do; repairs what can be
/// repaired without guessing. The caller holds the store's lock when it repairs.
package struct StoreVerifier {
    let store: Store
    let origin: (any BlockDevice)?
    private let repair: Bool
    private let mergesByItself: Bool
    private let proceed: () throws(Problem) -> Void
    private let scrub: Scrub
    private var findings: [Finding] = []
    /// Areas that were found damaged for certain: given up, or to be given up by `--repair`.
    private var damaged: Set<SnapshotOrdinal> = []

    private init(
        store: Store, origin: (any BlockDevice)?, repair: Bool, mergesByItself: Bool,
        proceed: @escaping () throws(Problem) -> Void, scrub: @escaping Scrub
    ) {
        self.scrub = scrub
        self.store = store
        self.origin = origin
        self.repair = repair
        self.mergesByItself = mergesByItself
        self.proceed = proceed
    }

    /// Checks a store. `readData` also reads every byte that a live snapshot depends on, and tells
    /// which snapshots share bytes with an origin that others have changed.
    ///
    /// - Parameters:
    ///   - mergesByItself: a merge goes on by itself while the volume is up.
    ///   - indexShape: how the index of views is cut.
    ///   - proceed: asked before each snapshot, each map of the index, and each piece of data; what it
    ///     throws ends the check.
    ///   - scrub: compares the areas with their seals, when data is read.
    package static func check(
        store folder: any Folder, origin: (any BlockDevice)?, readData: Bool, repair: Bool,
        mergesByItself: Bool = false, indexShape: IndexShape = .standard,
        proceed: @escaping () throws(Problem) -> Void = {},
        scrub: @escaping Scrub = StoreVerifier.scrubAll
    ) throws(Problem) -> [Finding] {
        var verifier = StoreVerifier(
            store: Store(folder: folder), origin: origin, repair: repair,
            mergesByItself: mergesByItself, proceed: proceed, scrub: scrub)
        let record = try verifier.store.volume()
        let index = try IndexVerifier(
            verifier.store, record, shape: indexShape, proceed: proceed)
        try verifier.checkOrigin(record)
        try verifier.checkWriteBack(record)
        let sound = try verifier.checkSnapshots(record)
        try verifier.checkReverts(record)
        try verifier.checkIndex(index, sound)
        try verifier.checkClones(record, readData)
        if readData { try verifier.readAll(sound, record) }
        return verifier.findings
    }

    /// Reads the areas of a store and returns what was found; it may repair, and asks `proceed` again and again.
    package typealias Scrub =
        (_ folder: any Folder, _ repair: Bool, _ proceed: @escaping () throws(Problem) -> Void)
        throws(Problem) -> [Finding]

    /// All areas, as fast as the disk.
    package static func scrubAll(
        _ folder: any Folder, repair: Bool, proceed: @escaping () throws(Problem) -> Void
    ) throws(Problem) -> [Finding] {
        var findings: [Finding] = []
        var scrub = try SealScrub(
            folder, repair: repair,
            sinks: SealScrub.Sinks(
                proceed: { _ throws(Problem) in try proceed() }, found: { findings.append($0) }))
        try scrub.run()
        return findings
    }

    mutating func report(
        _ severity: Finding.Severity, _ object: String, _ message: String, remedy: Advice? = nil,
        isRepairable: Bool = false
    ) {
        findings.append(
            Finding(
                severity, object: object, message: message, remedy: remedy,
                isRepairable: isRepairable))
    }

    /// Repairs, or says that `--repair` would.
    private mutating func mend(
        _ object: String, _ message: String, severity: Finding.Severity = .warning,
        remedy: Advice = "run \(.checkRepair)",
        by body: () throws(Problem) -> Void
    ) throws(Problem) {
        if repair { try body() }
        report(
            severity, object, message + (repair ? ": repaired" : ""),
            remedy: repair ? nil : remedy, isRepairable: true)
    }

    // MARK: Snapshots

    /// The snapshots whose areas are sound, oldest first, with their chunk maps.
    private mutating func checkSnapshots(
        _ record: VolumeRecord
    ) throws(Problem) -> [(manifest: SnapshotManifest, map: ChunkMap)] {
        var sound: [(manifest: SnapshotManifest, map: ChunkMap)] = []
        var hasLive = false
        // What is repaired is looked up anew.
        let look = repair ? store : store.forOneLook
        let ordinals = try look.snapshotFolders()
        for (ordinal, known) in zip(ordinals, look.soundSnapshots(ordinals, record)) {
            try proceed()
            if let known {
                hasLive = true
                sound.append(known)
                continue
            }
            do throws(Problem) {
                guard let manifest = try look.finishedManifest(ordinal) else {
                    try checkUnfinished(ordinal)
                    continue
                }
                defer { hasLive = hasLive || !manifest.isDeleted }
                if case .cut = try look.removal(of: manifest, isNeeded: hasLive) {
                    let store = store
                    try mend("snapshot folder \(ordinal)", "its removal was not finished") {
                        () throws(Problem) in try store.removeSnapshot(ordinal)
                    }
                    continue
                }
                if let map = try checkArea(manifest, record, look) { sound.append((manifest, map)) }
            } catch {
                report(
                    .damage, "manifest \(ordinal)", error.message,
                    remedy: "restore it from a copy of the store; the other snapshots are whole, "
                        + "as its area is untouched")
            }
        }
        return sound
    }

    /// A folder without a manifest: what is unfinished goes; what holds exceptions stays, for the
    /// manifest may still be found.
    private mutating func checkUnfinished(_ ordinal: SnapshotOrdinal) throws(Problem) {
        let store = store
        let object = "snapshot folder \(ordinal)"
        guard try !store.isUnfinished(ordinal) else {
            return try mend(object, "it has no manifest: an unfinished creation or removal") {
                () throws(Problem) in try store.removeSnapshot(ordinal)
            }
        }
        let manifests = try store.manifests()
        let older = manifests.last { $0.ordinal < ordinal }
        let losers = manifests.filter { $0.ordinal < ordinal && !$0.isDeleted }.map(\.id)
        let loss =
            losers.isEmpty
            ? "no snapshot needs them"
            : "without them, snapshots \(Self.names(losers)) cannot be read"
        let remedy: Advice =
            "restore manifest.json from a copy of the store (look in lost+found); else "
            + "\(.checkRepair) puts the folder aside as "
            + "\(StoreLayout.asidePrefix)… and gives up the snapshots that need it"
        try mend(
            object, "it holds exceptions and has no manifest: \(loss)", severity: .damage,
            remedy: remedy
        ) { () throws(Problem) in
            // The word first: what comes after must not find the older ones whole.
            if let older, !losers.isEmpty {
                try store.writeMark(StoreLayout.brokenMark(older.ordinal))
            }
            try store.putAside(StoreLayout.snapshotFolder(ordinal))
        }
    }

    private static func names(_ ids: [SnapshotID]) -> String {
        ids.prefix(8).map(\.description).joined(separator: ", ") + (ids.count > 8 ? ", …" : "")
    }

    private mutating func checkArea(
        _ manifest: SnapshotManifest, _ record: VolumeRecord, _ look: Store
    ) throws(Problem) -> ChunkMap? {
        let ordinal = manifest.ordinal
        let object = "snapshot \(manifest.id)"
        let format = AreaFormat(chunkBytes: record.geometry.chunkBytes)
        let isBroken = try look.isBroken(ordinal)
        if isBroken || (try? look.isInvalid(ordinal, format)) ?? false {
            // All who have lost something are deleted: the folder waits for its turn to go.
            guard try store.manifests().contains(where: { $0.ordinal <= ordinal && !$0.isDeleted })
            else { return nil }
            let text =
                isBroken
                ? "it and all older snapshots are broken: exceptions were lost"
                : "its area is invalid: it and all older snapshots are broken"
            report(.damage, object, text, remedy: "delete them with \(.delete)")
            return nil
        }
        do throws(Problem) {
            return try AreaLibrary.read(
                look.openArea(ordinal, writable: false), format: format, ordinal: ordinal,
                volumeBytes: manifest.volumeBytes)
        } catch {
            // Only what is certain condemns a chain: a disk may read well the next time.
            guard error.isDamage else {
                report(
                    .damage, object, error.message,
                    remedy: "check the disk and the permissions, then run \(.check()) again")
                return nil
            }
            damaged.insert(ordinal)
            guard !manifest.isDeleted else {
                let store = store
                try mend(object, "its area is damaged, and it is deleted: \(error.message)") {
                    () throws(Problem) in try store.writeMark(StoreLayout.brokenMark(ordinal))
                }
                return nil
            }
            let store = store
            try mend(
                object, "\(error.message); it and all older snapshots cannot be trusted any more"
            ) { () throws(Problem) in try store.writeMark(StoreLayout.brokenMark(ordinal)) }
            return nil
        }
    }

    // MARK: Reverts

    private mutating func checkReverts(_ record: VolumeRecord) throws(Problem) {
        let reader = try StoreReader(folder: store.folder)
        do throws(Problem) {
            let running = try reader.runningRevert()
            for id in try store.revertFolders() where id != running?.id {
                try checkLeftOver(id, isReplaced: running != nil, record)
            }
            guard let running else { return }
            let (store, damaged) = (store, damaged)
            let plan = try reader.plan(of: running, acceptsDamagedClone: true) {
                (ordinal) throws(Problem) in
                if damaged.contains(ordinal) { return true }
                return try store.isBroken(ordinal)
            }
            let merged = try reader.mergedChunks(of: running)
            if plan.isWhole {
                try plan.check(against: running)
            } else {
                try mendPlan(plan, of: running, merged: merged, record)
            }
            let rest = plan.chunks.chunks.subtracting(merged).count
            report(
                .note, "revert \(running.id)",
                mergesByItself
                    ? "its merge of \(running.planChunkCount) chunks is not done"
                    : "its merge has \(rest) of \(running.planChunkCount) chunks to copy",
                remedy: mergesByItself
                    ? "the kernel runs it while the volume is active"
                    : "it goes on when the volume is served, or by \(.mergeResume())")
        } catch {
            report(
                .damage, "reverts", error.message,
                remedy: "the volume's content is a mixture until the merge ends: restore the "
                    + "file from a copy of the store")
        }
    }

    private mutating func checkLeftOver(
        _ id: RevertID, isReplaced: Bool, _ record: VolumeRecord
    ) throws(Problem) {
        let store = store
        let hasRecord = try store.revert(id) != nil
        let isUnfinished = try store.isUnfinished(revert: id)
        guard !hasRecord, !isUnfinished else {
            return try mend("revert \(id)", "its folder is left over") { () throws(Problem) in
                try store.removeRevert(id)
            }
        }
        let hasMerged = try store.hasMerged(id, record.geometry)
        let isMixed = !isReplaced && hasMerged
        let loss =
            isMixed
            ? "its merge has begun, and the origin is a mixture until it ends"
            : "its merge has copied nothing that a later one has not"
        try mend(
            "revert \(id)", "its record is gone: \(loss)", severity: .damage,
            remedy: "restore revert.json from a copy of the store (look in lost+found); else "
                + "\(.checkRepair) puts the folder aside, and the volume opens as it is"
        ) { () throws(Problem) in try store.putAside(StoreLayout.revertFolder(id)) }
    }

    /// The areas that a merge copies from are damaged, and so is the volume's own content. What the
    /// merge can still do is right to do, and the volume can be opened for it.
    private mutating func mendPlan(
        _ plan: RevertPlan, of running: RevertRecord, merged: ChunkSet, _ volume: VolumeRecord
    ) throws(Problem) {
        guard !mergesByItself else { return reportPlan(plan, of: running, volume) }
        let known = plan.chunks.chunks.union(merged).count
        let object = "revert \(running.id)"
        let message =
            "areas that its merge copies from are damaged (\(plan.damagedNames)): of its "
            + "\(running.planChunkCount) chunks \(max(0, running.planChunkCount - known)) keep what "
            + "the volume held before, and others may be newer than snapshot \(running.targetID)"
        guard plan.chunks.count != running.planChunkCount || !plan.readableCloneEntries.isEmpty
        else {
            report(
                .damage, object, message,
                remedy: "let the merge end, then check the volume's content by its own means")
            return
        }
        var record = running
        record.planChunkCount = plan.chunks.count
        record.noteReadable(plan.readableCloneEntries)
        let (store, changed) = (store, record)
        try mend(object, message, severity: .damage) { () throws(Problem) in
            try store.writeRevert(changed)
        }
    }

    /// What the kernel merges from was written for the whole plan, and what users have written in
    /// mid-merge lies where that says: no part of the plan can do without the rest.
    private mutating func reportPlan(
        _ plan: RevertPlan, of running: RevertRecord, _ volume: VolumeRecord
    ) {
        report(
            .damage, "revert \(running.id)",
            "areas that its merge copies from are damaged (\(plan.damagedNames)): the kernel's "
                + "merge cannot be set up again without them, and until it ends the origin is a mixture",
            remedy:
                "if volume \(volume.name) is active, let its merge end before anything else; else "
                + "restore these areas from a copy of the store, then run "
                + "\(.activate(volume.name))")
    }

    // MARK: Clones

    private mutating func checkClones(
        _ record: VolumeRecord, _ readsData: Bool
    ) throws(Problem) {
        var clones = CloneVerifier(store, record, repair: repair)
        try clones.check(readsData: readsData, proceed: proceed)
        findings += clones.findings
    }

    // MARK: Index

    /// What is in the index's way only costs time; a map that says something else than its areas would
    /// be believed, and is removed. One of areas that were altered stays: it alone knows what they were.
    private mutating func checkIndex(
        _ index: IndexVerifier, _ areas: [(manifest: SnapshotManifest, map: ChunkMap)]
    ) throws(Problem) {
        if let problem = index.problem {
            report(
                .damage, StoreLayout.index,
                "the index of views cannot be looked through: \(problem.message); the volume is not "
                    + "served with it",
                remedy: "remove the folder: it is made again")
        }
        // A record that cannot be read is told of elsewhere.
        let revert = (try? store.runningRevert()) ?? nil
        let manifests = (try? store.manifests()) ?? areas.map { $0.manifest }
        let growing = [manifests.last?.ordinal, revert?.safety].compactMap(\.self).min()
        var told: Set<SnapshotID> = []
        for block in index.blocks {
            try proceed()
            let verdict = index.verdict(
                of: block, areas, manifests, growing: growing ?? SnapshotOrdinal(rawValue: 0))
            if let verdict { report(verdict, of: block, &told) }
        }
    }

    /// - Parameter told: the snapshots that were named because their areas were altered.
    private mutating func report(
        _ verdict: IndexVerifier.Verdict, of block: IndexBlock, _ told: inout Set<SnapshotID>
    ) {
        switch verdict {
        case .right: break
        case .useless:
            mend(
                block, "it cannot be used, and is made again when the volume is served",
                severity: .note, remedy: "run \(.checkRepair) to remove it")
        case .wrong:
            mend(
                block,
                "it says something else than the areas of its snapshots: views may show wrong "
                    + "content",
                severity: .damage,
                remedy: "stop whoever serves the volume, then run \(.checkRepair)")
        case .altered(let certain, let doubtful):
            let name = StoreLayout.indexMap(block)
            for id in certain where told.insert(id).inserted { reportAltered(id, name) }
            if let doubtful, told.insert(doubtful).inserted { reportDoubtful(doubtful, name) }
        }
    }

    /// Removes a map, or says that `--repair` would. One that cannot be removed keeps nothing else from
    /// being looked at, and told.
    private mutating func mend(
        _ block: IndexBlock, _ message: String, severity: Finding.Severity, remedy: Advice
    ) {
        let (store, name) = (store, StoreLayout.indexMap(block))
        do throws(Problem) {
            try mend(name, message, severity: severity, remedy: remedy) { () throws(Problem) in
                try store.removeIndexMaps([block])
            }
        } catch {
            report(
                severity == .note ? .warning : severity, name,
                "\(message); it could not be removed: \(error.message)",
                remedy: "check the disk and the permissions, then run \(.checkRepair) again")
        }
    }

    /// Nothing is repaired: without the map, views would show what the area says now.
    private mutating func reportAltered(_ id: SnapshotID, _ name: String) {
        report(
            .damage, "snapshot \(id)",
            "its area was altered after it had frozen: it is not what \(name) was made of. Views "
                + "that are led to it are refused, and others of it and of older snapshots may be "
                + "wrong",
            remedy: "restore the area from a copy of the store, or delete this snapshot and all "
                + "older ones with \(.delete)")
    }

    private mutating func reportDoubtful(_ id: SnapshotID, _ name: String) {
        report(
            .damage, "snapshot \(id)",
            "its area is not what \(name) was made of: it was altered after it had frozen, or that "
                + "map is of another copy of the store. Views that need the two are refused",
            remedy: "restore the area from a copy of the store; if the store itself was put back "
                + "from a copy and went on from there, remove the folder “\(StoreLayout.index)” in it"
        )
    }

    // MARK: Data

    private mutating func readAll(
        _ areas: [(manifest: SnapshotManifest, map: ChunkMap)], _ record: VolumeRecord
    ) throws(Problem) {
        do throws(Problem) { findings += try scrub(store.folder, repair, proceed) } catch {
            // What is wrong with the record was told with it: without it nobody knows which areas are needed.
            guard error.isDamage else { throw error }
            report(
                .warning, "data", "what the snapshots hold was not read: \(error.message)",
                remedy: "mend that first, then check the data again")
        }
        if let origin { try read(origin, 0..<record.geometry.volumeBytes, object: "origin") }
        reportShared(areas, record)
    }

    private mutating func read(
        _ device: any BlockDevice, _ range: Range<Int>, object: String
    ) throws(Problem) {
        var buffer = AlignedBuffer(count: 1 << 20)
        var position = range.lowerBound
        while position < range.upperBound {
            try proceed()
            do throws(IOFailure) {
                guard let data = try device.firstData(in: position..<range.upperBound) else {
                    return
                }
                let count = min(buffer.count, data.count)
                var bytes = buffer.mutableBytes(in: 0..<count)
                try device.read(into: &bytes, at: data.lowerBound)
                position = data.lowerBound + count
            } catch {
                report(
                    .damage, object, "byte \(position) of \(device.path) cannot be read: \(error)",
                    remedy:
                        "check the disk; what depends on these bytes is lost unless a mirror has it"
                )
                return
            }
        }
    }

    /// How many bytes each live snapshot shares with the origin: what a foreign change can reach.
    private mutating func reportShared(
        _ areas: [(manifest: SnapshotManifest, map: ChunkMap)], _ record: VolumeRecord
    ) {
        var own = ChunkSet()
        var notes: [Finding] = []
        for (manifest, map) in areas.reversed() {
            own = own.union(map.chunks)
            guard !manifest.isDeleted else { continue }
            let geometry = Geometry(
                volumeBytes: manifest.volumeBytes, chunkBytes: record.geometry.chunkBytes)
            let shared = max(0, manifest.volumeBytes - own.count * geometry.chunkBytes)
            notes.append(
                Finding(
                    .note, object: "snapshot \(manifest.id)",
                    message: "shares \(ByteCount(shared)) of \(ByteCount(manifest.volumeBytes)) "
                        + "with the origin"))
        }
        findings += notes.reversed()
    }
}
