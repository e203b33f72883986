package import System
internal import DeviceMapper
package import SnapshotModel
internal import VolumeAccess

/// An origin that nobody else has open for writing, as far as can be made sure, for as long as this
/// lives: QEMU's image locks, flock on a file, the kernel's claim on a block device, and the same
/// locks on the file behind a loop device.
package final class OriginGuard: OriginClaim {
    /// What tells the origin from others.
    package let identity: OriginIdentity
    package let status: FileStatus
    private let path: String
    private let files: [OriginFile]
    private let claim: DeviceClaim?

    /// A program that only looks at an image, as `qemu-img info` does, is waited for that long.
    private static let patienceMilliseconds = 1000
    private static let retryMilliseconds = 50

    private init(_ candidate: OriginCandidate, backing: OriginFile?, claim: DeviceClaim?) {
        identity = candidate.identity
        status = candidate.file.status
        path = candidate.path
        files = [candidate.file] + (backing.map { [$0] } ?? [])
        self.claim = claim
    }

    /// Locks an origin.
    ///
    /// - Parameters:
    ///   - volume: its name, for messages.
    ///   - recorded: what the origin was when the volume was made; nil takes what is there.
    /// - Throws: `refused` when it is not the recorded one or another program uses it, `locked` when
    ///   another snapmgr does, `notFound` when it is missing.
    package static func acquire(
        path: String, volume: String, recorded: OriginIdentity?
    ) throws(Problem) -> OriginGuard {
        try OwnerTrust.requirePlace(of: "the origin", at: path)
        let candidate = try OriginCandidate(path: path, volume: volume, isWritable: true)
        try candidate.requireRecorded(recorded)
        try candidate.requireNoLoopDevice()
        let deadline = Deadline(milliseconds: patienceMilliseconds)
        while true {
            do throws(Problem) {
                return try attempt(candidate)
            } catch {
                guard error.code == .refused || error.code == .locked, !deadline.hasPassed else {
                    throw error
                }
                BackgroundThread.sleep(milliseconds: retryMilliseconds)
            }
        }
    }

    /// Looks whether ``acquire(path:volume:recorded:)`` would find anything in its way, and locks
    /// nothing.
    package static func look(
        path: String, volume: String, recorded: OriginIdentity?
    ) throws(Problem) {
        let candidate = try OriginCandidate(path: path, volume: volume, isWritable: false)
        try candidate.requireRecorded(recorded)
        try candidate.requireNoLoopDevice()
        try candidate.requireNotLocked()
    }

    private static func attempt(_ candidate: OriginCandidate) throws(Problem) -> OriginGuard {
        try candidate.lock()
        do throws(Problem) {
            return OriginGuard(
                candidate, backing: try candidate.lockBacking(), claim: try candidate.claim())
        } catch {
            candidate.file.unlock()
            throw error
        }
    }

    /// Opens the origin for reading and writing.
    ///
    /// - Throws: `refused` when its path has come to lead to something else.
    package func open() throws(Problem) -> FileDevice {
        let device = try doing { () throws(IOFailure) in
            // Nobody else has it open for writing: that is what the locks are for.
            try FileDevice(
                path: path, access: .readWrite, isCutAnError: true, skipsNeedlessSyncs: true)
        }
        let found = try doing { () throws(IOFailure) in try device.status() }
        guard found.isSame(as: status) else {
            throw Problem(
                .refused, "the origin \(path) was replaced while it was opened",
                hint: "see who does that: `ls -l \(path)`, and run the command again")
        }
        return device
    }
}
