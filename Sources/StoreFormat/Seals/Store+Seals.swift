package import SnapshotModel
package import System

/// The files of the seals. One that is missing is made again of what the area holds then; what it says of an
/// area that is something else by now is damage.
extension Store {
    /// The snapshots whose areas have seals, of whatever content.
    package func sealOrdinals() throws(Problem) -> Set<SnapshotOrdinal> {
        Set(try sealNames().compactMap(StoreLayout.sealOrdinal))
    }

    private func sealNames() throws(Problem) -> [String] {
        guard try exists(StoreLayout.seals) else { return [] }
        return try doing { () throws(IOFailure) in
            try folder.isFolder(StoreLayout.seals) ? folder.list(StoreLayout.seals) : []
        }
    }

    /// The seal of a snapshot's area; nil when there is none.
    ///
    /// - Parameter checksSums: whether all of it is looked at, or its header alone.
    package func seal(
        _ ordinal: SnapshotOrdinal, of record: VolumeRecord, checksSums: Bool = true
    ) throws(SealFault) -> AreaSeal? {
        let file: any BlockDevice
        do throws(IOFailure) {
            file = try folder.openFile(StoreLayout.seal(ordinal), writable: false)
        } catch {
            guard !error.isAbsence else { return nil }
            throw .unreadable(error.description)
        }
        return try AreaSeal(
            file, uuid: record.uuid, chunkBytes: record.geometry.chunkBytes, ordinal: ordinal,
            checksSums: checksSums)
    }

    /// A file in which a seal is written.
    package func makeSealDraft(
        _ ordinal: SnapshotOrdinal, byteCount: Int
    ) throws(Problem) -> any BlockDevice {
        let draft = StoreLayout.seal(ordinal) + StoreLayout.draftSuffix
        return try doing { () throws(IOFailure) in
            if try !folder.exists(StoreLayout.seals) { try folder.makeFolder(StoreLayout.seals) }
            if try folder.exists(draft) { try folder.removeFile(draft) }
            return try folder.createFile(draft, byteCount: byteCount)
        }
    }

    /// Puts a seal that has been written in its place, durably: until then there is the old one or none.
    package func publishSeal(
        _ ordinal: SnapshotOrdinal, _ draft: any BlockDevice
    ) throws(Problem) {
        let name = StoreLayout.seal(ordinal)
        try doing { () throws(IOFailure) in
            try draft.sync()
            try folder.rename(name + StoreLayout.draftSuffix, to: name)
            try folder.syncFolder(StoreLayout.seals)
            // The folder itself may be new.
            try folder.syncFolder("")
        }
    }

    /// Notes in a seal that its area may take over more, or that it has not. Durable when it returns: a disk
    /// writes the header whole.
    package func rewriteSealHeader(_ header: SealHeader) throws(Problem) {
        try doing { () throws(IOFailure) in
            let file = try folder.openFile(
                StoreLayout.seal(header.owner.ordinal), writable: true)
            try file.write(SealFormat.encode(header).span.bytes, at: 0)
            try file.sync()
        }
    }

    /// Removes the seals of some snapshots; durable when it returns. A folder in the place of one stays.
    package func removeSeals(_ ordinals: some Collection<SnapshotOrdinal>) throws(Problem) {
        guard !ordinals.isEmpty, try exists(StoreLayout.seals) else { return }
        try doing { () throws(IOFailure) in
            var isChanged = false
            for ordinal in ordinals {
                let name = StoreLayout.seal(ordinal)
                guard try folder.exists(name), try !folder.isFolder(name) else { continue }
                try folder.removeFile(name)
                isChanged = true
            }
            if isChanged { try folder.syncFolder(StoreLayout.seals) }
        }
    }

    /// Removes what a crash left of a seal that was being written.
    package func removeSealDraft(_ ordinal: SnapshotOrdinal) throws(Problem) {
        let draft = StoreLayout.seal(ordinal) + StoreLayout.draftSuffix
        try doing { () throws(IOFailure) in
            if try folder.exists(draft) { try folder.removeFile(draft) }
        }
    }

    /// Removes what a crash left of all seals that were being written, and the seals that are of no use any more. The
    /// folder is listed once.
    package func sweepSeals(_ isUseless: (SnapshotOrdinal) -> Bool) throws(Problem) {
        let names = try sealNames()
        try removeSeals(names.compactMap(StoreLayout.sealOrdinal).filter(isUseless))
        try doing { () throws(IOFailure) in
            for name in names
            where name.hasSuffix(StoreLayout.draftSuffix) && StoreLayout.isSealFile(name) {
                try folder.removeFile(StoreLayout.seals + "/" + name)
            }
        }
    }

    /// Removes the seals of a store that is removed.
    ///
    /// - Returns: the paths in their folder that are none of ours: they stay.
    func removeAllSeals() throws(Problem) -> [String] {
        guard try exists(StoreLayout.seals) else { return [] }
        return try doing { () throws(IOFailure) in
            guard try folder.isFolder(StoreLayout.seals) else { return [StoreLayout.seals] }
            var left: [String] = []
            for name in try folder.list(StoreLayout.seals).sorted() {
                let path = StoreLayout.seals + "/" + name
                if StoreLayout.isSealFile(name), try !folder.isFolder(path) {
                    try folder.removeFile(path)
                } else {
                    left.append(path)
                }
            }
            if left.isEmpty { try folder.removeFolder(StoreLayout.seals) }
            return left
        }
    }
}
