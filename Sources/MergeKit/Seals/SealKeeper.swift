internal import SnapshotModel
internal import StoreFormat
internal import System

/// Which frozen areas of an open volume have their seals, and the one that is being made.
final class SealKeeper: Sendable {
    private let store: Store
    private let clock: any Clock
    private let reserveBytes: Int
    /// Areas before this one had frozen when the volume was opened.
    private let openedAt: SnapshotOrdinal
    private let state: Monitored<State>

    private struct State {
        /// Areas of which nothing is to be done: they have seals, or cannot have any.
        var settled: Set<SnapshotOrdinal> = []
        var job: SealJob?
        var failures: [SnapshotOrdinal: Int] = [:]
    }

    /// What one look does at most: headers are read for it.
    private static let looksMaximum = 64
    private static let attemptsMaximum = 3

    /// A seal of an area that grows was made of another chain, for instance before this store was copied: it
    /// goes. Where that fails, it is known by what followed its area.
    ///
    /// - Parameter reserveBytes: what seals leave free on the store's filesystem.
    init(_ store: Store, _ chain: ChainState, clock: any Clock, reserveBytes: Int) {
        self.store = store
        self.clock = clock
        self.reserveBytes = reserveBytes
        openedAt = chain.indexLimit
        let known = Set(chain.snapshots.map(\.manifest.ordinal))
        try? store.sweepSeals { $0 >= chain.indexLimit || !known.contains($0) }
        state = Monitored(State())
    }

    /// Goes on with a seal, or begins the next one that is missing, the newest area's first: its bytes are at
    /// hand.
    ///
    /// - Returns: false when nothing is to be done, or nothing can be.
    /// - Throws: when an area cannot be read, or a seal not be written; that area is left alone for a while.
    func step(
        _ record: VolumeRecord, _ chain: ChainState, _ library: AreaLibrary, byteLimit: Int
    ) throws(Problem) -> Bool {
        if var job = state.withLock({ $0.job }) {
            do throws(Problem) {
                let isDone = try job.step(byteLimit: byteLimit)
                state.withLock { state in
                    state.job = isDone ? nil : job
                    if isDone { state.settled.insert(job.ordinal) }
                }
            } catch {
                job.abandon()
                fail(job.ordinal)
                throw error
            }
            return true
        }
        var looks = 0
        for index in chain.snapshots.indices.dropLast().reversed() {
            let manifest = chain.snapshots[index].manifest
            guard manifest.ordinal < chain.indexLimit, isPending(manifest.ordinal),
                !chain.isBroken(manifest.ordinal)
            else { continue }
            looks += 1
            let next = chain.snapshots[index + 1].manifest
            do throws(Problem) {
                guard let job = try job(of: manifest, next: next, record, library) else {
                    state.withLock { _ = $0.settled.insert(manifest.ordinal) }
                    if looks >= Self.looksMaximum { return true }
                    continue
                }
                state.withLock { $0.job = job }
                return true
            } catch {
                fail(manifest.ordinal)
                throw error
            }
        }
        return false
    }

    private func isPending(_ ordinal: SnapshotOrdinal) -> Bool {
        state.withLock { state in
            !state.settled.contains(ordinal)
                && (state.failures[ordinal] ?? 0) < Self.attemptsMaximum
        }
    }

    private func fail(_ ordinal: SnapshotOrdinal) {
        state.withLock { state in
            state.job = nil
            state.failures[ordinal, default: 0] += 1
        }
    }

    /// Nil where a seal is there already, also one that says something else than the area: that is for a check
    /// to tell, and not to be written over.
    private func job(
        of manifest: SnapshotManifest, next: SnapshotManifest, _ record: VolumeRecord,
        _ library: AreaLibrary
    ) throws(Problem) -> SealJob? {
        let isLate = manifest.ordinal < openedAt
        var present: AreaSeal?
        do throws(SealFault) {
            // Most have theirs, and say so in their headers.
            present = try store.seal(manifest.ordinal, of: record, checksSums: false)
            if let seal = present, seal.descent(of: manifest, next: next) != .foreign {
                guard seal.header.isGrowing else { return nil }
                present = try store.seal(manifest.ordinal, of: record)
            }
        } catch {
            switch error {
            case .foreign: present = nil
            case .damaged, .newer: return nil
            case .unreadable(let text):
                // The next time it may be.
                throw Problem(
                    .inputOutput,
                    "the seal of the area of snapshot \(manifest.id) cannot be read: \(text)",
                    hint: "check the disk and the permissions")
            }
        }
        let map = try library.read(manifest)
        if let present, present.descent(of: manifest, next: next) != .foreign {
            return try completion(of: present, manifest, next, map, record)
        }
        guard hasRoom(map.count) else { return nil }
        return try SealJob(
            store, record, manifest, map: map, follower: IndexFollower(next), at: clock.now(),
            isLate: isLate)
    }

    /// The seal of an area that a fold has added to: what was sealed stays as it was sealed.
    private func completion(
        of seal: AreaSeal, _ manifest: SnapshotManifest, _ next: SnapshotManifest,
        _ map: ChunkMap, _ record: VolumeRecord
    ) throws(Problem) -> SealJob? {
        guard hasRoom(map.count), let sealed = try sealedMap(seal, manifest, record, map),
            let sums = try doing({ () throws(IOFailure) in try SealedSums(seal, sealed) })
        else { return nil }
        return try SealJob(
            store, record, manifest, map: map, follower: IndexFollower(next), at: clock.now(),
            isLate: seal.header.isLate || sealed.count < map.count, known: sealed.chunks,
            carried: { sums.sum(of: $0) })
    }

    /// The exceptions that a seal is of; nil when the area has others.
    func sealedMap(
        _ seal: AreaSeal, _ manifest: SnapshotManifest, _ record: VolumeRecord, _ map: ChunkMap
    ) throws(Problem) -> ChunkMap? {
        guard seal.header.count <= map.count else { return nil }
        var sealed = map
        if seal.header.count < map.count {
            sealed = try AreaLibrary.read(
                store.openArea(manifest.ordinal, writable: false),
                format: AreaFormat(chunkBytes: record.geometry.chunkBytes),
                ordinal: manifest.ordinal, volumeBytes: manifest.volumeBytes,
                limit: seal.header.count)
        }
        return AreaDigest(sealed) == seal.header.digest ? sealed : nil
    }

    /// Whether the store's filesystem keeps what it should have for exceptions.
    private func hasRoom(_ count: Int) -> Bool {
        guard let free = try? store.freeBytes() else { return false }
        return free >= reserveBytes.addingClamped(SealFormat.fileBytes(count))
    }

    // MARK: Areas that change

    /// An area is about to grow again, or goes: what is being made of it is given up.
    func forget(_ ordinal: SnapshotOrdinal) {
        let job = state.withLock { state -> SealJob? in
            state.settled.remove(ordinal)
            state.failures[ordinal] = nil
            guard state.job?.ordinal == ordinal else { return nil }
            defer { state.job = nil }
            return state.job
        }
        job?.abandon()
    }

    /// Some areas are gone, and their seals with them. What cannot be removed goes at the next open.
    func removed(_ ordinals: [SnapshotOrdinal]) {
        guard !ordinals.isEmpty else { return }
        for ordinal in ordinals { forget(ordinal) }
        try? store.removeSeals(ordinals)
    }

    /// Notes, durably, that a fold is about to add to an area.
    ///
    /// - Returns: the sums that its seal has; nil when there is none that could be gone on with.
    /// - Throws: `corrupt` when the area is not what was sealed.
    func beginGrowth(
        of manifest: SnapshotManifest, _ record: VolumeRecord, _ map: ChunkMap
    ) throws(Problem) -> FoldSeal? {
        forget(manifest.ordinal)
        guard let seal = try seal(of: manifest, record) else { return nil }
        guard let sealed = try sealedMap(seal, manifest, record, map) else {
            throw altered(manifest, record, "nothing is moved into it")
        }
        let sums = try doing { () throws(IOFailure) in try SealedSums(seal, sealed) }
        if !seal.header.isGrowing {
            var header = seal.header
            header.isGrowing = true
            try store.rewriteSealHeader(header)
        }
        return sums.map { FoldSeal(header: seal.header, known: sealed.chunks, sums: $0) }
    }

    private func altered(
        _ manifest: SnapshotManifest, _ record: VolumeRecord, _ consequence: String
    ) -> Problem {
        Problem(
            .corrupt,
            "the area of snapshot \(manifest.id) of volume “\(record.name)” is not what was "
                + "sealed: \(consequence)",
            hint: "run \(.check(record.name, readsData: true)) to see what can be done")
    }

    /// Nil when there is none, or one of another chain.
    ///
    /// - Throws: when it cannot be used: what it says of the area must be told before anything is moved.
    private func seal(
        of manifest: SnapshotManifest, _ record: VolumeRecord
    ) throws(Problem) -> AreaSeal? {
        let object = "the seal of the area of snapshot \(manifest.id) of volume “\(record.name)”"
        let present: AreaSeal?
        do throws(SealFault) { present = try store.seal(manifest.ordinal, of: record) } catch {
            switch error {
            case .foreign: return nil
            case .damaged:
                throw Problem(
                    .corrupt, "\(object) is damaged: nothing is moved",
                    hint: "run \(.check(record.name, readsData: true)) to see what can be done")
            case .newer(let version):
                throw Problem(
                    .newerVersion, "\(object) has version \(version): nothing is moved",
                    hint: "use the newer snapmgr that wrote it")
            case .unreadable(let text):
                throw Problem(
                    .inputOutput, "\(object) cannot be read: \(text)",
                    hint: "check the disk and the permissions")
            }
        }
        guard let seal = present, seal.header.owner == IndexFollower(manifest) else { return nil }
        return seal
    }

    /// The sums of an area from which a fold takes; nil where it has no seal.
    ///
    /// - Throws: `corrupt` when the area's list is not what was sealed.
    func sums(
        of manifest: SnapshotManifest, _ record: VolumeRecord, _ library: AreaLibrary
    ) throws(Problem) -> SealedSums? {
        guard let seal = try seal(of: manifest, record) else { return nil }
        let map = try library.read(manifest)
        guard let sealed = try sealedMap(seal, manifest, record, map) else {
            throw altered(manifest, record, "nothing is moved from it")
        }
        return try doing { () throws(IOFailure) in try SealedSums(seal, sealed) }
    }

    /// Seals an area to which a fold has added: by what was sealed of it before, and what was sealed of the areas
    /// that the rest came from. Nothing of it is read. Where that fails, it is made in the background.
    func endGrowth(
        of manifest: SnapshotManifest, _ record: VolumeRecord, _ fold: FoldSeal,
        moved: [ChunkIndex: UInt64], areUnsealed: Bool
    ) {
        guard
            let map = try? AreaLibrary.read(
                store.openArea(manifest.ordinal, writable: false),
                format: AreaFormat(chunkBytes: record.geometry.chunkBytes),
                ordinal: manifest.ordinal, volumeBytes: manifest.volumeBytes)
        else { return }
        let known = fold.known.union(
            ChunkSet(unordered: moved.keys.map { $0..<$0.advanced(by: 1) }))
        guard map.chunks.subtracting(known).isEmpty, hasRoom(map.count),
            var job = try? SealJob(
                store, record, manifest, map: map, follower: fold.header.follower,
                at: clock.now(), isLate: fold.header.isLate || areUnsealed, known: known,
                carried: { moved[$0] ?? fold.sums.sum(of: $0) })
        else { return }
        if (try? job.step(byteLimit: .max)) != true { job.abandon() }
    }
}

/// What is known of an area that takes over what others hold.
struct FoldSeal: Sendable {
    let header: SealHeader
    /// The chunks of the volume that are sealed.
    let known: ChunkSet
    let sums: SealedSums
}
