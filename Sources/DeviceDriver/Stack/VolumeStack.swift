internal import System
package import DeviceMapper
internal import StoreFormat
internal import SnapshotModel

/// The kernel's devices of one volume, by their parts.
///
///     snapmgr-VOL              snapshot-origin -> base       what users mount
///     snapmgr-VOL:base         snapshot-origin -> real       in mid-merge: snapshot-merge
///                              while that is paused: linear -> the revert's overlay, or under
///     snapmgr-VOL:under        snapshot-origin -> real       only while a merge is paused
///     snapmgr-VOL:real         linear -> the origin
///     snapmgr-VOL:snap-000042  snapshot of real, or of base when it was taken in mid-merge
///     snapmgr-VOL:clone-000003 snapshot of below, what users mount of a clone
///     snapmgr-VOL:below-000003 what the clone began as, as a view has it
///
/// Snapshots hang on `real`, and stay there when a merge begins or ends: whatever `base` is, it has
/// what it overwrites preserved for them. Those that are taken in mid-merge hang on `base`, because
/// theirs is the volume as it reads. Nothing is lost while two snapshots are attached: an exception
/// that both take is the same in both.
struct VolumeStack: Sendable {
    typealias Part = DeviceName.Part

    let mapper: any DeviceMapping
    let record: VolumeRecord
    let folder: FileFolder

    var format: AreaFormat { AreaFormat(chunkBytes: record.geometry.chunkBytes) }
    private var chunkSectors: Int { format.chunkBytes / Geometry.sectorBytes }

    static func sectors(_ bytes: Int) -> Int { bytes / Geometry.sectorBytes }

    func name(_ part: Part) -> DeviceName { DeviceName(volume: record.name, part) }

    private func uuid(_ part: Part) -> String {
        DeviceIdentity.uuid(volumeUUID: record.uuid, part)
    }

    // MARK: Looking

    func info(_ part: Part) throws(Problem) -> DeviceInfo? {
        let info = try asking { () throws(DeviceFailure) in try mapper.info(name(part)) }
        guard let info, info.uuid != uuid(part) else { return info }
        throw Problem(
            .refused,
            "there is a device \(name(part)) that is not volume \(record.name)'s (\(info.uuid))",
            hint: "remove or rename it: `dmsetup info \(name(part))`")
    }

    /// Whether users can have the volume open.
    func isActive() throws(Problem) -> Bool { try info(.mounted)?.hasLiveTable ?? false }

    /// The devices of this volume that exist.
    func existing() throws(Problem) -> [Part] {
        let prefix = DeviceIdentity.prefix(volumeUUID: record.uuid)
        return try asking { () throws(DeviceFailure) in try mapper.devices() }.compactMap {
            $0.uuid.hasPrefix(prefix) ? $0.name.volumePart?.part : nil
        }
    }

    func reference(_ part: Part) throws(Problem) -> DeviceReference {
        guard let info = try info(part) else {
            throw Problem(
                .failed, "the device \(name(part)) is missing",
                hint: "run \(.activate(record.name))")
        }
        return .number(info.number)
    }

    func table(_ part: Part) throws(Problem) -> DeviceTable {
        try asking { () throws(DeviceFailure) in try mapper.table(name(part)) }
    }

    /// What the kernel says of a snapshot, or of a merge; nil when there is no such device.
    func status(_ part: Part) throws(Problem) -> SnapshotTargetStatus? {
        guard try info(part)?.hasLiveTable ?? false else { return nil }
        return try asking { () throws(DeviceFailure) in try mapper.status(name(part)) }.first?
            .snapshot
    }

    /// Whether the kernel has given up what a `snapshot`, or a merge, keeps.
    func isLost(_ part: Part) throws(Problem) -> Bool {
        switch try status(part) {
        case .invalid, .overflow: return true
        default: return false
        }
    }

    /// What the volume reads and writes through.
    enum BaseRole {
        case origin
        case merging
        /// A merge that rests: see ``PausedTable``.
        case paused
    }

    /// Nil while there is no `base`.
    func contentRole() throws(Problem) -> BaseRole? {
        guard let info = try info(.content), info.hasLiveTable else { return nil }
        // No other table of `base` has more than one, and this one may have very many.
        if info.segmentCount > 1 { return .paused }
        return switch try table(.content).segments.first?.target {
        case .snapshotMerge: .merging
        case .linear: .paused
        default: .origin
        }
    }

    // MARK: Tables

    private func single(_ bytes: Int, _ target: Target) -> DeviceTable {
        DeviceTable(segments: [
            Segment(startSector: 0, sectorCount: Self.sectors(bytes), target: target)
        ])
    }

    func linearTable(on origin: DeviceReference, bytes: Int) -> DeviceTable {
        single(bytes, .linear(device: origin, offset: 0))
    }

    /// The device that the volume has as its origin now, whatever the origin's path leads to; nil
    /// while it has none.
    func liveOrigin() throws(Problem) -> DeviceNumber? {
        guard try info(.linear)?.hasLiveTable ?? false,
            case .linear(.number(let number), _) = try table(.linear).segments.first?.target
        else { return nil }
        return number
    }

    func originTable(on part: Part, bytes: Int) throws(Problem) -> DeviceTable {
        single(bytes, .snapshotOrigin(try reference(part)))
    }

    func snapshotTable(
        of manifest: SnapshotManifest, on origin: Part
    ) throws(Problem) -> DeviceTable {
        let area = try loop(StoreLayout.area(manifest.ordinal), isReadOnly: false)
        return single(
            manifest.volumeBytes,
            .snapshot(
                origin: try reference(origin), exceptions: .number(area.number),
                chunkSectors: chunkSectors))
    }

    func mergeTable(_ revert: RevertID, bytes: Int) throws(Problem) -> DeviceTable {
        single(
            bytes,
            .snapshotMerge(
                origin: try reference(.linear), exceptions: try reference(.overlay(revert)),
                chunkSectors: chunkSectors))
    }

    /// Needs the devices that the table is made of.
    func pausedTable(_ revert: RevertID, bytes: Int) throws(Problem) -> PausedTable {
        PausedTable(
            bytes: bytes, format: format, overlay: try reference(.overlay(revert)),
            under: try reference(.pausedOrigin))
    }

    func syntheticTable(
        _ revert: RevertID, _ layout: SyntheticLayout
    ) throws(Problem) -> DeviceTable {
        let copy = StoreLayout.syntheticCopy(revert)
        if try doing({ () throws(IOFailure) in try folder.exists(copy) }) {
            let loop = try loop(copy, isReadOnly: true)
            return single(
                layout.chunkCount * format.chunkBytes,
                .linear(device: .number(loop.number), offset: 0))
        }
        let metadata = try loop(StoreLayout.syntheticMetadata(revert), isReadOnly: true)
        let areas = try areaLoops(layout.areas)
        var segments: [Segment] = []
        segments.reserveCapacity(layout.windows.count)
        var start = 0
        for window in layout.windows {
            let device: DeviceReference? =
                switch window.source {
                case .metadata: .number(metadata.number)
                case .area(let ordinal): areas[ordinal]
                }
            guard let device else { continue }
            segments.append(
                Segment(
                    startSector: start, sectorCount: window.count * chunkSectors,
                    target: .linear(
                        device: device, offset: window.first.rawValue * chunkSectors)))
            start += window.count * chunkSectors
        }
        return DeviceTable(segments: segments)
    }

    func overlayTable(_ revert: RevertID, _ layout: SyntheticLayout) throws(Problem) -> DeviceTable
    {
        let overlay = try loop(StoreLayout.syntheticOverlay(revert), isReadOnly: false)
        return single(
            layout.chunkCount * format.chunkBytes,
            .snapshot(
                origin: try reference(.synthetic(revert)), exceptions: .number(overlay.number),
                chunkSectors: chunkSectors))
    }

    /// What is written to a clone goes into its area, and what was not is read from below. Nobody writes to one
    /// that is read-only.
    func cloneTable(of clone: CloneRecord) throws(Problem) -> DeviceTable {
        let base = try reference(.cloneBase(clone.ordinal))
        guard !clone.isReadOnly else { return linearTable(on: base, bytes: clone.volumeBytes) }
        let area = try loop(StoreLayout.cloneArea(clone.ordinal), isReadOnly: false)
        return single(
            clone.volumeBytes,
            .snapshot(
                origin: base, exceptions: .number(area.number), chunkSectors: chunkSectors))
    }

    // MARK: Changing

    /// Makes a device, or lets one that is there run.
    func ensure(
        _ part: Part, isReadOnly: Bool = false, _ table: () throws(Problem) -> DeviceTable
    ) throws(Problem) {
        guard let info = try info(part) else {
            let table = try table()
            try asking { () throws(DeviceFailure) in
                try mapper.create(
                    name(part), uuid: uuid(part), isReadOnly: isReadOnly, table: table)
            }
            return
        }
        // One that never ran was made by a command that was killed; see `removeHalfMade`.
        if info.isSuspended { try resume(part) }
        try settle(part)
    }

    /// Has a device's node made, if the command that made the device was killed before.
    func settle(_ part: Part) throws(Problem) {
        try asking { () throws(DeviceFailure) in try mapper.settle(name(part)) }
        restrict(part)
    }

    /// Leaves what users have no business with to root alone. Best effort: udev may change it again, and
    /// does not where it has snapmgr's rules.
    func restrict(_ part: Part) {
        if part != .mounted { try? NodeAccess.rootOnly.apply(to: name(part).path) }
    }

    /// Takes away what a killed command has prepared in the kernel: tables that no resume has made
    /// live, and devices that never had one. Nobody can use them, but they hold on to what they stand
    /// on.
    func removeHalfMade() throws(Problem) {
        let parts = try existing()
        for part in parts where try info(part)?.hasInactiveTable ?? false {
            try asking { () throws(DeviceFailure) in try mapper.clear(name(part)) }
        }
        for part in parts {
            if let info = try info(part), !info.hasLiveTable { try remove(part) }
        }
    }

    /// Makes a device that does nothing until it is resumed; one that is there goes first.
    func prepare(_ part: Part, _ table: DeviceTable) throws(Problem) {
        try remove(part)
        try asking { () throws(DeviceFailure) in
            try mapper.prepare(name(part), uuid: uuid(part), isReadOnly: false, table: table)
        }
    }

    /// Loads a table for the next resume. One that a killed command has left there goes first: the
    /// kernel lets only one `snapshot-merge` at a time have a store.
    func load(_ part: Part, _ table: DeviceTable, isReadOnly: Bool = false) throws(Problem) {
        try clear(part)
        try asking { () throws(DeviceFailure) in
            try mapper.load(name(part), table: table, isReadOnly: isReadOnly)
        }
    }

    /// Drops a table that waits for a resume, if there is one.
    func clear(_ part: Part) throws(Problem) {
        guard try info(part)?.hasInactiveTable ?? false else { return }
        try asking { () throws(DeviceFailure) in try mapper.clear(name(part)) }
    }

    /// Puts another table in place of a device's, at one moment, for which I/O waits.
    func replace(
        _ part: Part, _ table: DeviceTable, isReadOnly: Bool = false
    ) throws(Problem) {
        try load(part, table, isReadOnly: isReadOnly)
        try cycle(part)
    }

    /// Suspends and resumes a device that somebody may be using: a guard sees to the resume if this
    /// process does not.
    private func cycle(_ part: Part) throws(Problem) {
        try requireRunning(part)
        // Where it cannot be noted, as in a store that fails, the guard sees to it.
        try? noteSuspension(of: [part])
        let guarding = try asking { () throws(DeviceFailure) in
            try SuspensionGuard.begin(
                devices: [name(part)], milliseconds: Self.cycleMilliseconds,
                dropsInactiveTables: false)
        }
        do throws(Problem) {
            try suspend(part, freezesFilesystem: false)
            try resumeEither(part)
        } catch {
            guarding.abandon()
            throw error
        }
        guarding.end()
        noteResumption(of: [part])
    }

    /// Resumes with the new table, or, where the kernel does not take it and so has dropped it, with
    /// the old one.
    private func resumeEither(_ part: Part) throws(Problem) {
        do throws(Problem) { try resume(part) } catch {
            try? resume(part)
            throw error
        }
    }

    private static let cycleMilliseconds = 10_000

    /// As ``replace(_:_:isReadOnly:)``, with a table that can be made only while I/O waits.
    /// `.interrupted`, and the device is as it was, when that takes so long that the guard lets I/O go
    /// on.
    func replaceHeld(
        _ part: Part, _ table: () throws(Problem) -> DeviceTable
    ) throws(Problem) {
        try requireRunning(part)
        try? noteSuspension(of: [part])
        let guarding = try asking { () throws(DeviceFailure) in
            try SuspensionGuard.begin(devices: [name(part)], milliseconds: Self.heldMilliseconds)
        }
        do throws(Problem) {
            try suspend(part, freezesFilesystem: false)
            try load(part, try table())
            // What the table was made by has changed since.
            guard try info(part)?.isSuspended ?? false else {
                throw Problem(
                    .interrupted, "the device \(name(part)) could not be held for long enough",
                    hint: "run the command again when the disk is less busy")
            }
        } catch {
            try? asking { () throws(DeviceFailure) in try mapper.clear(name(part)) }
            guarding.abandon()
            throw error
        }
        try letGo([part], guarding)
        noteResumption(of: [part])
    }

    /// Has I/O go on, and dismisses the guard once that is seen; else the guard sees to it.
    ///
    /// - Parameter parts: as they stand on each other, the lowest first.
    func letGo(_ parts: [Part], _ guarding: SuspensionGuard?) throws(Problem) {
        do throws(Problem) {
            for part in parts { try resumeIfSuspended(part) }
            for part in parts where try info(part)?.isSuspended ?? false {
                throw Problem(
                    .failed, "the device \(name(part)) is still suspended",
                    hint: "see `dmesg`, then run \(.activate(record.name))")
            }
        } catch {
            guarding?.abandon()
            throw error
        }
        guarding?.end()
    }

    /// As ``letGo(_:_:)`` for what no guard looks after: another process tries where this one fails.
    func letGoUnguarded(_ parts: [Part]) throws(Problem) {
        do throws(Problem) { try letGo(parts, nil) } catch {
            let devices = parts.map { name($0) }
            let guarding = try asking { () throws(DeviceFailure) in
                try SuspensionGuard.begin(devices: devices, milliseconds: Self.cycleMilliseconds)
            }
            guard guarding.abandon() else { throw error }
        }
    }

    private static let heldMilliseconds = 30_000

    func suspend(_ part: Part, freezesFilesystem: Bool) throws(Problem) {
        try asking { () throws(DeviceFailure) in
            try mapper.suspend(
                name(part), freezesFilesystem: freezesFilesystem, flushes: true)
        }
    }

    func resume(_ part: Part) throws(Problem) {
        try asking { () throws(DeviceFailure) in try mapper.resume(name(part)) }
    }

    /// Has the origin see which snapshots hang on `real` now. The kernel learns only when a
    /// `snapshot-origin` is resumed at which chunks it must cut writes; one that is not cut has only
    /// its first chunk preserved.
    func renewOrigin() throws(Problem) {
        for part in [Part.pausedOrigin, .content] where try info(part)?.hasLiveTable ?? false {
            try cycle(part)
        }
    }

    /// The same while the volume is held, with a guard that resumes `base`, too. What is attached in
    /// mid-merge then hangs on `base`, and is none of `under`'s.
    func renewHeldOrigin() throws(Problem) {
        try suspend(.content, freezesFilesystem: false)
        try resume(.content)
    }

    func resumeIfSuspended(_ part: Part) throws(Problem) {
        if try info(part)?.isSuspended ?? false { try resume(part) }
    }

    func remove(_ part: Part) throws(Problem) {
        guard let info = try info(part) else { return }
        if case .snapshot = part, info.openCount > 0 { try letLoose(info.number) }
        try asking { () throws(DeviceFailure) in try mapper.remove(name(part)) }
    }
}

/// Asks the kernel, and turns its refusal into a problem for people.
func asking<Value>(_ body: () throws(DeviceFailure) -> Value) throws(Problem) -> Value {
    do { return try body() } catch { throw Problem(error) }
}

extension Problem {
    /// The problem that a failed request to the kernel is.
    package init(_ failure: DeviceFailure) {
        let hint: Advice =
            switch failure.cause {
            case .noPermission: "run the command as root"
            case .missingModule: "load the kernel's module: `modprobe dm-snapshot`"
            default: "see `dmesg`, and run \(.check())"
            }
        self.init(
            failure.isNotFound ? .notFound : failure.isBusy ? .refused : .failed,
            failure.description, hint: hint)
    }
}
