internal import Catalog
internal import Glibc
internal import SnapshotModel
internal import StoreFormat
internal import Stream
package import System

/// What `mirror accept` is told.
package struct MirrorAcceptRequest: Hashable, Sendable {
    /// The volumes into which may be mirrored; all for none.
    package var volumes: [String]
    /// Where the image of a volume is made that is not there; nil makes none.
    package var imageFolder: String?
    /// The UUIDs of the volumes that may be mirrored; any for none.
    package var sources: [String]
    /// How long it is from one sign that it is at work to the next.
    package var signMilliseconds = SignOfLife.milliseconds
    /// After so many bytes of a volume at most, what has come of a snapshot is made durable, so that it goes on from there.
    package var markBytes = MirrorVisit.markBytes

    package init(_ volumes: [String], imageFolder: String? = nil, sources: [String] = []) {
        self.volumes = volumes
        self.imageFolder = imageFolder
        self.sources = sources
    }
}

/// The other side of a mirror: adds what a source sends. Whatever the source says, no snapshot here is deleted, renamed
/// or shortened by it.
package struct MirrorAcceptService {
    let context: ManagerContext

    /// Serves one source, until it hangs up.
    ///
    /// - Throws: what was told to the source as well.
    package func serve(
        _ request: MirrorAcceptRequest, input: PipeEnd, output: PipeEnd
    ) throws {
        guard request.sources.allSatisfy(Self.isUUID) else {
            throw Problem(
                .usage, "what --source names is no volume's UUID",
                hint: "the other site's `volume show` tells it")
        }
        let channel = PeerChannel(input: input, output: output)
        let greeting: PeerGreeting
        do {
            greeting = try self.greeting(channel, request)
            try channel.send(try offer(greeting, request), wording: context.wording)
        } catch {
            let problem = Problem(error)
            try? channel.send(
                PeerOffer(exists: false, snapshots: [], problem: problem),
                wording: context.wording)
            throw problem
        }
        try context.asJob(.receive, of: [greeting.volume]) { context in
            try MirrorAcceptService(context: context).obey(greeting, request, channel)
        }
    }

    /// Whether people have written a volume's UUID whole: what is cut short would admit nobody, and say nothing of it.
    private static func isUUID(_ text: String) -> Bool {
        text.split(separator: "-", omittingEmptySubsequences: false).map(\.utf8.count) == [
            8, 4, 4, 4, 12,
        ]
            && text.utf8.allSatisfy {
                $0 == UInt8(ascii: "-") || ($0 < 128 && Character(Unicode.Scalar($0)).isHexDigit)
            }
    }

    private func greeting(
        _ channel: PeerChannel, _ request: MirrorAcceptRequest
    ) throws -> PeerGreeting {
        let greeting = try channel.receive(PeerGreeting.self)
        guard greeting.version <= PeerGreeting.newestVersion else {
            throw Problem(
                .newerVersion,
                "the source speaks version \(greeting.version) of mirrors, and this snapmgr version "
                    + "\(PeerGreeting.newestVersion)", hint: "use the newer snapmgr here, too")
        }
        if let flaw = greeting.flaw {
            throw Problem(.corrupt, "the source does not begin as snapmgr does: \(flaw)")
        }
        guard request.volumes.isEmpty || request.volumes.contains(greeting.volume) else {
            throw Problem(
                .refused, "nothing may be mirrored into volume \(greeting.volume) here",
                hint: "name it in the command of the key, in authorized_keys there")
        }
        let sources = request.sources.map { $0.lowercased() }
        guard sources.isEmpty || sources.contains(greeting.source.lowercased()) else {
            throw Problem(
                .refused,
                "volume \(greeting.sourceName), \(greeting.source), may not be mirrored here by this key",
                hint: "name it with --source in the command of the key, in authorized_keys there")
        }
        return greeting
    }

    /// Two sources may call their mirrors the same, and neither ends the other's holds.
    private func owner(_ greeting: PeerGreeting) -> String {
        "mirror \(greeting.mirror) from \(greeting.source)"
    }

    private func offer(
        _ greeting: PeerGreeting, _ request: MirrorAcceptRequest
    ) throws -> PeerOffer {
        guard let volume = try context.catalog.volume(named: greeting.volume) else {
            guard request.imageFolder != nil else {
                throw Problem(
                    .notFound, "there is no volume \(greeting.volume) here",
                    hint: "make it, as large as the source and empty: "
                        + "\(.volumeCreate(greeting.volume))")
            }
            return PeerOffer(exists: false, snapshots: [], givesSigns: greeting.hearsSigns)
        }
        let snapshots = try snapshots(volume)
        let targets = MirrorTargets(context)
        let standing = try targets.offered(volume)
        // Of another mirror's holds no source ends any.
        if !greeting.isPreview, let base = greeting.base,
            (try? targets.requireTarget(volume, greeting)) != nil
        {
            try letGo(greeting, volume, keeping: snapshots.last { $0.uuid == base }?.id)
        }
        return PeerOffer(
            exists: true, snapshots: snapshots, standing: standing, isComparable: true,
            givesSigns: greeting.hearsSigns, chunkBytes: volume.record.geometry.chunkBytes,
            part: greeting.resumes == true
                ? try ReceivedPart.offered(context, volume, to: greeting.source) : nil)
    }

    private static let snapshotsMaximum = 100_000

    private func snapshots(_ volume: VolumeRow) throws -> [PeerOffer.Snapshot] {
        let known = try context.reader(volume).state().readable.suffix(Self.snapshotsMaximum)
        return try known.map {
            PeerOffer.Snapshot(
                uuid: try SnapshotIdentity.uuid(of: $0, in: volume.record.uuid), id: $0.id,
                byteCount: $0.id == known.last?.id ? $0.volumeBytes : nil)
        }
    }
}

// MARK: - Orders

extension MirrorAcceptService {
    private func obey(
        _ greeting: PeerGreeting, _ request: MirrorAcceptRequest, _ channel: PeerChannel
    ) throws {
        let comparison = MirrorDigestService(context)
        channel.beforeIdling = { comparison.letGo() }
        defer { channel.beforeIdling = nil }
        let signs = SignOfLife(
            channel, every: greeting.hearsSigns == true ? request.signMilliseconds : nil)
        while true {
            let order: PeerOrder
            do { order = try channel.receive(PeerOrder.self) } catch let problem as Problem
                where problem == PeerChannel.ended
            { return }
            do {
                signs.start()
                if order.action == .content {
                    let content = try comparison.content(order, greeting)
                    signs.stop()
                    try channel.send(PeerAnswer(contentBytes: content?.count))
                    if let content { try channel.write(frame: content) }
                    continue
                }
                let answer =
                    try comparison.answer(to: order, greeting)
                    ?? mended(order, greeting, comparison, channel)
                    ?? resting(comparison) {
                        try self.answer(to: order, greeting, request, channel, signs)
                    }
                signs.stop()
                try send(answer, channel, comparison)
            } catch {
                signs.stop()
                let problem = Problem(error)
                try? channel.send(PeerAnswer(problem: problem), wording: context.wording)
                throw problem
            }
        }
    }

    /// A source that does not read keeps nobody from the volume. To be called while no signs are given.
    private func send(
        _ answer: PeerAnswer, _ channel: PeerChannel, _ comparison: MirrorDigestService
    ) throws {
        channel.beforeWaiting = { comparison.letGo() }
        defer { channel.beforeWaiting = nil }
        try channel.send(answer)
    }

    /// Nil of another order.
    private func mended(
        _ order: PeerOrder, _ greeting: PeerGreeting, _ comparison: MirrorDigestService,
        _ channel: PeerChannel
    ) throws -> PeerAnswer? {
        guard order.action == .mend else { return nil }
        let bytes = try channel.receiveFrame(atMost: Geometry.chunkBytesAllowed.upperBound)
        guard !greeting.isPreview else { throw Self.onlyLooks }
        try MirrorTargets(context).requireTarget(context.volume(greeting.volume), greeting)
        return PeerAnswer(isMended: try comparison.mend(order, bytes, greeting))
    }

    private func resting(
        _ comparison: MirrorDigestService, _ body: () throws -> PeerAnswer
    ) rethrows -> PeerAnswer {
        comparison.rest()
        return try body()
    }

    private static let onlyLooks = Problem(
        .refused, "a source that only looks has nothing to order")

    private func answer(
        to order: PeerOrder, _ greeting: PeerGreeting, _ request: MirrorAcceptRequest,
        _ channel: PeerChannel, _ signs: SignOfLife
    ) throws -> PeerAnswer {
        guard !greeting.isPreview else { throw Self.onlyLooks }
        switch order.action {
        case .receive: return try receive(order, greeting, request, channel, signs)
        case .hold: try agree(order, greeting)
        case .keep:
            try hold(
                order, greeting, owner: Self.keepPrefix + owner(greeting),
                reason: "the last copy from before volume \(greeting.sourceName) was reverted")
        case .digests, .places, .content, .mend: break
        case .split:
            try MirrorTargets(context).noteSplit(greeting, common: order.uuid)
        case .moved:
            let volume = try context.volume(greeting.volume)
            try MirrorTargets(context).requireTarget(volume, greeting)
            try letGo(greeting, volume, keeping: try row(order, volume))
        }
        return PeerAnswer()
    }

    private func receive(
        _ order: PeerOrder, _ greeting: PeerGreeting, _ request: MirrorAcceptRequest,
        _ channel: PeerChannel, _ signs: SignOfLife
    ) throws -> PeerAnswer {
        let known = try context.catalog.volume(named: greeting.volume)
        let origin =
            known == nil ? request.imageFolder.map { "\($0)/\(greeting.volume).img" } : nil
        let source = FrameSource(channel)
        let (targets, visit) = (
            MirrorTargets(context),
            MirrorVisit(context, greeting, markBytes: request.markBytes)
        )
        try visit.check()
        if let known, let base = order.uuid {
            try targets.rewind(
                known, greeting, to: try snapshots(known).last { $0.uuid == base }?.id, uuid: base)
        }
        // While a stream comes the source listens to nothing.
        signs.stop()
        if greeting.hearsSigns == true { try channel.send(PeerAnswer(isReady: true)) }
        source.atEnd = { signs.start() }
        channel.isUnwanted = { visit.look() }
        defer { channel.isUnwanted = nil }
        let report: ReceiveReport
        do {
            report = try ReceiveService(context: context).receive(
                ReceiveRequest(greeting.volume, originPath: origin), from: source, for: visit)
        } catch {
            // A wait that was given up says no more than that.
            try visit.check()
            throw error
        }
        return PeerAnswer(
            snapshots: report.snapshots.map { PeerOffer.Snapshot(uuid: $0.uuid, id: $0.id) })
    }

    /// The id here of the snapshot that an order names.
    private func row(_ order: PeerOrder, _ volume: VolumeRow) throws -> SnapshotID {
        guard let uuid = order.uuid,
            let known = try snapshots(volume).last(where: { $0.uuid == uuid })
        else {
            throw Problem(
                .notFound,
                "volume \(volume.record.name) does not have the snapshot that is to be held")
        }
        return known.id
    }

    /// The snapshot from which the next transfer goes on is held, and is what a volume reads as that was demoted.
    private func agree(_ order: PeerOrder, _ greeting: PeerGreeting) throws {
        let volume = try context.volume(greeting.volume)
        let targets = MirrorTargets(context)
        try targets.requireTarget(volume, greeting)
        try targets.rewind(volume, greeting, to: try row(order, volume), uuid: order.uuid)
        try hold(
            order, greeting, owner: owner(greeting),
            reason: "the mirror of volume \(greeting.sourceName) goes on from it")
        try Reconciler(context).withVolume(greeting.volume) { volume in
            try targets.requireTarget(volume, greeting)
            try targets.follow(volume, greeting, at: order.uuid)
        }
    }

    private static let keepPrefix = "kept by "
    /// So many snapshots one mirror may have held here, and of each kind of hold all that say another name or source
    /// together: what a source says shall not keep this site from pruning, and what was kept no mirror from going on.
    private static let holdMaximum = 16
    private static let allHoldsMaximum = 64

    /// The words are this site's own, and there is one hold of an owner on a snapshot, whatever a source asks for.
    private func hold(
        _ order: PeerOrder, _ greeting: PeerGreeting, owner: String, reason: String
    ) throws {
        try Reconciler(context).withVolume(greeting.volume) { volume in
            try MirrorTargets(context).requireTarget(volume, greeting)
            let id = try row(order, volume)
            let holds = try context.catalog.holds(volume: volume.record.name).filter {
                Self.isMirrors($0.owner)
            }
            let own = holds.filter { $0.owner == owner }
            guard !own.contains(where: { $0.snapshot == id }) else { return }
            let isKept = owner.hasPrefix(Self.keepPrefix)
            let like = holds.filter { $0.owner.hasPrefix(Self.keepPrefix) == isKept }
            // A snapshot that is held for several reasons counts once.
            let count = Set(like.map { "\($0.snapshot) \($0.owner)" }).count
            guard Set(own.map(\.snapshot)).count < Self.holdMaximum, count < Self.allHoldsMaximum
            else {
                throw Problem(
                    .refused,
                    "\(owner) holds \(own.count) snapshots of volume \(volume.record.name), and mirrors "
                        + "\(count) in all: no more",
                    hint: "release those that nobody needs; see \(.holdList)")
            }
            try context.catalog.hold(id, owner: owner, reason: reason)
        }
    }

    private static func isMirrors(_ owner: String) -> Bool {
        let rest = owner.hasPrefix(keepPrefix) ? owner.dropFirst(keepPrefix.count) : owner[...]
        return rest.hasPrefix("mirror ") && rest.contains(" from ")
    }

    /// Ends the mirror's holds here but for one snapshot's.
    private func letGo(
        _ greeting: PeerGreeting, _ volume: VolumeRow, keeping kept: SnapshotID?
    ) throws {
        guard let kept else { return }
        let owner = owner(greeting)
        for hold in try context.catalog.holds(volume: volume.record.name)
        where hold.owner == owner && hold.snapshot != kept {
            try context.catalog.release(hold.snapshot, owner: owner)
        }
    }
}
