internal import Catalog
internal import SnapshotModel
internal import Stream
internal import System

/// Volumes here as what mirrors of other sites find: targets, which take what follows their generation, and others, which
/// take nothing.
struct MirrorTargets {
    private let context: ManagerContext

    init(_ context: ManagerContext) { self.context = context }

    private var standings: VolumeStandings { VolumeStandings(context) }

    /// What is told of a volume.
    func offered(_ volume: VolumeRow) throws -> PeerStanding? {
        guard let standing = try standings.known(volume) else { return nil }
        let isTarget = standing.role == .target
        return PeerStanding(
            standing,
            hasAdvanced: isTarget
                ? nil : try standings.hasAdvanced(volume, since: standing.snapshot))
    }

    /// By so much a generation may be above the one that is known here: there are never as many promotions between two
    /// words of a source, and whoever says more would have all others be too old for ever.
    static let leapMaximum = 1 << 16

    /// - Throws: `refused` when the volume is no target, has followed a later generation, or is another volume's copy.
    func requireTarget(_ volume: VolumeRow, _ greeting: PeerGreeting) throws {
        let standing = try standings.known(volume)
        try requirePlausible(greeting, after: standing?.generation ?? .first)
        guard let standing else { return }
        let name = volume.record.name
        guard standing.role != .promoting else { throw standings.cut(name) }
        guard standing.role == .target else {
            let number = standing.generation.number
            throw Problem(
                .refused,
                "volume \(name) here is the primary since \(standing.since), of generation \(number): it takes nothing "
                    + "from volume \(greeting.sourceName), of generation \(greeting.generation.number)",
                hint: "demote one of the two, here: \(.mirrorDemote(name))")
        }
        guard greeting.generation.mayFollow(standing.generation) else {
            throw Problem(
                .refused,
                "volume \(name) here has followed generation \(standing.generation.number), and volume "
                    + "\(greeting.sourceName) is of generation \(greeting.generation.number): it was taken over from",
                hint: "promote volume \(greeting.sourceName) there if it is to be the primary")
        }
        try requireSource(standing, name, greeting)
    }

    private func requirePlausible(
        _ greeting: PeerGreeting, after known: MirrorGeneration
    ) throws {
        guard greeting.generation.number > known.number.addingClamped(Self.leapMaximum) else {
            return
        }
        throw Problem(
            .refused,
            "volume \(greeting.sourceName) says that it is of generation \(greeting.generation.number), and volume "
                + "\(greeting.volume) here has followed \(known.number): there were never as many promotions",
            hint: "see what has the key of that site")
    }

    /// A generation has one primary: another volume of the same one is a stranger's, whoever may use the key.
    private func requireSource(
        _ standing: MirrorStanding, _ name: String, _ greeting: PeerGreeting
    ) throws {
        guard let source = standing.source, source != greeting.source,
            greeting.generation.number <= standing.generation.number
        else { return }
        throw Problem(
            .refused,
            "volume \(name) here is the copy of volume \(source), and volume \(greeting.sourceName) is another one, "
                + "\(greeting.source)",
            hint:
                "mirror it into a volume of its own; or promote it there, if it has taken that one's place"
        )
    }

    /// Notes whose copy the volume is, and that nobody else may write to it.
    ///
    /// - Parameter uuid: what the snapshot is known by from which it goes on; nil leaves it.
    func follow(_ volume: VolumeRow, _ greeting: PeerGreeting, at uuid: String? = nil) throws {
        let before = try standings.known(volume)
        var next = MirrorStanding(
            role: .target, generation: greeting.generation,
            since: before?.role == .target
                ? before?.since ?? context.clock.now()
                : context.clock.now())
        next.source = greeting.source
        next.snapshot = uuid ?? (before?.role == .target ? before?.snapshot : nil)
        guard next != before else { return }
        try standings.record(next, of: volume)
    }

    /// Has a volume that was demoted read as the snapshot from which it goes on. What it was is kept by the snapshot that
    /// the demotion took, and by the safety snapshot.
    ///
    /// - Parameter uuid: what the snapshot is known by everywhere.
    func rewind(
        _ volume: VolumeRow, _ greeting: PeerGreeting, to id: SnapshotID?, uuid: String?
    ) throws {
        try requireTarget(volume, greeting)
        guard let id, let standing = try standings.recorded(volume), standing.role == .target,
            standing.isDemoted == true
        else { return }
        let name = volume.record.name
        // One that was cut in mid-merge: another one would be refused.
        try MirrorRoleService(context: context).endMerge(of: name, waits: true)
        var options = RevertOptions(waits: true)
        options.isForMirror = true
        _ = try RevertService(context: context).revert("\(id)", options)
        // It begins anew once, however many streams are cut before one is whole.
        try Reconciler(context).withVolume(name) { volume in
            guard var standing = try standings.recorded(volume), standing.role == .target else {
                return
            }
            (standing.isDemoted, standing.kept, standing.snapshot) = (nil, nil, uuid)
            try standings.record(standing, of: volume)
        }
    }

    /// Notes that both volumes are written to.
    func noteSplit(_ greeting: PeerGreeting, common: String?) throws {
        try Reconciler(context).withVolume(greeting.volume) { volume in
            guard var standing = try standings.known(volume), standing.role != .target,
                common.map(TextBounds.isUUID) ?? true
            else { return }
            try requirePlausible(greeting, after: standing.generation)
            let known = standing.rival
            var rival = MirrorRival(
                volume: greeting.source, name: greeting.sourceName,
                generation: greeting.generation, common: common, foundAt: context.clock.now())
            if let known, known.volume == rival.volume { rival.foundAt = known.foundAt }
            guard rival != known else { return }
            standing.rival = rival
            try standings.record(standing, of: volume)
            try context.log(
                .error, .mirrorSplit,
                SplitWords.text(
                    volume.record.name, standing.generation,
                    other: "volume \(greeting.sourceName) of the other site", rival),
                volume: volume.record.name)
        }
    }
}
