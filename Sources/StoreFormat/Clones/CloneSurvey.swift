internal import System
package import SnapshotModel

/// What the folders of a store's clones are, as far as it can be proven.
package struct CloneSurvey: Sendable {
    /// The clones that count, by ordinal.
    package private(set) var clones: [CloneRecord] = []
    /// The layers that clones read, by ordinal. A clone that goes on elsewhere is one from the moment that it
    /// has a record there.
    package private(set) var layers: [CloneRecord] = []
    /// Folders of creations and removals that have not ended, and layers that no clone reads any more: they may
    /// go.
    package private(set) var unfinished: [CloneOrdinal] = []
    /// Clones whose records are lost, or cannot be read: they stay, and which snapshots they need is not
    /// known.
    package private(set) var doubtful: [(ordinal: CloneOrdinal, problem: Problem)] = []
    /// The folders that a readable clone reads, or the running revert copies from: they stay, whatever is wrong
    /// with them.
    private(set) var needed: Set<CloneOrdinal> = []
    /// Layers of clones whose removal has begun: what these were is in the drafts that they leave.
    private var released: Set<CloneOrdinal> = []
    /// Clones and layers whose records are drafts, and can be read.
    private var withdrawn: Set<CloneOrdinal> = []

    /// - Parameter revert: the running one; what it copies from stays, even when it counts no more.
    package init(_ store: Store, revert: RevertRecord?) throws(Problem) {
        var folders = try store.cloneFolders()
        while true {
            for ordinal in folders { try look(at: ordinal, store) }
            // Without the store's lock: a clone may have gone on in a folder that was not there yet. Each turn
            // takes somebody to make or delete one.
            let present = try store.cloneFolders()
            guard present != folders else { break }
            folders = present
            (clones, unfinished, doubtful, released) = ([], [], [], [])
            withdrawn = []
        }
        sortOut(store, Set(revert?.clone?.areas.map(\.ordinal) ?? []))
    }

    /// Tells clones from layers, and these from what nobody reads any more.
    ///
    /// - Parameter sources: what the running revert copies from.
    private mutating func sortOut(_ store: Store, _ sources: Set<CloneOrdinal>) {
        let read = Set(clones.lazy.filter { $0.role != .layer }.flatMap { $0.layers ?? [] })
        layers = clones.filter { read.contains($0.ordinal) }
        let spare = clones.filter { $0.role == .layer && !read.contains($0.ordinal) }
            .map(\.ordinal)
        clones.removeAll { $0.role == .layer || read.contains($0.ordinal) }
        // What was a layer may be read by a clone whose record cannot be read.
        if !doubtful.isEmpty { unfinished.removeAll { withdrawn.contains($0) } }
        needed = read.union(sources)
        // One whose record cannot be read may read any of them. And where nothing shows that the last clone which
        // read one was removed, its record may be lost.
        let isCertain = doubtful.isEmpty
        unfinished += spare.filter { isCertain && released.contains($0) }
        doubtful += spare.filter { !released.contains($0) && !sources.contains($0) }
            .map { ($0, Self.spareProblem($0, store)) }
        doubtful.sort { $0.ordinal < $1.ordinal }
        // A clone's layers come before it, as their numbers are lower: its draft proves that they may go.
        unfinished.removeAll { needed.contains($0) }
        unfinished.sort()
    }

    private static func spareProblem(_ ordinal: CloneOrdinal, _ store: Store) -> Problem {
        Problem(
            .corrupt,
            "\(store.folder.path)/\(StoreLayout.cloneFolder(ordinal)) holds what was written to a clone, and no "
                + "clone reads it: the record of one is gone", hint: "run \(.check())")
    }

    /// The same where it is not certain what may go.
    var withoutUnfinished: CloneSurvey {
        var survey = self
        survey.unfinished = []
        return survey
    }

    private mutating func look(at ordinal: CloneOrdinal, _ store: Store) throws(Problem) {
        do throws(Problem) {
            if let record = try store.clone(ordinal) { return clones.append(record) }
        } catch {
            // What a disk answers may be another thing the next time.
            guard error.isDamage || error.code == .newerVersion else { throw error }
            return doubtful.append((ordinal, error))
        }
        do throws(Problem) {
            guard try !store.isUnfinished(clone: ordinal) else {
                if let former = try store.withdrawnClone(ordinal) {
                    released.formUnion(former.layers ?? [])
                    withdrawn.insert(ordinal)
                }
                return unfinished.append(ordinal)
            }
        } catch {
            // It was removed just now, by whoever has the store's lock.
            guard try store.exists(StoreLayout.cloneFolder(ordinal)) else { return }
            throw error
        }
        // It was made just now.
        if let record = try store.clone(ordinal) { return clones.append(record) }
        guard try store.exists(StoreLayout.cloneFolder(ordinal)) else { return }
        let folder = "\(store.folder.path)/\(StoreLayout.cloneFolder(ordinal))"
        doubtful.append(
            (
                ordinal,
                Problem(
                    .corrupt, "\(folder) holds what was written to a clone, and has no record",
                    hint: "run \(.check())")
            ))
    }

    /// What somebody must know of what was left alone.
    package func warnings(_ record: VolumeRecord) -> [Advice] {
        doubtful.map {
            "a clone of volume \(record.name) cannot be used, and no snapshot is deleted while it is so: "
                + "\($0.problem.message); see \(.check(record.name))"
        }
    }
}
