internal import System
internal import Catalog
internal import Settings
internal import SnapshotModel
internal import VolumeAccess
internal import StoreFormat

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
    /// When to look again whether the kernel has a device-mapper, in milliseconds.
    private static let absentMilliseconds = 10_000

    /// Runs until a stop is asked for.
    ///
    /// - Parameters:
    ///   - needsDevices: whether there is nothing to do where the kernel has no device-mapper.
    ///   - onReady: called once, when the kernel is watched, or is known to have nothing to watch; nothing is done when it fails.
    /// - Throws: `locked` when another daemon runs over this state folder; when the kernel has no
    ///   device-mapper and `needsDevices`. What fails for one volume is said, and no reason not to watch the others.
    package func run(needsDevices: Bool = true, onReady: () throws -> Void = {}) throws {
        guard let lock = try context.acquireLock(at: context.state.daemonLockPath) else {
            throw Problem(
                .locked, "another daemon watches the volumes of \(context.state.path)",
                hint: "one is enough; see `systemctl status snapmgr-daemon`")
        }
        defer { withExtendedLifetime(lock) {} }
        let events = try openEvents()
        guard events != nil || !needsDevices else { throw Self.noDevices }
        try onReady()
        guard let events = try events ?? awaitEvents() else { return }
        try watch(events)
    }

    private func watch(_ events: any DeviceEventSource) throws {
        context.end.onRequest { events.wake() }
        var memory = Memory(reverts: BackgroundReverts(context))
        defer { memory.reverts.waitForEnd() }
        while !context.end.isDue {
            try events.arm()
            let pause = lookAtAll(&memory)
            switch try events.wait(milliseconds: context.end.patience(milliseconds: pause)) {
            case .event: if try events.isWoken(within: Self.eventMilliseconds) { return }
            case .timeHasPassed: continue
            case .woken: return
            }
        }
    }

    /// Nil only when the kernel certainly has no device-mapper.
    private func openEvents() throws -> (any DeviceEventSource)? {
        try context.drivers.deviceAbilities.first?.events()
    }

    private static let noDevices = Problem(
        .failed, "the kernel has no device-mapper, so that there is nothing to watch")

    /// Looks now and then whether the kernel has a device-mapper by now; nil when a stop was asked for before.
    private func awaitEvents() throws -> (any DeviceEventSource)? {
        context.note("no devices are watched: the kernel has no device-mapper, yet")
        let isAsked = Monitored(false)
        context.end.onRequest { isAsked.change { $0 = true } }
        while !context.end.isDue {
            _ = isAsked.wait(
                milliseconds: context.end.patience(milliseconds: Self.absentMilliseconds)
            ) { $0 ? true : nil }
            guard !context.end.isDue, let events = try openEvents() else { continue }
            context.note("the kernel has a device-mapper now: watching its devices")
            return events
        }
        return nil
    }

    /// - Returns: when to look again, in milliseconds.
    private func lookAtAll(_ memory: inout Memory) -> Int {
        let volumes: [VolumeRow]
        do {
            volumes = try context.catalog.volumes().filter { context.devices(of: $0) != nil }
            memory.failure = nil
        } catch {
            say(error, &memory.failure)
            return RoomForecast.longestPauseMilliseconds
        }
        var pause = RoomForecast.longestPauseMilliseconds
        memory.volumes = memory.volumes.filter { uuid, _ in
            volumes.contains { $0.record.uuid == uuid }
        }
        for volume in volumes where !context.end.isDue {
            var watch = memory.volumes[volume.record.uuid] ?? WatchedVolume()
            // What fails must not make the next look late.
            watch.pauseMilliseconds = RoomForecast.longestPauseMilliseconds
            do {
                try look(after: volume, &watch, memory.reverts)
                watch.failure = nil
            } catch {
                say(Problem(error).about("volume \(volume.record.name)"), &watch.failure)
            }
            pause = min(pause, watch.pauseMilliseconds)
            memory.volumes[volume.record.uuid] = watch
        }
        return pause
    }

    /// Says what failed: once, and not with every look.
    private func say(_ error: any Error, _ said: inout String?) {
        let problem = Problem(error)
        guard problem.code != .interrupted, problem.message != said else { return }
        context.note(problem.message)
        said = problem.message
    }

    private func look(
        after volume: VolumeRow, _ watch: inout WatchedVolume, _ reverts: BackgroundReverts
    ) throws {
        guard let keeper = context.devices(of: volume)?.keeper(of: volume.place),
            let look = try keeper.look()
        else {
            watch = WatchedVolume()
            return
        }
        let now = context.clock.monotonicNanoseconds()
        let judgement = watch.room.judge(look, at: now)
        watch.pauseMilliseconds = judgement.pauseMilliseconds
        if look.isMerging { watch.lookAgain(in: Self.awaitedMilliseconds) }
        let ordinals = Set(look.areas.map(\.ordinal))
        // One that was there and is gone has made way for a newer one, or was removed by a stranger.
        let hasLost =
            try look.hasLostSnapshots
            || ordinals != watch.ordinals && !context.inspector(volume).lostSnapshots().isEmpty
        watch.ordinals = hasLost ? nil : ordinals
        let isOwed = try isEndOwed(volume, look)
        // Then nothing can be changed, and each try would say so.
        let suspension = try context.inspector(volume).suspensionWarning()
        if suspension == nil, hasLost || look.hasEndedMerge || isOwed {
            // Unless a command is at work, it is done by this.
            watch.lookAgain(in: Self.awaitedMilliseconds)
            try watch.care.attempt(at: now) {
                try DeviceUpkeep(context: context).look(after: volume)
            }
        }
        if judgement.needsRefill, try !keeper.refill(purpose: "snapmgr daemon") {
            watch.lookAgain(in: Self.busyMilliseconds)
        }
        // One of these fails without the other: settings with a mistake, a revert for which there is
        // no room.
        let room = Result {
            try makeRoom(volume, isCritical: judgement.isCritical, &watch, at: now)
            if judgement.isCritical, watch.isExhausted { try giveUp(volume, keeper, watch.room) }
        }
        if suspension == nil, try QueuedReverts(context).target(of: volume.record.name) != nil {
            watch.lookAgain(in: Self.awaitedMilliseconds)
            try watch.queued.attempt(at: now) { try reverts.run(volume) }
        }
        if let suspension {
            throw Problem(.refused, context.wording.text(suspension))
        }
        try room.get()
    }

    /// Whether the catalog still has a merge that a command has ended in the store and not noted.
    private func isEndOwed(_ volume: VolumeRow, _ look: RoomReading) throws -> Bool {
        guard !look.isMerging else { return false }
        let name = volume.record.name
        guard
            try context.catalog.unfinishedReverts()
                .contains(where: { $0.volume == name && $0.state == .merging })
        else { return false }
        return try context.reader(volume).runningRevert() == nil
    }

    // MARK: A store that runs low

    /// Prunes, as the settings say, when the store is below its floor or the kernel will find no room
    /// soon; and notes whether that was all that can be done.
    private func makeRoom(
        _ volume: VolumeRow, isCritical: Bool, _ watch: inout WatchedVolume, at now: Int64
    ) throws {
        let pause = isCritical ? Self.criticalMilliseconds : Self.floorMilliseconds
        guard watch.madeRoomAt.map({ now - $0 >= Int64(pause) * 1_000_000 }) ?? true else { return }
        context.settings.forget()
        let settings = try context.settings.get()
        guard let space = FreeSpace(of: volume, settings), isCritical || space.missingBytes > 0
        else {
            (watch.isLow, watch.isExhausted) = (false, false)
            return
        }
        watch.madeRoomAt = now
        watch.isExhausted = false
        switch try FreeSpaceRecovery(context: context).run(volume, settings, prunes: isCritical) {
        case .enough:
            watch.isLow = false
            // Above the floor, and yet too little for what is written.
            watch.isExhausted = isCritical
        case .busy: watch.madeRoomAt = nil
        case .exhausted(let space):
            watch.isExhausted = true
            if !watch.isLow {
                try tell(space.problem(volume.record.name).message, .warning, of: volume)
            }
            watch.isLow = true
        }
    }

    private func tell(
        _ text: String, _ level: Event.Level, of volume: VolumeRow, snapshot: SnapshotID? = nil
    ) throws {
        context.note(text)
        try context.log(
            level, .storeFilling, text, volume: volume.record.name, snapshot: snapshot)
    }

    /// Gives the snapshots up if the kernel will still find no room soon.
    private func giveUp(
        _ volume: VolumeRow, _ keeper: any RoomKeeper, _ room: RoomForecast
    ) throws {
        try context.end.check()
        guard let look = try keeper.look(), !look.hasLostSnapshots, room.isCritical(look) else {
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
            try tell(text, .error, of: volume, snapshot: id)
        }
        try BrokenMarks(context: context).takeOver([volume])
    }
}

/// What the daemon remembers from one look to the next.
private struct Memory {
    let reverts: BackgroundReverts
    var volumes: [String: WatchedVolume] = [:]
    /// What failed when all volumes were looked for, and was said.
    var failure: String?
}

/// What it remembers of a volume. Times are those of the clock that never steps back.
private struct WatchedVolume {
    var room = RoomForecast()
    /// Whose areas grew at the last look.
    var ordinals: Set<SnapshotOrdinal>?
    /// When to look again.
    var pauseMilliseconds = RoomForecast.longestPauseMilliseconds
    /// When room was made last in its store.
    var madeRoomAt: Int64?
    /// The policies let nothing more go.
    var isExhausted = false
    /// That its store is below its floor, and nothing makes room, was said.
    var isLow = false
    /// What failed at the last look, and was said.
    var failure: String?
    var care = Attempts()
    var queued = Attempts()

    mutating func lookAgain(in milliseconds: Int) {
        pauseMilliseconds = min(pauseMilliseconds, milliseconds)
    }
}

/// Tries something again, but not soon after it has failed: what it does itself wakes the daemon.
private struct Attempts {
    private var failedAt: Int64?

    private static let restMilliseconds = 60_000

    mutating func attempt(at now: Int64, _ body: () throws -> Void) throws {
        if let failedAt, now - failedAt < Int64(Self.restMilliseconds) * 1_000_000 { return }
        do {
            try body()
            failedAt = nil
        } catch {
            failedAt = now
            throw error
        }
    }
}
