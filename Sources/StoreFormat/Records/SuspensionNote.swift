internal import System
package import SnapshotModel

/// The devices of a volume that snapmgr itself has suspended: the content of `suspended.json`. Those
/// are let go by whichever command finds them so; what somebody else has suspended stays.
///
/// It tells of the kernel's state, which no power cut survives: so it is written in place, always the
/// same number of bytes, and not synced.
package struct SuspensionNote: Hashable, Sendable, Codable {
    /// By the kernel's names.
    package var devices: [String]
    /// Another one each time that the note is written: who looks without a lock, and finds the same
    /// before and after, knows that nothing was noted meanwhile.
    package var revision: Int

    static let byteCount = 1024

    package init(devices: [String], revision: Int) {
        self.devices = devices
        self.revision = revision
    }

    /// The note that follows.
    package func next(_ devices: Set<String>) -> SuspensionNote {
        SuspensionNote(devices: devices.sorted(), revision: revision &+ 1)
    }
}

extension Store {
    /// Nil when there is none, as in a store that an earlier version has used, or none that can be
    /// read: then whatever is suspended counts as snapmgr's.
    package func suspensionNote() -> SuspensionNote? {
        try? read(SuspensionNote.self, StoreLayout.suspensionNote, as: .suspension)
    }

    /// Replaces the note, durably.
    package func writeSuspensionNote(_ note: SuspensionNote) throws(Problem) {
        let bytes = try RecordCodec.encode(
            note, as: .suspension, paddedTo: SuspensionNote.byteCount)
        try doing { () throws(IOFailure) in
            let name = StoreLayout.suspensionNote
            let file =
                try folder.exists(name)
                ? folder.openFile(name, writable: true)
                : folder.createFile(name, byteCount: 0)
            try file.write(bytes.span.bytes, at: 0)
            if try file.byteCount() != bytes.count { try file.resize(to: bytes.count) }
        }
    }
}
