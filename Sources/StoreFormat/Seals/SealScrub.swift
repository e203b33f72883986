package import SnapshotModel
package import System

/// Reads the areas of a store, and compares them with their seals. It needs no lock: what it finds is looked at
/// again by the store as that is then, before it is told.
package struct SealScrub {
    /// What is told to whoever has it done.
    package struct Sinks {
        /// Called before each piece is read, with its size in bytes; what it throws ends the scrub.
        package var proceed: (Int) throws(Problem) -> Void
        /// Gets where the scrub stands, after each piece.
        package var note: (ScrubPosition, ScrubCounts) -> Void
        /// Gets what was found.
        package var found: (Finding) -> Void

        package init(
            proceed: @escaping (Int) throws(Problem) -> Void = { _ in },
            note: @escaping (ScrubPosition, ScrubCounts) -> Void = { _, _ in },
            found: @escaping (Finding) -> Void
        ) {
            self.proceed = proceed
            self.note = note
            self.found = found
        }
    }

    let store: Store
    let record: VolumeRecord
    let chain: ScrubChain
    private let sinks: Sinks
    /// Whether seals that cannot be used are removed, so that they are made anew.
    private let repair: Bool
    private var counts: ScrubCounts

    /// - Parameters:
    ///   - counts: those of the part of the scrub that was done before.
    ///   - repair: removes seals that are damaged. The caller holds the store's lock.
    package init(
        _ folder: any Folder, counts: ScrubCounts = ScrubCounts(), repair: Bool = false,
        sinks: Sinks
    ) throws(Problem) {
        store = Store(folder: folder)
        record = try store.volume()
        chain = try ScrubChain(store, record)
        self.counts = counts
        self.repair = repair
        self.sinks = sinks
    }

    /// The bytes that the areas occupy: what there is to read.
    package func totalBytes() throws(Problem) -> Int {
        var total = 0
        for manifest in chain.manifests {
            guard let area = try? store.openArea(manifest.ordinal, writable: false) else {
                continue
            }
            let bytes = try doing { () throws(IOFailure) in try area.allocatedBytes() }
            total = total.addingClamped(bytes)
        }
        return total
    }

    /// Goes on from a position, or begins.
    ///
    /// - Throws: what `proceed` does; everything else is a finding.
    package mutating func run(from position: ScrubPosition? = nil) throws(Problem) {
        for manifest in chain.manifests {
            let start = position.flatMap { $0.ordinal == manifest.ordinal ? $0 : nil }
            if let position, manifest.ordinal < position.ordinal { continue }
            try scrub(manifest, from: start)
            sinks.note(ScrubPosition(ordinal: manifest.ordinal.next), counts)
        }
    }

    // MARK: An area

    private mutating func scrub(
        _ manifest: SnapshotManifest, from start: ScrubPosition?
    ) throws(Problem) {
        try sinks.proceed(0)
        let area: any BlockDevice
        let map: ChunkMap
        do throws(Problem) {
            area = try store.openArea(manifest.ordinal, writable: false)
            map = try chain.map(manifest)
        } catch {
            return tellUncompared(manifest, error.message)
        }
        guard manifest.ordinal < chain.limit, let seal = usableSeal(of: manifest) else {
            try readAlone(manifest, area, map, start)
            if manifest.ordinal < chain.limit { counts.unsealed += 1 }
            return
        }
        let whole: ChunkMap
        let sealed: ChunkMap
        let needed: ChunkSet?
        do throws(Problem) {
            guard let maps = try maps(seal, manifest, area, map) else { return }
            whole = maps.whole
            sealed = maps.sealed
            needed = try self.needed(of: manifest)
        } catch {
            return tellUncompared(manifest, error.message)
        }
        var check = AreaCheck(manifest, area, sealed, seal, chain.format, needed: needed)
        try read(&check, start)
        if let failure = check.failure {
            return tellUncompared(manifest, "its seal: \(failure.description)")
        }
        if sealed.count < whole.count {
            // What a fold has added and not sealed yet is read all the same.
            try readAlone(manifest, area, whole, nil, only: whole.chunks.subtracting(sealed.chunks))
        }
        counts.sealed += 1
        if seal.header.isLate { counts.late += 1 }
    }

    /// The areas that it is judged by may have gone since the chain was read.
    private func needed(of manifest: SnapshotManifest) throws(Problem) -> ChunkSet? {
        do throws(Problem) { return try chain.needed(of: manifest) } catch {
            return try ScrubChain(store, record).needed(of: manifest)
        }
    }

    private mutating func read(
        _ check: inout AreaCheck, _ start: ScrubPosition?
    ) throws(Problem) {
        let key = check.key
        let from = start?.seal == key ? start : nil
        while check.beginWindow(from) {
            // Who is killed goes on before what was found and not told.
            var told: ScrubPosition?
            while let place = check.place {
                let position = ScrubPosition(
                    ordinal: check.manifest.ordinal, seal: key, window: check.window, place: place)
                if !check.hasSuspects { told = position }
                sinks.note(told ?? position, counts)
                do throws(Problem) { try sinks.proceed(AreaSums.readBytes) } catch {
                    tell(&check)
                    sinks.note(position, counts)
                    throw error
                }
                counts.bytes = counts.bytes.addingClamped(check.step())
            }
            tell(&check)
        }
    }

    /// The map of an area, and that of the exceptions that are sealed; nil when the area is not what was sealed,
    /// which is told.
    private func maps(
        _ seal: AreaSeal, _ manifest: SnapshotManifest, _ area: any BlockDevice, _ map: ChunkMap
    ) throws(Problem) -> (whole: ChunkMap, sealed: ChunkMap)? {
        let header = seal.header
        var whole = map
        var look = try look(seal, manifest, area, whole)
        if !look.isSealed {
            // A fold may have ended between the look at the map and that at the seal.
            whole = try AreaLibrary.read(
                area, format: chain.format, ordinal: manifest.ordinal,
                volumeBytes: manifest.volumeBytes)
            look = try self.look(seal, manifest, area, whole)
        }
        guard look.isSealed else {
            if try isStill(seal, manifest) {
                sinks.found(altered(manifest, seal, isLonger: look.isSame))
            }
            return nil
        }
        guard !header.isGrowing else { return (whole, look.map) }
        let lists = try doing { () throws(IOFailure) in
            try AreaSums.listsChecksum(area, chain.format, count: header.count)
        }
        if lists != header.listsChecksum, try isStill(seal, manifest) {
            sinks.found(
                Finding(
                    .warning, object: "snapshot \(manifest.id)",
                    message: "in its area, bytes were altered that nobody reads: in the header, or "
                        + "behind the end of the list of exceptions",
                    remedy: "check the disk: it may alter others"))
        }
        return (whole, look.map)
    }

    /// What an area has in the place of what was sealed.
    private struct Look {
        /// Of its first exceptions, as many as are sealed.
        var map: ChunkMap
        /// Whether these are the sealed ones.
        var isSame: Bool
        /// Whether there are no others, and their sums are those that were sealed.
        var isSealed: Bool
    }

    private func look(
        _ seal: AreaSeal, _ manifest: SnapshotManifest, _ area: any BlockDevice,
        _ whole: ChunkMap
    ) throws(Problem) -> Look {
        let header = seal.header
        var first = whole
        if header.count < whole.count {
            first = try AreaLibrary.read(
                area, format: chain.format, ordinal: manifest.ordinal,
                volumeBytes: manifest.volumeBytes, limit: header.count)
        }
        let map = first
        guard AreaDigest(map) == header.digest else {
            return Look(map: map, isSame: false, isSealed: false)
        }
        guard header.isGrowing || map.count == whole.count else {
            return Look(map: map, isSame: true, isSealed: false)
        }
        let hasRoot = try doing { () throws(IOFailure) in try seal.hasItsRoot(map) }
        return Look(map: map, isSame: true, isSealed: hasRoot)
    }

    /// Whether the seal is still the area's: a fold that began meanwhile changes both.
    private func isStill(
        _ seal: AreaSeal, _ manifest: SnapshotManifest
    ) throws(Problem) -> Bool {
        let present: AreaSeal?
        do throws(SealFault) { present = try store.seal(manifest.ordinal, of: record) } catch {
            throw Problem(.inputOutput, "its seal cannot be read again")
        }
        return present?.header == seal.header && !isGone(manifest)
    }

    /// Whether the snapshot has been removed since. One whose record cannot be read is there.
    private func isGone(_ manifest: SnapshotManifest) -> Bool {
        do throws(Problem) {
            return try store.finishedManifest(manifest.ordinal)?.id != manifest.id
        } catch { return false }
    }

    /// Nobody knows whether what an area holds is right: that is no all-clear.
    private func tellUncompared(_ manifest: SnapshotManifest, _ cause: String) {
        guard !isGone(manifest) else { return }
        sinks.found(
            Finding(
                .damage, object: "snapshot \(manifest.id)",
                message: "its area could not be compared: \(cause)",
                remedy: "check the disk and the permissions, then check the data again"))
    }

    // MARK: Seals that cannot be used

    /// Nil when there is none that says something of the area.
    private func usableSeal(of manifest: SnapshotManifest) -> AreaSeal? {
        let object = StoreLayout.seal(manifest.ordinal)
        let seal: AreaSeal
        do throws(SealFault) {
            guard let found = try store.seal(manifest.ordinal, of: record) else { return nil }
            seal = found
        } catch {
            switch error {
            case .foreign: return nil
            case .newer(let version):
                sinks.found(
                    Finding(
                        .warning, object: object,
                        message: "it has version \(version), this snapmgr reads up to "
                            + "\(SealFormat.version): the area is not compared with it",
                        remedy: "use the newer snapmgr that wrote it"))
            case .damaged: tellDamaged(manifest, object)
            case .unreadable(let text):
                sinks.found(
                    Finding(
                        .damage, object: object, message: "it cannot be read: \(text)",
                        remedy: "check the disk and the permissions"))
            }
            return nil
        }
        return seal.descent(of: manifest, next: chain.next(after: manifest)) == .foreign
            ? nil : seal
    }

    /// A seal is made anew of what the area holds by then, which is why somebody has to ask for it.
    private func tellDamaged(_ manifest: SnapshotManifest, _ object: String) {
        let isRemoved = repair && (try? store.removeSeals([manifest.ordinal])) != nil
        sinks.found(
            Finding(
                .warning, object: object,
                message: "the seal is damaged: nothing says what the area of snapshot "
                    + "\(manifest.id) held"
                    + (isRemoved
                        ? ": removed, and made anew of what it "
                            + "holds when the volume is served" : ""),
                remedy: isRemoved
                    ? nil
                    : "check the disk, and what the snapshot holds; then run \(.checkRepair), and the "
                        + "area is sealed as it is",
                isRepairable: true))
    }

    // MARK: Without a seal

    /// Whether all of it can be read is all that can be said of an area without a seal.
    private mutating func readAlone(
        _ manifest: SnapshotManifest, _ area: any BlockDevice, _ map: ChunkMap,
        _ start: ScrubPosition?, only chunks: ChunkSet? = nil
    ) throws(Problem) {
        var reader = AreaSums(area, chain.format, map, needed: chunks)
        var (unreadable, isTold) = (0, false)
        let from = start?.seal == 0 ? start : nil
        while reader.beginWindow(from) {
            while let place = reader.place {
                sinks.note(
                    ScrubPosition(
                        ordinal: manifest.ordinal, window: reader.window.lowerBound, place: place),
                    counts)
                try sinks.proceed(AreaSums.readBytes)
                let count = reader.step { _, sum in if sum == nil { unreadable += 1 } }
                counts.bytes = counts.bytes.addingClamped(count)
                guard unreadable > 0, !isTold else { continue }
                isTold = true
                guard !isGone(manifest) else { return }
                sinks.found(
                    Finding(
                        .damage, object: "snapshot \(manifest.id)",
                        message: "its area \(area.path) cannot be read in chunk \(place) or soon "
                            + "after it",
                        remedy: "check the disk; what depends on these bytes is lost unless a "
                            + "mirror has it"))
            }
        }
    }
}

// MARK: - What is told

extension SealScrub {
    /// Tells what was found in a window, if it is so still.
    private func tell(_ check: inout AreaCheck) {
        let suspects = check.takeSuspects()
        guard !suspects.isEmpty else { return }
        let manifest = check.manifest
        let now: ScrubChain
        let confirmed: [ScrubSuspect]
        do throws(Problem) {
            now = try ScrubChain(store, record)
            confirmed = try now.confirm(suspects, of: manifest, store, record)
        } catch {
            return tellUncompared(
                manifest,
                "\(suspects.count) chunks are not what was sealed or cannot be read, and could not be "
                    + "looked at again: \(error.message)")
        }
        for damage in now.damage(confirmed, in: manifest) {
            sinks.found(finding(damage, manifest, check))
        }
    }

    private func finding(
        _ damage: ScrubChain.Damage, _ manifest: SnapshotManifest, _ check: AreaCheck
    ) -> Finding {
        let bytes = damage.ranges.reduce(0) { $0.addingClamped($1.count) }
        let first = damage.ranges.first ?? 0..<0
        let place =
            damage.ranges.count == 1
            ? "bytes \(first.lowerBound) to \(first.upperBound)"
            : "\(ByteCount(bytes)) in \(damage.ranges.count) ranges from byte \(first.lowerBound) on"
        let readers = SealScrub.names(damage.snapshots)
        var finding = Finding(
            .damage, object: "snapshot \(manifest.id)",
            message: "in its area, what it holds of \(place) of the volume "
                + (damage.isUnreadable
                    ? "cannot be read"
                    : "is not what was sealed on \(check.sealedAt)")
                + (damage.snapshots.isEmpty
                    ? "; clones or a merge may need it" : "; snapshots that read it: \(readers)"),
            remedy:
                "restore \(StoreLayout.area(manifest.ordinal)) from a copy of the store, or these "
                + "bytes from a mirror; what else these snapshots hold can be read")
        finding.snapshots = damage.snapshots
        finding.ranges = damage.ranges
        return finding
    }

    private static func names(_ ids: [SnapshotID]) -> String {
        ids.prefix(8).map(\.description).joined(separator: ", ") + (ids.count > 8 ? ", …" : "")
    }

    /// - Parameter isLonger: the sealed exceptions are there, and more.
    private func altered(
        _ manifest: SnapshotManifest, _ seal: AreaSeal, isLonger: Bool
    ) -> Finding {
        let name = StoreLayout.seal(manifest.ordinal)
        let isCertain =
            !isLonger && seal.descent(of: manifest, next: chain.next(after: manifest)) == .certain
        let message =
            isLonger
            ? "its area holds more exceptions than were sealed: a snapmgr that knows no seals has "
                + "moved some there, or the list was altered"
            : isCertain
                ? "the list of exceptions of its area is not what was sealed on "
                    + "\(seal.header.sealedAt): it and older snapshots may read wrong content"
                : "the list of exceptions of its area is not what was sealed: it was altered, or the "
                    + "seal is of another copy of the store"
        var finding = Finding(
            .damage, object: "snapshot \(manifest.id)", message: message,
            remedy: isCertain
                ? "restore the area from a copy of the store, or delete this snapshot and all older "
                    + "ones with \(.delete)"
                : "restore the area from a copy of the store; if you know that it is right, remove "
                    + "\(name): it is sealed as it is")
        finding.snapshots = chain.readers(through: manifest.ordinal)
        return finding
    }
}
