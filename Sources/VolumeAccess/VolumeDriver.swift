package import SnapshotModel

/// How one kind of volumes is made, opened, served and looked after. Everybody else asks for what can
/// be done, and never which driver it is. Any thread may call.
///
/// A new driver is a module with one type that conforms, a line in the list of drivers, and a run of
/// the conformance suite over it.
package protocol VolumeDriver: Sendable {
    /// The name that stands in the volumes' records.
    var name: DriverName { get }
    var traits: DriverTraits { get }
    /// What the driver can do with devices of the kernel's; nil for one that has none.
    var devices: (any DeviceAbility)? { get }

    // MARK: Origins, and new volumes

    /// What this machine must have for a volume to be made, whatever its origin is.
    ///
    /// - Throws: `failed`, `missing` or `refused`, naming what is in the way.
    func requireMachine() throws(Problem)

    /// Whether such a volume can be made at all.
    ///
    /// - Throws: `usage` for what this driver cannot do.
    func check(_ wish: NewVolume) throws(Problem)

    /// The name under which a volume is to remember an origin that is no file of this machine's.
    ///
    /// - Parameter text: as it was given.
    /// - Returns: nil for what is meant as a path.
    /// - Throws: `usage` for a name that cannot be one.
    func originName(_ text: String) throws(Problem) -> String?

    /// The size in bytes of an origin that is no file, which can become a volume's.
    ///
    /// - Parameter name: as ``originName(_:)`` gives it.
    /// - Throws: `notFound` when it is not there, `exists` when it is another volume's, `refused` when it may not
    ///   be changed, `missing` when whoever has it does not answer.
    func byteCount(ofOrigin name: String) throws(Problem) -> Int

    /// Notes on an origin that is no file whose volume it is, as far as it is not noted already; a store of this
    /// record is there.
    func markOrigin(of place: VolumePlace) throws(Problem)

    /// Removes what the volume has put into an origin that is no file: it is given up. The caller has its store's
    /// lock.
    ///
    /// - Throws: `refused` when it is needed by others; nothing was removed then.
    func clearOrigin(of place: VolumePlace) throws(Problem)

    /// Makes a volume's store anew from what its origin, which is no file, says of it.
    ///
    /// - Parameters:
    ///   - name: as ``originName(_:)`` gives it.
    ///   - folder: gives the folder to make it in, which is empty or not there, for the volume of a record.
    /// - Throws: `notFound` when it is no volume's.
    func restoreStore(
        ofOrigin name: String, in folder: (VolumeRecord) throws(Problem) -> String
    ) throws(Problem) -> String

    /// The path under which a volume is to remember an origin.
    ///
    /// - Parameters:
    ///   - path: absolute, as it was given.
    ///   - note: hears what people should know.
    /// - Returns: nil for the path that is left when all links are followed.
    func lastingPath(_ path: String, note: (String) -> Void) -> String?

    /// - Parameter volume: the volume that has the origin already; nil for a new one.
    /// - Throws: `failed` when an origin of this driver's cannot be such a thing.
    func requireKind(isBlockDevice: Bool, path: String, volume: String?) throws(Problem)

    /// Whether nothing is in the way of a new volume on an origin.
    ///
    /// - Throws: `refused` while others use it, `usage` for a chunk's size that it cannot have.
    func requireUsable(_ path: String, byteCount: Int, chunkBytes: Int) throws(Problem)

    /// Keeps others off an origin for as long as the result lives; nil where the kernel does it once
    /// the volume is up.
    ///
    /// - Parameters:
    ///   - volume: its name, for messages.
    ///   - recorded: what the origin was when the volume was made; nil takes what is there.
    /// - Throws: `refused` when it is not the recorded one or another program uses it, `locked` when
    ///   another snapmgr does, `missing` when it is not there.
    func claimOrigin(
        _ path: String, volume: String, recorded: OriginIdentity?
    ) throws(Problem) -> (any OriginClaim)?

    /// Writes into a volume's store, whose lock the caller has, that its origin is another one. Its
    /// content is not looked at.
    ///
    /// - Returns: what keeps others off it until all has been noted.
    /// - Throws: as ``claimOrigin(_:volume:recorded:)``.
    func setOrigin(_ path: String, of place: VolumePlace) throws(Problem) -> any OriginClaim

    /// What would keep the volume from being opened for its origin's sake; nil while it is open, and
    /// when nothing would.
    ///
    /// - Throws: `corrupt`, `missing` or `io` when the store cannot be read.
    func originProblem(_ place: VolumePlace) throws(Problem) -> Problem?

    // MARK: Looking, opening, serving

    /// A look that takes no lock and changes nothing.
    func inspector(at place: VolumePlace) -> any VolumeInspector

    /// Connects to whoever serves the volume, or opens it here; what is half done is finished.
    ///
    /// - Throws: `locked` when a command, and no server, has the volume open; `missing` when the store or the origin
    ///   is not there, `refused` when the origin is another one or others use it, `corrupt` and `newer_version` for
    ///   a store that cannot be understood.
    func open(_ place: VolumePlace) throws(Problem) -> any VolumeSession

    /// Opens a volume in this process to write a stream into it; what is half done is finished.
    ///
    /// - Throws: `refused` when somebody serves it or the driver cannot, `locked` while a command has it open.
    func receiver(of place: VolumePlace) throws(Problem) -> any VolumeReceiver

    /// Connects to the process that serves the volume; nil when none does, or none needs to.
    ///
    /// - Throws: `locked` when it does not answer in time.
    func server(of place: VolumePlace) throws(Problem) -> (any VolumeSession)?

    /// Whether a server could open the volume now. Nothing stays open.
    ///
    /// - Throws: as ``open(_:)``; `locked` also when another server has it.
    func requireServable(_ place: VolumePlace) throws(Problem)

    /// What can be seen of a volume before a server forks; of the kernel nothing is asked, since that
    /// leaves open what a fork does not bear.
    ///
    /// - Throws: `missing`, `corrupt` or `newer_version`, naming what is wrong with the store or the origin.
    func requirePresent(_ place: VolumePlace) throws(Problem)

    /// Serves the volume from this process.
    ///
    /// - Parameters:
    ///   - report: hears of what goes wrong meanwhile.
    ///   - letGo: ends the serving of this volume in the background.
    /// - Throws: as ``requireServable(_:)``.
    func serve(
        _ place: VolumePlace, report: @escaping @Sendable (Advice) -> Void,
        letGo: @escaping @Sendable () -> Void
    ) throws(Problem) -> any ServedVolume
}

// Most origins are files.
extension VolumeDriver {
    /// None, where all origins are files.
    package func originName(_ text: String) throws(Problem) -> String? { nil }

    /// There is none, where all origins are files.
    package func byteCount(ofOrigin name: String) throws(Problem) -> Int {
        throw noNamedOrigin(name)
    }

    /// Nothing: a file is noted in the store alone.
    package func markOrigin(of place: VolumePlace) throws(Problem) {}

    /// Nothing: all that a volume has lies in its store.
    package func clearOrigin(of place: VolumePlace) throws(Problem) {}

    /// A file does not know of its volume.
    package func restoreStore(
        ofOrigin name: String, in folder: (VolumeRecord) throws(Problem) -> String
    ) throws(Problem) -> String { throw noNamedOrigin(name) }

    private func noNamedOrigin(_ name: String) -> Problem {
        Problem(
            .usage, "the driver \(self.name) has files and devices for origins, and not \(name)")
    }
}

/// An origin that others are kept off while this lives.
package protocol OriginClaim: Sendable {
    /// What tells the origin from others.
    var identity: OriginIdentity { get }
}

/// What is asked for when a volume is to be made.
package struct NewVolume: Hashable, Sendable {
    /// The origin is to be made, too.
    package var makesOrigin: Bool
    /// Nil is what the driver does by default.
    package var storeFullPolicy: StoreFullPolicy?

    package init(makesOrigin: Bool, storeFullPolicy: StoreFullPolicy?) {
        self.makesOrigin = makesOrigin
        self.storeFullPolicy = storeFullPolicy
    }
}

/// What holds for all volumes of a driver.
package struct DriverTraits: Hashable, Sendable {
    /// What such a volume is called in a sentence: `an image`, `under device-mapper`.
    package var noun: String
    /// What is done when the store is full and nobody has chosen.
    package var storeFullPolicy: StoreFullPolicy
    /// Why snapshots can be lost whatever the policy is; nil where the policy alone decides.
    package var lossCause: String?
    /// Whether the origin is opened by its path, so that the filesystem on which it lies matters.
    package var opensOriginByPath: Bool
    /// Whether the rate of a running merge is that of the moment, so that 0 means a standstill.
    package var tellsMergeRate: Bool
    /// What limiting one volume's merge does to others; nil for nothing.
    package var throttleNote: String?
    /// Whether a merge goes on by itself while the volume is up, or needs whoever has it open.
    package var mergesByItself: Bool
    /// Whether an area's file becomes longer with what is in it; else it has room for all of the volume from
    /// its beginning.
    package var areasGrow: Bool
    /// Whether its snapshots can have clones.
    package var hasClones: Bool
    /// Whether a revert that was cut goes on only when a command or a tick has it go on: its volume is neither old
    /// nor new until then.
    package var resumesReverts: Bool
    /// Whether what is in a snapshot can be sent, mirrored, mounted and looked into; else it can be exported alone.
    package var givesContent: Bool

    package init(
        noun: String, storeFullPolicy: StoreFullPolicy, lossCause: String?,
        opensOriginByPath: Bool, tellsMergeRate: Bool, throttleNote: String?,
        mergesByItself: Bool, areasGrow: Bool, hasClones: Bool, resumesReverts: Bool = false,
        givesContent: Bool = true
    ) {
        self.noun = noun
        self.storeFullPolicy = storeFullPolicy
        self.lossCause = lossCause
        self.opensOriginByPath = opensOriginByPath
        self.tellsMergeRate = tellsMergeRate
        self.throttleNote = throttleNote
        self.mergesByItself = mergesByItself
        self.areasGrow = areasGrow
        self.hasClones = hasClones
        self.resumesReverts = resumesReverts
        self.givesContent = givesContent
    }
}
