import System
import ImageDriver
import SnapshotModel
import Synchronization
import VolumeAccess

/// The real driver of images, of whose sessions one can be made to fail.
final class FaultySessions: VolumeDriver {
    struct Fault: Sendable {
        /// The end of the store's path.
        var volume: String
        /// Whether this request is the one.
        var matches: @Sendable (VolumeRequest) -> Bool
        /// Whether the request is carried out before it fails, as when an answer is lost.
        var isLate = false
    }

    let fault = Mutex<Fault?>(nil)
    /// Called with a store's path before a session with its volume is opened; may fail that.
    let onOpen = Mutex<(@Sendable (String) throws(Problem) -> Void)?>(nil)
    /// Stands between a stream and the volume that it is written into.
    let onReceive = Mutex<(@Sendable (any VolumeReceiver) -> any VolumeReceiver)?>(nil)
    /// What sessions were asked for while there was a fault, by their stores' paths.
    private let requests = Mutex<[(storePath: String, request: VolumeRequest)]>([])

    /// The stores whose sessions were asked for this.
    func storePaths(askedFor request: VolumeRequest) -> [String] {
        requests.withLock { $0 }.filter { $0.request == request }.map(\.storePath)
    }
    private let real: ImageVolumeDriver

    init(clock: TestClock) { real = ImageVolumeDriver(purpose: "test", clock: clock) }

    func fail(
        _ volume: String, late: Bool = false,
        on matches: @escaping @Sendable (VolumeRequest) -> Bool
    ) {
        fault.withLock { $0 = Fault(volume: volume, matches: matches, isLate: late) }
    }

    func heal() { fault.withLock { $0 = nil } }

    func open(_ place: VolumePlace) throws(Problem) -> any VolumeSession {
        try onOpen.withLock({ $0 })?(place.storePath)
        let session = try real.open(place)
        let storePath = place.storePath
        let fault = fault.withLock { $0 }
        guard let fault else { return session }
        let isFaulty = storePath.hasSuffix("/" + fault.volume)
        return FaultySession(session, isFaulty ? fault : nil) { request in
            self.requests.withLock { $0.append((storePath, request)) }
        }
    }
}

// What fails nowhere.
extension FaultySessions {
    var name: DriverName { real.name }
    var traits: DriverTraits { real.traits }
    var devices: (any DeviceAbility)? { real.devices }

    func requireMachine() throws(Problem) { try real.requireMachine() }
    func check(_ wish: NewVolume) throws(Problem) { try real.check(wish) }
    func lastingPath(_ path: String, note: (String) -> Void) -> String? {
        real.lastingPath(path, note: note)
    }
    func requireKind(isBlockDevice: Bool, path: String, volume: String?) throws(Problem) {
        try real.requireKind(isBlockDevice: isBlockDevice, path: path, volume: volume)
    }
    func requireUsable(_ path: String, byteCount: Int, chunkBytes: Int) throws(Problem) {
        try real.requireUsable(path, byteCount: byteCount, chunkBytes: chunkBytes)
    }
    func claimOrigin(
        _ path: String, volume: String, recorded: OriginIdentity?
    ) throws(Problem) -> (any OriginClaim)? {
        try real.claimOrigin(path, volume: volume, recorded: recorded)
    }
    func setOrigin(
        _ path: String, of place: VolumePlace
    ) throws(Problem) -> any OriginClaim {
        try real.setOrigin(path, of: place)
    }
    func originProblem(_ place: VolumePlace) throws(Problem) -> Problem? {
        try real.originProblem(place)
    }
    func inspector(at place: VolumePlace) -> any VolumeInspector { real.inspector(at: place) }
    func receiver(of place: VolumePlace) throws(Problem) -> any VolumeReceiver {
        let receiver = try real.receiver(of: place)
        return onReceive.withLock { $0 }?(receiver) ?? receiver
    }
    func server(of place: VolumePlace) throws(Problem) -> (any VolumeSession)? {
        try real.server(of: place)
    }
    func requireServable(_ place: VolumePlace) throws(Problem) { try real.requireServable(place) }
    func requirePresent(_ place: VolumePlace) throws(Problem) { try real.requirePresent(place) }
    func serve(
        _ place: VolumePlace, report: @escaping @Sendable (Advice) -> Void,
        letGo: @escaping @Sendable () -> Void
    ) throws(Problem) -> any ServedVolume {
        try real.serve(place, report: report, letGo: letGo)
    }
}

private final class FaultySession: VolumeSession {
    private let session: any VolumeSession
    private let fault: FaultySessions.Fault?
    private let note: @Sendable (VolumeRequest) -> Void

    init(
        _ session: any VolumeSession, _ fault: FaultySessions.Fault?,
        note: @escaping @Sendable (VolumeRequest) -> Void
    ) {
        self.session = session
        self.fault = fault
        self.note = note
    }

    var mergesByItself: Bool { session.mergesByItself }
    var warnings: [Advice] { session.warnings }

    func perform(
        _ request: VolumeRequest, for client: any RequestClient
    ) throws(Problem) -> VolumeReply {
        note(request)
        guard let fault, fault.matches(request) else {
            return try session.perform(request, for: client)
        }
        if fault.isLate { _ = try session.perform(request, for: client) }
        throw Problem(.inputOutput, "injected into \(request)")
    }

    func close() { session.close() }
}
