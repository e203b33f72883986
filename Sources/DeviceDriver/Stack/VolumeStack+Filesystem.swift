internal import System
internal import DeviceMapper
internal import Glibc
internal import SnapshotModel

// The filesystem that is mounted from the volume.
extension VolumeStack {
    /// A sync that took longer may have left much that was written meanwhile.
    private static let shortNanoseconds: Int64 = 500_000_000
    private static let syncsMaximum = 4

    /// Has a mounted filesystem write out what it has in memory, while writes go on: what is left then
    /// is all that writers wait for when it is frozen.
    func syncFilesystem() throws(Problem) {
        guard let info = try info(.mounted), info.openCount > 0 else { return }
        let clock = SystemClock()
        for _ in 0..<Self.syncsMaximum {
            let start = clock.monotonicNanoseconds()
            guard MountedFilesystem.sync(info.number),
                clock.monotonicNanoseconds() - start > Self.shortNanoseconds
            else { return }
        }
    }

    /// Suspends what users have open, and freezes the filesystem that is mounted from it.
    ///
    /// The kernel refuses to freeze one that is frozen already, as a hook may have done: it is at rest
    /// then, and stays frozen until whoever froze it thaws it.
    func suspendTop() throws(Problem) {
        do {
            try mapper.suspend(name(.mounted), freezesFilesystem: true, flushes: true)
        } catch {
            guard error.isBusy else { throw Problem(error) }
            try suspend(.mounted, freezesFilesystem: false)
        }
    }
}
