internal import Catalog
internal import SnapshotModel
internal import VolumeAccess

// The sessions of a set.
extension ManagerContext {
    /// What is handed from one thread to the next. Each has it to itself.
    private struct Handed<Value>: @unchecked Sendable {
        var value: Value
    }

    /// - Parameter what: what its snapshots are to be: `sent`, `mounted`.
    /// - Throws: `refused` where a driver's snapshots can be exported alone.
    func requireContent(_ volume: VolumeRow, _ what: String) throws {
        let traits = try driver(of: volume).traits
        guard !traits.givesContent else { return }
        throw Problem(
            .refused,
            "volume \(volume.record.name) is \(traits.noun): its snapshots cannot be \(what) yet",
            hint: "copy one out of it: \(.help(["export"]))")
    }

    /// Opens sessions with several volumes, side by side where their driver has no devices of the kernel's,
    /// whose changes have one order.
    ///
    /// - Returns: the sessions in the order of the volumes.
    /// - Throws: the first failure in that order, when none is open any more.
    func openSessions(_ volumes: [VolumeRow]) throws -> [AttendedSession] {
        for volume in volumes { writeBackMarks(volume) }
        let drivers = try volumes.map { try driver(of: $0) }
        let places = volumes.map(\.place)
        try end.check()
        let opened = SideBySide.answers(
            volumes.count, alone: drivers.indices.filter { drivers[$0].devices != nil }
        ) { number in
            Handed(value: try drivers[number].open(places[number]))
        }
        var sessions: [AttendedSession] = []
        for (volume, session) in zip(volumes, opened) {
            guard case .success(let session) = session else { continue }
            sessions.append(attended(session.value, of: volume))
        }
        guard sessions.count == volumes.count else {
            closeSessions(sessions)
            for (volume, session) in zip(volumes, opened) {
                do { _ = try session.get() } catch {
                    throw notOpened(volume, Problem(error))
                }
            }
            return []
        }
        return sessions
    }

    /// Ends sessions, side by side where that can be, and passes on what has come up in them.
    func closeSessions(_ sessions: [AttendedSession]) {
        let handed = sessions.map(Handed.init)
        _ = SideBySide.answers(
            sessions.count, alone: sessions.indices.filter { sessions[$0].worksAlone }
        ) { handed[$0].value.end() }
        for session in sessions { session.tellWarnings() }
    }
}
