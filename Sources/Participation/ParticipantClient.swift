internal import Glibc
package import SnapshotModel
internal import System

/// A command's round with the service that knows the participants. The service thaws all of them when this goes.
/// Used by one thread.
package final class ParticipantClient {
    private let socket: LocalSocket
    private let lines: LineConnection
    /// Why the round is to end; nil as long as it may go on.
    private let end: () -> Problem?
    private var failure: Problem?
    /// Those who are concerned, as far as is known.
    package private(set) var participants: [Participant] = []

    private static let connectMilliseconds = 1_000
    /// How long it may take to hear that it is to end, in milliseconds.
    private static let sliceMilliseconds = 200

    private init(_ socket: LocalSocket, _ end: @escaping () -> Problem?) {
        self.socket = socket
        self.end = end
        lines = LineConnection(socket, limitBytes: RoundWire.replyBytes)
    }

    deinit { socket.shutDown() }

    /// Nil when nobody listens in the state folder: then there are no participants.
    ///
    /// - Parameter end: why nobody is to be waited for any more; nil as long as they are. Going on is waited for.
    /// - Throws: `refused` when a stranger listens there.
    package static func connect(
        folder: String, until end: @escaping () -> Problem? = { nil }
    ) throws(Problem) -> ParticipantClient? {
        let socket: LocalSocket
        do throws(IOFailure) {
            socket = try LocalSocket.connect(
                folder: folder, name: RoundWire.socketName, milliseconds: connectMilliseconds)
        } catch {
            guard [ENOENT, ENOTDIR, ECONNREFUSED].contains(error.code) else { throw Problem(error) }
            return nil
        }
        let user = try doing { () throws(IOFailure) in try socket.peerUser() }
        guard user == LocalSocket.ownUser || user == 0 else {
            throw Problem(
                .refused, "\(socket.path) is served by user \(user), neither root nor you",
                hint: "end that process if it should not be there")
        }
        return ParticipantClient(socket, end)
    }

    /// - Returns: those who are concerned.
    package func begin(
        _ kind: RoundKind, volumes: [String], snapshots: [Int64] = []
    ) throws(Problem) -> [Participant] {
        var request = RoundRequest(.begin)
        request.kind = kind
        request.volumes = volumes
        request.snapshots = snapshots
        return try ask(request, milliseconds: RoundWire.greetingMilliseconds).participants ?? []
    }

    /// Each of these tells what became of all of them so far.
    package func prepare() throws(Problem) -> [ParticipantOutcome] {
        try outcomes(of: RoundRequest(.prepare), ParticipantLimits.prepareMilliseconds)
    }

    package func freeze() throws(Problem) -> [ParticipantOutcome] {
        try outcomes(of: RoundRequest(.freeze), ParticipantLimits.ceilingMilliseconds)
    }

    /// - Parameter succeeded: whether there is a snapshot.
    package func thaw(succeeded: Bool) throws(Problem) -> [ParticipantOutcome] {
        var request = RoundRequest(.thaw)
        request.succeeded = succeeded
        return try outcomes(of: request, ParticipantLimits.thawMilliseconds)
    }

    /// Has everybody hear of the snapshots.
    package func conclude(_ snapshots: [SnapshotID], _ consistency: Consistency) throws(Problem) {
        var request = RoundRequest(.conclude)
        request.snapshots = snapshots.map(\.rawValue)
        request.consistency = consistency
        _ = try ask(request, milliseconds: RoundWire.greetingMilliseconds)
    }

    package func reverted(succeeded: Bool) throws(Problem) -> [ParticipantOutcome] {
        var request = RoundRequest(.reverted)
        request.succeeded = succeeded
        return try outcomes(of: request, ParticipantLimits.prepareMilliseconds)
    }

    private func outcomes(
        of request: RoundRequest, _ milliseconds: Int
    ) throws(Problem) -> [ParticipantOutcome] {
        try ask(request, milliseconds: milliseconds).outcomes ?? []
    }

    /// After one that fails, all do: an answer that comes late is none to the next question. The service then has
    /// everybody go on.
    private func ask(_ request: RoundRequest, milliseconds: Int) throws(Problem) -> RoundReply {
        if let failure { throw failure }
        do throws(Problem) {
            let reply = try exchange(request, milliseconds)
            if let members = reply.participants { participants = members }
            return reply
        } catch {
            failure = error
            socket.shutDown()
            throw error
        }
    }

    private func exchange(
        _ request: RoundRequest, _ milliseconds: Int
    ) throws(Problem) -> RoundReply {
        guard lines.send(request, milliseconds: RoundWire.marginMilliseconds) else {
            throw Self.gone
        }
        let line = try line(
            by: Deadline(milliseconds: milliseconds + RoundWire.marginMilliseconds),
            isEndHeeded: [.begin, .prepare, .freeze].contains(request.step))
        guard let reply = try? LineCodec.decode(RoundReply.self, line) else { throw Self.gone }
        if let problem = reply.problem { throw problem }
        guard reply.step == request.step else { throw Self.confused }
        return reply
    }

    private func line(by deadline: Deadline, isEndHeeded: Bool) throws(Problem) -> [UInt8] {
        while true {
            let slice = min(Self.sliceMilliseconds, deadline.remainingMilliseconds)
            do throws(LineConnection.Absence) {
                return try lines.next(by: Deadline(milliseconds: slice))
            } catch {
                guard error == .timedOut else { throw Self.gone }
                guard !deadline.hasPassed else { throw Self.silent }
            }
            if isEndHeeded, let problem = end() { throw problem }
        }
    }

    private static let gone = Problem(.failed, "the service that knows the participants has gone")
    private static let silent = Problem(
        .failed, "the service that knows the participants does not answer")
    private static let confused = Problem(
        .failed, "the service that knows the participants answers something else")
}
