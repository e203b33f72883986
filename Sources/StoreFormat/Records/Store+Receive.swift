internal import System
package import SnapshotModel

/// Whoever does not know where a snapshot comes from must not write its manifest anew, and lose that.
extension SnapshotManifest: VersionedRecord {
    /// 3 of one that a stream has brought.
    package var formatVersion: Int { source == nil ? 2 : 3 }
}

/// Whoever does not know of streams must not open a volume that holds a part of one.
extension VolumeRecord: VersionedRecord {
    /// 3 while a stream is written into it.
    package var formatVersion: Int {
        // Whoever knows no origins but files would call the record damaged.
        guard hasOriginPath else { return 4 }
        return isReceiving == nil ? 2 : 3
    }
}

// That a stream is being written into the volume.
extension Store {
    /// Nil when none is.
    ///
    /// - Throws: `corrupt` when it cannot be read: then nobody knows what the volume holds.
    package func receiveNote() throws(Problem) -> ReceiveNote? {
        guard try exists(StoreLayout.receiveNote) else { return nil }
        let note = try read(ReceiveNote.self, StoreLayout.receiveNote, as: .receive)
        guard TextBounds.isUUID(note.volume), TextBounds.isUUID(note.snapshot) else {
            throw impossible(StoreLayout.receiveNote, "it names no snapshot")
        }
        guard
            note.mark.map({
                (1...Geometry.volumeBytesMaximum).contains($0)
                    && $0.isMultiple(of: Geometry.sectorBytes)
            }) ?? true
        else { throw impossible(StoreLayout.receiveNote, "its mark is none") }
        return note
    }

    /// Replaces the note, durably.
    package func writeReceiveNote(_ note: ReceiveNote) throws(Problem) {
        try replace(StoreLayout.receiveNote, note, as: .receive)
    }

    /// Removes the note, durably; takes no space.
    package func removeReceiveNote() throws(Problem) {
        guard try exists(StoreLayout.receiveNote) else { return }
        try doing { () throws(IOFailure) in
            try folder.removeFile(StoreLayout.receiveNote)
            try folder.syncFolder("")
        }
    }
}
