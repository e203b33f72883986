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

    package init(_ volumes: [String], imageFolder: String? = nil) {
        self.volumes = volumes
        self.imageFolder = imageFolder
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
            return PeerOffer(exists: false, snapshots: [])
        }
        let snapshots = try snapshots(volume)
        let targets = MirrorTargets(context)
        let standing = try targets.offered(volume)
        if !greeting.isPreview, let base = greeting.base, standing?.role ?? .target == .target {
            try letGo(greeting, volume, keeping: snapshots.last { $0.uuid == base }?.id)
        }
        return PeerOffer(exists: true, snapshots: snapshots, standing: standing, isComparable: true)
    }

    private static let snapshotsMaximum = 100_000

    private func snapshots(_ volume: VolumeRow) throws -> [PeerOffer.Snapshot] {
        try context.reader(volume).state().readable.suffix(Self.snapshotsMaximum).map {
            PeerOffer.Snapshot(
                uuid: try SnapshotIdentity.uuid(of: $0, in: volume.record.uuid), id: $0.id)
        }
    }
}

// MARK: - Orders

extension MirrorAcceptService {
    private func obey(
        _ greeting: PeerGreeting, _ request: MirrorAcceptRequest, _ channel: PeerChannel
    ) throws {
        let comparison = MirrorDigestService(context)
        while true {
            let order: PeerOrder
            do { order = try channel.receive(PeerOrder.self) } catch let problem as Problem
                where problem == PeerChannel.ended
            { return }
            do {
                guard order.action != .digests else {
                    let digests = try comparison.digests(order, of: greeting.volume)
                    try channel.send(PeerAnswer(digests: digests))
                    continue
                }
                try channel.send(try answer(to: order, greeting, request, channel))
            } catch {
                let problem = Problem(error)
                try? channel.send(PeerAnswer(problem: problem), wording: context.wording)
                throw problem
            }
        }
    }

    private func answer(
        to order: PeerOrder, _ greeting: PeerGreeting, _ request: MirrorAcceptRequest,
        _ channel: PeerChannel
    ) throws -> PeerAnswer {
        guard !greeting.isPreview else {
            throw Problem(.refused, "a source that only looks has nothing to order")
        }
        switch order.action {
        case .receive: return try receive(order, greeting, request, channel)
        case .hold: try agree(order, greeting)
        case .keep: try hold(order, greeting, owner: "kept by \(owner(greeting))")
        case .digests: break
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
        _ channel: PeerChannel
    ) throws -> PeerAnswer {
        let known = try context.catalog.volume(named: greeting.volume)
        let origin =
            known == nil ? request.imageFolder.map { "\($0)/\(greeting.volume).img" } : nil
        let source = FrameSource(channel)
        let targets = MirrorTargets(context)
        if let known, let base = order.uuid {
            try targets.rewind(
                known, greeting, to: try snapshots(known).last { $0.uuid == base }?.id, uuid: base)
        }
        let report = try ReceiveService(context: context).receive(
            ReceiveRequest(greeting.volume, originPath: origin), from: source,
            for: MirrorTargets.Visit(targets, greeting))
        guard report.sourceVolume == greeting.source else {
            throw Problem(
                .corrupt, "the stream is of another volume than the source has said")
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
        try hold(order, greeting, owner: owner(greeting))
        try Reconciler(context).withVolume(greeting.volume) { volume in
            try targets.requireTarget(volume, greeting)
            try targets.follow(volume, greeting, at: order.uuid)
        }
    }

    private func hold(_ order: PeerOrder, _ greeting: PeerGreeting, owner: String) throws {
        try Reconciler(context).withVolume(greeting.volume) { volume in
            try MirrorTargets(context).requireTarget(volume, greeting)
            let id = try row(order, volume)
            let reason = (order.reason ?? "").cut(toScalars: Self.reasonScalars)
            guard
                try !context.catalog.holds(snapshot: id).contains(where: {
                    $0.owner == owner && $0.reason == reason
                })
            else { return }
            try context.catalog.hold(id, owner: owner, reason: reason)
        }
    }

    /// What a source sends is kept in the catalog, where a Character may be of any length.
    private static let reasonScalars = 256

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
