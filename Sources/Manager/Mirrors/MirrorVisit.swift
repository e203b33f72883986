internal import Catalog
internal import SnapshotModel
internal import System
internal import VolumeAccess

/// A stream of a mirror, as the target takes it: what is asked before it is written, what is noted of each snapshot that
/// is whole, and whether it is to end since the volume is being promoted.
final class MirrorVisit {
    private let context: ManagerContext
    private let targets: MirrorTargets
    private let greeting: PeerGreeting
    /// After so many bytes of a volume at most it is noted that they are there; nil when the source does not go on from
    /// there.
    let markBytes: Int?
    private var nextLook: Int64 = 0
    private(set) var isUnwanted = false

    /// How long it is before it is looked again whether the volume is being promoted, in nanoseconds.
    private static let lookNanoseconds: Int64 = 100_000_000

    static let markBytes = 256 << 20

    init(
        _ context: ManagerContext, _ greeting: PeerGreeting,
        markBytes: Int = MirrorVisit.markBytes
    ) {
        self.context = context
        self.greeting = greeting
        self.markBytes = greeting.resumes == true ? markBytes : nil
        targets = MirrorTargets(context)
    }

    /// Whose stream it is comes first: nothing of another volume's is made here.
    ///
    /// - Throws: `corrupt` when it is of another volume than the source has said that it sends.
    func requireSource(_ uuid: String) throws {
        guard uuid == greeting.source else {
            throw Problem(
                .corrupt, "the stream is of another volume than the source has said")
        }
    }

    /// To be called with the volume's lock, as what follows.
    ///
    /// - Throws: `refused` when the volume is no target, `locked` while it is served: that ends.
    func begin(_ volume: VolumeRow) throws {
        try check()
        try targets.requireTarget(volume, greeting)
        guard let server = try context.driver(of: volume).server(of: volume.place) else { return }
        server.close()
        throw Problem(
            .locked,
            "volume \(volume.record.name) is served: whoever uses it would see it change under him",
            hint: "end its mounts and stop its server: the mirror goes on then")
    }

    /// What can be received is about to be written: from now on nobody else writes to the volume, though who receives be
    /// killed before he notes what he has taken.
    func begins(_ volume: VolumeRow) throws { try targets.follow(volume, greeting) }

    /// A snapshot is whole. From now on the volume is a target, whatever becomes of the rest of the stream, and what it
    /// reads as is what the next stream builds on.
    func took(_ volume: VolumeRow, _ uuid: String) throws {
        try targets.follow(volume, greeting, at: uuid)
    }

    func end(_ volume: VolumeRow) throws { try targets.follow(volume, greeting) }

    /// - Throws: `refused` once somebody promotes the volume: what has come of a snapshot is given back.
    func check() throws {
        guard look() else { return }
        throw Problem(
            .refused, "volume \(greeting.volume) is being promoted: it takes nothing any more",
            hint:
                "when it was, demote volume \(greeting.sourceName) at its own site, to have it follow"
        )
    }

    /// Whether it is to end; the files are looked at now and then only.
    func look() -> Bool {
        let now = SystemClock().monotonicNanoseconds()
        guard !isUnwanted, now >= nextLook else { return isUnwanted }
        nextLook = now.addingClamped(Self.lookNanoseconds)
        isUnwanted = PromotionLock.isHeld(greeting.volume, context)
        return isUnwanted
    }
}

/// That a volume is being promoted. Whoever receives into it gives the volume up when he sees it: the source may be dead,
/// and what is waited for never comes.
enum PromotionLock {
    private static func name(_ volume: String) -> String { ".promote-" + volume }

    /// - Throws: `locked` when another command promotes the volume.
    static func acquire(_ volume: String, _ context: ManagerContext) throws -> FileLock {
        let path = context.state.locksPath + "/" + name(volume)
        guard let lock = try context.acquireLock(at: path) else {
            throw Problem(
                .locked,
                "another command\(context.holder(ofLock: path)) promotes volume \(volume)",
                hint: "wait for it to end: \(.status)")
        }
        return lock
    }

    /// What cannot be looked at keeps nothing from being received.
    static func isHeld(_ volume: String, _ context: ManagerContext) -> Bool {
        (try? FileLock.isHeld(name(volume), in: FileFolder(path: context.state.locksPath))) ?? false
    }
}
