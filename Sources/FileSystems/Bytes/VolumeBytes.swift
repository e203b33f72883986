package import SnapshotModel

/// The bytes of a volume as it was at one moment.
package protocol VolumeBytes: AnyObject {
    /// How many there are.
    var byteCount: Int { get }

    /// Fills the buffer from `offset` on; all of it lies within ``byteCount``.
    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem)
}
