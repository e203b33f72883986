package import System
package import DeviceMapper
internal import Glibc
internal import StoreFormat
package import SnapshotModel

/// The devices of a volume for a server, which outlives commands: it has them open while clients are
/// connected, and the store's lock only for the moment in which it makes or removes a view. Any
/// thread may call.
package final class DeviceAccess: Sendable {
    private let volume: String
    private let storePath: String
    private let purpose: String
    private let mapper: any DeviceMapping
    private let clock: any Clock
    private let report: @Sendable (Advice) -> Void
    /// One thread at a time: to the store's lock, the threads of this process are strangers to each
    /// other.
    private let lock = WorkLock(.deviceAccess)
    private let state = State()

    /// What the lock guards.
    private final class State: @unchecked Sendable {
        /// How many clients have each snapshot open.
        var clients: [SnapshotID: Int] = [:]
        /// When the store's lock was given back last.
        var unlockedAt: Int64?
        /// How many clients may write to the volume (nil), and to each clone.
        var writers: [CloneOrdinal?: Int] = [:]
        /// What keeps everybody else from mounting it while one may.
        var claims: [CloneOrdinal?: Claim] = [:]
    }

    /// How long a client that connects waits for a command: longer than another command would, since
    /// a machine that starts does not try again.
    private static let openMilliseconds = 10_000
    /// How long the store's lock is left to others between two steps: commands look for it each 50 ms.
    private static let restMilliseconds = 100

    /// - Parameters:
    ///   - volume: its name.
    ///   - purpose: what this process does, told to those who find the store locked by it.
    ///   - report: hears of what was found and finished when the volume was looked at.
    package init(
        volume: String, storePath: String, purpose: String, mapper: any DeviceMapping,
        clock: any Clock,
        report: @escaping @Sendable (Advice) -> Void
    ) {
        self.volume = volume
        self.storePath = storePath
        self.purpose = purpose
        self.mapper = mapper
        self.clock = clock
        self.report = report
    }

    /// A device that is opened as a filesystem that is mounted opens it: it is one or the other.
    private final class Claim: Sendable {
        private let descriptor: OwnedDescriptor

        init(path: String) throws(IOFailure) {
            descriptor = try OwnedDescriptor(path: path, flags: O_RDONLY | O_EXCL)
        }
    }

    /// Opens what users mount, for reading. It needs no lock: to a command this is an opener as any
    /// other.
    ///
    /// - Throws: `refused` when the volume is not active.
    package func openVolume() throws(Problem) -> FileDevice { try open(nil, .readOnly) }

    /// The same for writing, too. As long as one client may write, nobody else can mount the volume.
    /// Who closes it says so by ``closedWritable()``.
    ///
    /// - Throws: `refused` also while the volume is mounted, or is another device's, naming which.
    package func openWritable() throws(Problem) -> FileDevice { try openWritable(nil) }

    /// Opens a clone's device, in the same way.
    ///
    /// - Throws: `refused` when the volume is not active, or the clone is mounted and the client may write.
    package func openClone(
        _ ordinal: CloneOrdinal, isWritable: Bool
    ) throws(Problem) -> FileDevice {
        isWritable ? try openWritable(ordinal) : try open(ordinal, .readOnly)
    }

    private func openWritable(_ clone: CloneOrdinal?) throws(Problem) -> FileDevice {
        try lock.during { () throws(Problem) in
            let device = try open(clone, .readWrite)
            if state.claims[clone] == nil { state.claims[clone] = try claim(clone) }
            state.writers[clone, default: 0] += 1
            return device
        }
    }

    /// A client that could write has closed the volume, or a clone.
    package func closedWritable(_ clone: CloneOrdinal? = nil) {
        lock.during {
            let count = (state.writers[clone] ?? 1) - 1
            state.writers[clone] = count > 0 ? count : nil
            if count <= 0 { state.claims[clone] = nil }
        }
    }

    private func path(_ clone: CloneOrdinal?) -> String {
        DeviceName(volume: volume, clone.map { .clone($0) } ?? .mounted).path
    }

    private func claim(_ clone: CloneOrdinal?) throws(Problem) -> Claim {
        let path = path(clone)
        do throws(IOFailure) { return try Claim(path: path) } catch {
            guard error.code == EBUSY else { throw Problem(error) }
            let number = try? BlockDevices.number(path)
            let what = clone == nil ? "volume \(volume)" : "this clone of volume \(volume)"
            throw Problem(
                .refused,
                "\(what) is not served now: \(path) is "
                    + (number.map { Holders(of: $0).text } ?? "in use"),
                hint: "unmount it first, or read one of its snapshots")
        }
    }

    private func open(
        _ clone: CloneOrdinal?, _ access: FileDevice.Access
    ) throws(Problem) -> FileDevice {
        let record = try StoreReader(folder: FileFolder(path: storePath)).record
        try DeviceInspector(record, storePath: storePath, mapper: mapper).requireActive()
        return try doing { () throws(IOFailure) in
            try FileDevice(path: path(clone), access: access)
        }
    }

    /// Opens a snapshot for reading; makes its view when there is none. Who closes it says so by
    /// ``closed(_:)``.
    ///
    /// - Throws: `refused` when the volume is not active, `notFound` or `broken` when the snapshot
    ///   is not to be had, `locked` when a command is at work for more than ten seconds.
    package func openSnapshot(_ id: SnapshotID) throws(Problem) -> FileDevice {
        try lock.during { () throws(Problem) in
            let count = state.clients[id] ?? 0
            let known = count > 0 ? reopen(id) : nil
            let device = if let known { known } else { try openFirst(id) }
            state.clients[id] = count + 1
            return device
        }
    }

    /// Opens a view that a client has open, which keeps it there. Nil when that client has closed
    /// it, and is about to say so.
    private func reopen(_ id: SnapshotID) -> FileDevice? {
        try? FileDevice(path: DeviceName(volume: volume, .view(id)).path, access: .readOnly)
    }

    private func openFirst(_ id: SnapshotID) throws(Problem) -> FileDevice {
        try withVolume(milliseconds: Self.openMilliseconds) { volume throws(Problem) in
            // A view stands on what a killed command may have left half done.
            try volume.recover()
            let path = try volume.openView(id)
            do throws(IOFailure) {
                // Open before the lock is given back: nobody sweeps it then.
                return try FileDevice(path: path, access: .readOnly)
            } catch {
                try? volume.sweepViews([id])
                throw Problem(error)
            }
        }
    }

    /// A client has closed a snapshot's device. Behind the last one the view is removed, unless
    /// somebody else has it open. That it stays is no harm: whoever needs it gone sweeps it.
    package func closed(_ id: SnapshotID) {
        lock.during {
            let count = (state.clients[id] ?? 1) - 1
            state.clients[id] = count > 0 ? count : nil
            guard count == 0 else { return }
            _ = try? withVolume { volume throws(Problem) in try volume.sweepViews([id]) }
        }
    }

    /// Removes the views that a killed server has left.
    package func sweep() {
        lock.during {
            _ = try? withVolume { volume throws(Problem) in try volume.sweepViews() }
        }
    }

    /// With the lock taken.
    private func withVolume<Result>(
        milliseconds: Int = StoreHolder.patienceMilliseconds,
        _ body: (DeviceVolume) throws(Problem) -> Result
    ) throws(Problem) -> Result {
        rest(since: state.unlockedAt)
        defer { state.unlockedAt = clock.monotonicNanoseconds() }
        let volume = try StoreHolder.waiting(
            for: storePath, milliseconds: milliseconds
        ) { () throws(Problem) in
            try DeviceVolume.openUnlessHeld(
                storePath: storePath, purpose: purpose, mapper: mapper, clock: clock)
        }
        defer { for warning in volume.warnings { report(warning) } }
        return try body(volume)
    }

    private func rest(since unlockedAt: Int64?) {
        guard let unlockedAt else { return }
        let passed = Int(clock.monotonicNanoseconds() - unlockedAt) / 1_000_000
        guard passed < Self.restMilliseconds else { return }
        BackgroundThread.sleep(milliseconds: Self.restMilliseconds - passed)
    }
}
