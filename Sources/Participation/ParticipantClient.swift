internal import Glibc
package import SnapshotModel
internal import System

/// A command's round with the service that knows the participants. The service thaws all of them when this goes.
/// Used by one thread.
package final class ParticipantClient {
    private let socket: LocalSocket
    private let lines: LineConnection

    private static let connectMilliseconds = 1_000

    private init(_ socket: LocalSocket) {
        self.socket = socket
        lines = LineConnection(socket, limitBytes: RoundWire.replyBytes)
    }

    deinit { socket.shutDown() }

    /// Nil when nobody listens in the state folder: then there are no participants.
    ///
    /// - Throws: `refused` when a stranger listens there.
    package static func connect(folder: String) throws(Problem) -> ParticipantClient? {
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
        return ParticipantClient(socket)
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

    private func ask(_ request: RoundRequest, milliseconds: Int) throws(Problem) -> RoundReply {
        guard lines.send(request, milliseconds: RoundWire.marginMilliseconds) else {
            throw Self.gone
        }
        let line: [UInt8]
        do throws(LineConnection.Absence) {
            line = try lines.next(
                by: Deadline(milliseconds: milliseconds + RoundWire.marginMilliseconds))
        } catch {
            throw error == .ended ? Self.gone : Self.silent
        }
        guard let reply = try? LineCodec.decode(RoundReply.self, line) else { throw Self.gone }
        if let problem = reply.problem { throw problem }
        return reply
    }

    private static let gone = Problem(.failed, "the service that knows the participants has gone")
    private static let silent = Problem(
        .failed, "the service that knows the participants does not answer")
}
