internal import System
internal import SnapshotModel

/// The image's lock, which keeps everybody from writing. It ends by itself, unless it is kept.
///
/// Whoever has the image open meanwhile is told that it is read-only, at once, and his writes fail: it is taken only
/// while nobody has.
final class ImageHold: Sendable {
    private enum Phase {
        case held
        /// Until somebody ends it.
        case kept
        /// The time is over.
        case expired
        case ended
    }

    private let image: Image
    private let phase = Monitored(Phase.held)
    /// By a clock that never steps back, in nanoseconds.
    let begunAt = SystemClock().monotonicNanoseconds()

    /// Takes the lock, which is not to be had by anybody else then.
    ///
    /// - Parameter milliseconds: how long at most; nil for as long as it takes.
    init(_ image: Image, milliseconds: Int?) throws(Problem) {
        self.image = image
        try image.lock()
        guard let milliseconds else {
            phase.change { $0 = .kept }
            return
        }
        let phase = phase
        BackgroundThread.start(name: "image-hold") {
            _ = phase.wait(milliseconds: milliseconds) { $0 == .held ? nil : true }
            guard Self.move(phase, from: .held, to: .expired) else { return }
            // Nobody waits for it; should it fail, the lock goes with this client.
            try? image.unlock()
        }
    }

    private static func move(_ phase: Monitored<Phase>, from: Phase, to: Phase) -> Bool {
        phase.change { phase in
            guard phase == from else { return false }
            phase = to
            return true
        }
    }

    /// Whether nobody could write since it was taken.
    var isHeld: Bool { phase.withLock { $0 == .held || $0 == .kept } }

    /// Has it last until it is ended.
    ///
    /// - Returns: false when the time was over.
    func keep() -> Bool { Self.move(phase, from: .held, to: .kept) || isHeld }

    /// Lets others write again.
    ///
    /// - Returns: whether nobody could until now.
    @discardableResult
    func end() -> Bool {
        let wasHeld = phase.change { phase in
            defer { phase = .ended }
            return phase == .held || phase == .kept
        }
        if wasHeld { try? image.unlock() }
        return wasHeld
    }

    deinit { end() }
}

extension RBDVolume {
    /// - Throws: `refused` when the image has no lock that keeps others from writing.
    func requireLockable() throws(Problem) {
        guard try !image.features().contains(.exclusiveLock) else { return }
        throw Problem(
            .refused,
            "image \(image.name.path) of volume \(name) has no exclusive lock: nobody can be kept from "
                + "writing to it meanwhile",
            hint: "give it one: `rbd feature enable \(image.name.path) exclusive-lock"
                + "\(image.name.toolOptions)`")
    }

    /// Takes the image's lock; one that a dead process of ours has left is taken from it.
    ///
    /// - Returns: with it, whether nobody else can have written since the journal was.
    func hold(milliseconds: Int? = nil) throws(Problem) -> (hold: ImageHold, isUnbroken: Bool) {
        try requireLockable()
        let owner = try image.lockOwner()
        let isUnbroken = owner != nil && owner == revert?.address
        if let owner, isUnbroken { try image.breakLock(of: owner) }
        do throws(Problem) {
            return (try ImageHold(image, milliseconds: milliseconds), isUnbroken)
        } catch {
            guard error.code == .locked, let other = try? image.lockOwner() else { throw error }
            throw Problem(
                .locked,
                "image \(image.name.path) of volume \(name) is locked by \(other), which does not give "
                    + "the lock away",
                hint: "end what uses it there: `rbd status \(image.name.path)"
                    + "\(image.name.toolOptions)` tells its address")
        }
    }

    /// The machine that this is, since its start.
    static var boot: String { SystemClock().reading().bootID }

    /// A command of this machine's that was killed: whoever has the store's lock knows that it is dead.
    private static func deadClient(
        _ image: Image, _ revert: ImageRevert?
    ) throws(Problem) -> UInt64? {
        guard let revert, !boot.isEmpty, revert.boot == boot,
            try image.lockOwner() == revert.address
        else { return nil }
        return revert.client
    }

    /// Why the image's content cannot be changed now: who has it open; nil when nobody has.
    static func openProblem(
        _ image: Image, _ record: VolumeRecord, _ revert: ImageRevert?
    ) throws(Problem) -> Problem? {
        let dead = try deadClient(image, revert)
        let others = try image.watchers().filter { watcher in
            !Connection.isOwn(watcher.client) && watcher.client != dead
        }
        guard !others.isEmpty else { return nil }
        let list = others.map { "\($0.address) (client.\($0.client))" }.joined(separator: ", ")
        return Problem(
            .refused,
            "volume \(record.name) is open: image \(image.name.path) is used by \(list)",
            hint: "stop the VM or unmap the image there; `rbd status \(image.name.path)"
                + "\(image.name.toolOptions)` tells when it is done. One that was killed is forgotten "
                + "within 30 s")
    }

    /// Why writes to the image cannot be held: those of whoever has it open would fail.
    ///
    /// - Parameter open: that it is.
    func holdProblem(_ open: Problem) -> Problem {
        Problem(
            .refused,
            "\(open.message): its writes cannot be held for a set, they would fail there",
            hint:
                "take a snapshot of each volume by itself, as \(.snapshot(name)) does, which holds "
                + "nobody's writes; a common moment needs images that nobody has open")
    }
}
