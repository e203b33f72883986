package import SnapshotModel

/// What a driver can do whose volumes are devices of the kernel's.
package protocol DeviceAbility: Sendable {
    /// - Throws: `refused` on a kernel that could lose data.
    func requireKernel() throws(Problem)

    /// Whether the kernel can have devices of this driver's at all.
    func isPresent() throws(Problem) -> Bool

    /// Why a volume that is not active cannot be used, and the next command.
    func inactiveProblem(_ volume: String) -> Problem

    /// Has a volume's devices for this process alone, whether it is active or not. Nothing that was
    /// left half done is finished yet.
    ///
    /// - Throws: `locked` when another command is at work on it.
    func open(_ place: VolumePlace) throws(Problem) -> any OpenDevices

    /// Takes a volume's devices down without its store, which is missing.
    ///
    /// - Returns: what somebody must know of it.
    /// - Throws: `refused` while somebody has the volume or a snapshot open, naming who.
    func takeDown(_ place: VolumePlace) throws(Problem) -> [String]

    /// The number of the device that users mount, as stat tells it; nil while it is not there.
    func number(of place: VolumePlace) throws(Problem) -> UInt64?

    /// The clones of a volume that the kernel has a device for.
    func clones(of place: VolumePlace) throws(Problem) -> [CloneOrdinal: CloneDevice]

    /// Which volume, snapshot or clone is the device with this number; nil when none is.
    func owner(ofDevice number: UInt64) throws(Problem) -> DeviceOwner?

    func keeper(of place: VolumePlace) -> any RoomKeeper

    /// - Returns: nil when the kernel has no device-mapper, or none for this user: there is nothing to watch.
    /// - Throws: when the kernel's devices cannot be watched.
    func events() throws(Problem) -> (any DeviceEventSource)?
}

/// What a device of a volume's is.
package struct DeviceOwner: Hashable, Sendable {
    /// The volume's name.
    package var volume: String
    /// Nil for the volume itself, and for a clone.
    package var snapshot: SnapshotID?
    /// Nil for what is no clone.
    package var clone: CloneOrdinal?
    /// Of the device that was made.
    package var path: String

    package init(
        volume: String, snapshot: SnapshotID? = nil, clone: CloneOrdinal? = nil, path: String
    ) {
        self.volume = volume
        self.snapshot = snapshot
        self.clone = clone
        self.path = path
    }
}

/// A clone as the kernel has it.
package struct CloneDevice: Hashable, Sendable {
    /// Of the device that was made.
    package var path: String
    /// Whether its store was full or failed, so that all its I/O fails until nobody has it open.
    package var isLost: Bool

    package init(path: String, isLost: Bool) {
        self.path = path
        self.isLost = isLost
    }
}

/// The devices of a volume, which this process has to itself.
package protocol OpenDevices: AnyObject {
    /// What has been found and finished.
    var warnings: [Advice] { get }

    /// Whether users can have the volume open.
    var isActive: Bool { get throws(Problem) }

    /// Whether the volume could be activated as its origin is now.
    ///
    /// - Throws: `refused` when it is another one, or was written to meanwhile; `missing`.
    func requireOrigin() throws(Problem)

    /// Takes the origin as it is although it was written to while the volume was not active.
    func acceptOrigin() throws(Problem)

    /// Takes the device at the origin's path although it is another one.
    func acceptDevice() throws(Problem)

    /// Makes the devices, and finishes what was half done.
    func activate() throws(Problem)

    /// - Throws: `refused` while somebody has the volume open, naming who.
    func deactivate() throws(Problem)

    /// Finishes, in an active volume, what a killed command or the end of a merge has left.
    func recover() throws(Problem)

    /// Opens a read-only device with a snapshot's content; returns its path.
    func openView(_ id: SnapshotID) throws(Problem) -> String

    /// The device of a clone; returns its path.
    ///
    /// - Throws: `refused` while a merge copies from it; `broken`.
    func openClone(_ name: String) throws(Problem) -> String

    /// Removes the snapshots' devices that nobody has open.
    ///
    /// - Parameter ids: the snapshots that are meant; nil is all.
    func sweepViews(_ ids: Set<SnapshotID>?) throws(Problem)

    /// Gives all snapshots up before the store is filled to its last byte.
    ///
    /// - Returns: the newest one that is lost; nil when there was none.
    func giveUpSnapshots() throws(Problem) -> SnapshotID?
}

/// Looks after the room that a volume's growing areas have, between commands.
package protocol RoomKeeper {
    /// What the areas have taken and can still take, now; nil while the volume is not active.
    func look() throws(Problem) -> RoomReading?

    /// Reserves space behind what is used, again.
    ///
    /// - Parameter purpose: what this process does, told to those who find the store locked by it.
    /// - Returns: false, with nothing done, while another process has the store open.
    func refill(purpose: String) throws(Problem) -> Bool
}

/// Tells when something has happened to the kernel's devices, but not what. Any thread may call.
package protocol DeviceEventSource: Sendable {
    /// Events up to now are not told by the next wait.
    func arm() throws(Problem)
    func wait(milliseconds: Int) throws(Problem) -> EventWaitEnd
    /// Waits in any case, and only for ``wake()``; whether it came.
    func isWoken(within milliseconds: Int) throws(Problem) -> Bool
    /// Ends the wait that is under way, and all later ones.
    func wake()
}

/// Why a wait ended.
package enum EventWaitEnd: Hashable, Sendable {
    case event
    case timeHasPassed
    /// Somebody called ``DeviceEventSource/wake()``.
    case woken
}
