internal import BlockIO
internal import Catalog
internal import DeviceDriver
internal import DeviceMapper
internal import Settings
internal import SnapshotModel

/// Watches the volumes under device-mapper between commands and ticks: keeps room ahead of the kernel,
/// makes room in a store that runs low or gives its snapshots up in time, and notes at once what the
/// kernel tells nobody.
package struct DaemonService {
    let context: ManagerContext

    /// How long what goes on in the kernel may go on before it is looked at, when one thing has just
    /// happened: a snapshot makes several events.
    private static let eventMilliseconds = 100
    /// How often room is made at most in a store that is below its floor: it costs a plan.
    private static let floorMilliseconds = 60_000
    /// The same when the kernel will find no room soon.
    private static let criticalMilliseconds = 5_000
    /// When to look again for what comes without an event: the end of a merge, a volume's closing.
    private static let awaitedMilliseconds = 1000
    /// When to look again at a volume on which a command was at work, in milliseconds.
    private static let busyMilliseconds = 500

    /// Runs until a stop is asked for.
    ///
    /// - Parameter onReady: called once, when the kernel is watched.
    /// - Throws: `locked` when another daemon runs over this state folder; when the kernel has no
    ///   device-mapper. What fails for one volume is said, and no reason not to watch the others.
    package func run(onReady: () -> Void = {}) throws {
        try Paths.makeFolders(context.state.locksPath)
        guard let lock = try FileLock.acquire(path: context.state.daemonLockPath) else {
            throw Problem(
                .locked, "another daemon watches the volumes of \(context.state.path)",
                hint: "one is enough; see `systemctl status snapmgr-daemon`")
        }
        defer { withExtendedLifetime(lock) {} }
        let events = try DeviceEvents()
        context.cancellation.onRequest { events.wake() }
        onReady()
        var watches: [String: WatchedVolume] = [:]
        while !context.cancellation.isRequested {
            try events.arm()
            switch try events.wait(milliseconds: lookAtAll(&watches)) {
            case .event: if try events.isWoken(within: Self.eventMilliseconds) { return }
            case .timeHasPassed: continue
            case .woken: return
            }
        }
    }

    /// - Returns: when to look again, in milliseconds.
    private func lookAtAll(_ watches: inout [String: WatchedVolume]) -> Int {
        var pause = RoomWatch.longestPauseMilliseconds
        let volumes: [VolumeRow]
        do {
            volumes = try context.catalog.volumes().filter { $0.record.driver == .dm }
        } catch {
            context.note(Problem(error).message)
            return pause
        }
        watches = watches.filter { uuid, _ in volumes.contains { $0.record.uuid == uuid } }
        for volume in volumes where !context.cancellation.isRequested {
            var watch = watches[volume.record.uuid] ?? WatchedVolume()
            do {
                pause = min(pause, try look(after: volume, &watch))
                watch.failure = nil
            } catch {
                let message = Problem(error).about("volume \(volume.record.name)").message
                // Once, and not with every look.
                if watch.failure != message { context.note(message) }
                watch.failure = message
            }
            watches[volume.record.uuid] = watch
        }
        return pause
    }

    /// - Returns: when to look again, in milliseconds.
    private func look(after volume: VolumeRow, _ watch: inout WatchedVolume) throws -> Int {
        let keeper = AreaKeeper(
            volume.record, storePath: volume.storePath, mapper: context.sessions.mapper)
        guard let look = try keeper.look() else {
            watch = WatchedVolume()
            return RoomWatch.longestPauseMilliseconds
        }
        if look.hasLostSnapshots || look.hasEndedMerge {
            try DeviceCare(context: context).look(after: volume)
            // Unless a command was at work, it is done.
            return Self.busyMilliseconds
        }
        let now = context.clock.monotonicNanoseconds()
        let judgement = watch.room.judge(look, at: now)
        if judgement.needsRefill {
            let purpose = "snapmgr daemon"
            guard try keeper.refill(purpose: purpose) else { return Self.busyMilliseconds }
        }
        if try makeRoom(volume, isCritical: judgement.isCritical, &watch, at: now) {
            try giveUpIfCritical(volume, keeper, watch.room)
        }
        var pause = judgement.pauseMilliseconds
        if look.isMerging { pause = min(pause, Self.awaitedMilliseconds) }
        if try QueuedReverts(context).target(of: volume.record.name) != nil {
            try QueuedReverts(context).run(volume)
            pause = min(pause, Self.awaitedMilliseconds)
        }
        return pause
    }

    // MARK: A store that runs low

    /// Prunes, as the settings say, when the store is below its floor.
    ///
    /// - Returns: whether that is all that can be done, and the kernel will find no room soon.
    private func makeRoom(
        _ volume: VolumeRow, isCritical: Bool, _ watch: inout WatchedVolume, at now: Int64
    ) throws -> Bool {
        let pause = isCritical ? Self.criticalMilliseconds : Self.floorMilliseconds
        let isDue = watch.madeRoomAt.map { now - $0 >= Int64(pause) * 1_000_000 } ?? true
        guard isDue else { return isCritical }
        context.settings.forget()
        let settings: Settings
        do { settings = try context.settings.get() } catch {
            // Without settings there is no policy, and nothing to prune.
            if isCritical { return true }
            throw error
        }
        guard let space = FreeSpace(of: volume, settings), isCritical || space.missingBytes > 0
        else {
            watch.isLow = false
            return false
        }
        watch.madeRoomAt = now
        do {
            try TickService(context: context).makeRoom(volume, settings)
        } catch {
            let problem = Problem(error)
            if !watch.isLow { try say(problem.message, .warning, of: volume) }
            watch.isLow = true
        }
        return isCritical
    }

    private func say(
        _ text: String, _ level: Event.Level, of volume: VolumeRow, snapshot: SnapshotID? = nil
    ) throws {
        context.note(text)
        try context.log(
            level, .storeFilling, text, volume: volume.record.name, snapshot: snapshot)
    }

    private func giveUpIfCritical(
        _ volume: VolumeRow, _ keeper: AreaKeeper, _ watch: RoomWatch
    ) throws {
        guard let look = try keeper.look(), !look.hasLostSnapshots, watch.isCritical(look) else {
            return
        }
        let name = volume.record.name
        try context.withLocksIfFree([volume]) {
            guard let id = try context.withDevices(volume, { try $0.giveUpSnapshots() }) else {
                return
            }
            let text =
                "the store of volume \(name) has \(ByteCount(look.freeBytes)) free, and no policy "
                + "makes room: ITS SNAPSHOTS UP TO \(id) ARE GIVEN UP, so that it is not filled to "
                + "the last byte; the volume goes on"
            try say(text, .error, of: volume, snapshot: id)
        }
        try BrokenMarks(context: context).takeOver([volume])
    }
}

/// What the daemon remembers of a volume from one look to the next.
private struct WatchedVolume {
    var room = RoomWatch()
    /// When room was made last in its store, on the clock that never steps back.
    var madeRoomAt: Int64?
    /// That its store is below its floor, and nothing makes room, was said.
    var isLow = false
    /// What failed at the last look, and was said.
    var failure: String?
}
