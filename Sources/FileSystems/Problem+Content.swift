package import SnapshotModel

extension Problem {
    /// Whether what was read is at fault, and not the reading: another file may be well.
    package var isOfContent: Bool { [.corrupt, .newerVersion, .failed].contains(code) }
}
