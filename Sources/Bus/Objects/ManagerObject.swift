internal import Manager
internal import Participation
internal import SnapshotModel
internal import System

/// `org.snapmgr1.Manager`, in its version 1. Used by the thread of the bus.
final class ManagerObject {
    private unowned let session: BusSession

    init(_ session: BusSession) { self.session = session }

    /// - Throws: what the call is answered with.
    func take(_ call: BusMessage) throws(BusError) {
        switch call.member {
        case "List": try list(call)
        case "Snapshot": try snapshot(call)
        case "Revert": try revert(call)
        case "Prune": try prune(call)
        case "Delete": try delete(call)
        case "Hold": try hold(call)
        case "Release": try release(call)
        case "RegisterParticipant": try register(call)
        case "ListParticipants": try listParticipants(call)
        case "ListJobs": try listJobs(call)
        default: throw BusObjects.unknown(call)
        }
    }

    // MARK: What is short

    private func list(_ call: BusMessage) throws(BusError) {
        let arguments = try CallArguments(call, "asa{sv}")
        var options = arguments.options(1)
        let request = ListRequest(
            volumes: arguments.texts(0), limit: try Self.limit(options.number("limit")),
            filter: ListFilter(
                tags: try options.texts("tags"), kind: try options.text("kind"),
                since: try options.text("since"), until: try options.text("until")))
        try options.requireNoMore()
        lookUp(call, .list) { manager, _ in
            var found: [BusValue] = []
            try manager.lists.forEachPage(request) { page in
                found += page.map { .fields(of: $0.json) }
            }
            return [.array(of: "a{sv}", found)]
        }
    }

    /// As many as a message should hold, unless fewer are wanted.
    private static func limit(_ wanted: Int64?) throws(BusError) -> Int {
        guard let wanted else { return listMaximum }
        guard (1...Int64(listMaximum)).contains(wanted) else {
            throw .arguments("limit is from 1 to \(listMaximum)")
        }
        return Int(wanted)
    }

    private static let listMaximum = 10_000
    /// Of a participant's object: the watchdog is told of all of them in one line.
    private static let pathBytes = 255

    private func hold(_ call: BusMessage) throws(BusError) {
        let arguments = try CallArguments(call, "ssa{sv}")
        var options = arguments.options(2)
        let until = try options.text("until")
        try options.requireNoMore()
        let (reference, reason) = (arguments.text(0), arguments.text(1))
        lookUp(call, .hold) { manager, requester in
            _ = try manager.holds.hold(
                reference, owner: requester.name, reason: reason, until: until)
            return []
        }
    }

    private func release(_ call: BusMessage) throws(BusError) {
        let arguments = try CallArguments(call, "sa{sv}")
        var options = arguments.options(1)
        let reason = try options.text("reason")
        try options.requireNoMore()
        let reference = arguments.text(0)
        lookUp(call, .hold) { manager, requester in
            _ = try manager.holds.release(reference, owner: requester.name, reason: reason)
            return []
        }
    }

    private func listParticipants(_ call: BusMessage) throws(BusError) {
        _ = try CallArguments(call, "")
        session.authority.authorize(call, .list) { [session] _ in
            let all = session.service.participants.registry.all
            session.connection.reply(to: call, [.array(of: "a{sv}", all.map(\.busFields))])
        }
    }

    private func listJobs(_ call: BusMessage) throws(BusError) {
        _ = try CallArguments(call, "")
        session.authority.authorize(call, .list) { [session] _ in
            let paths = session.service.jobs.all.filter { $0.result == nil }.map(\.path)
            session.connection.reply(to: call, [.array(of: "o", paths.map { .path($0) })])
        }
    }

    private func lookUp(
        _ call: BusMessage, _ action: BusAction,
        _ work: @escaping @Sendable (Manager, Requester) throws -> [BusValue]
    ) {
        session.authority.authorize(call, action) { [session] user in
            guard let number = session.keep(call) else { return }
            session.service.jobs.lookUp(number, for: user, work)
        }
    }

    // MARK: What is long

    private func snapshot(_ call: BusMessage) throws(BusError) {
        let arguments = try CallArguments(call, "asa{sv}")
        var options = arguments.options(1)
        let request = TakeRequest(
            volumes: arguments.texts(0), name: try options.text("name"),
            setName: try options.text("set"), tags: try options.texts("tags"),
            note: try options.text("note"))
        try options.requireNoMore()
        start(call, .snapshot, request.volumes) { manager, _ in
            try manager.snapshots.take(request).json
        }
    }

    private func revert(_ call: BusMessage) throws(BusError) {
        let arguments = try CallArguments(call, "sa{sv}")
        var options = arguments.options(1)
        let wanted = RevertOptions(
            skipsSafety: try options.flag("no_safety"),
            waits: try options.flag("wait") ? true : nil,
            isDryRun: try options.flag("dry_run"), overrulesClients: try options.flag("force"))
        let isConfirmed = try options.flag("yes")
        try options.requireNoMore()
        // As on the command line where nobody can be asked.
        guard !wanted.skipsSafety || wanted.isDryRun || isConfirmed else {
            throw .arguments(
                "no_safety loses what was written since the newest snapshot: it needs yes")
        }
        let reference = arguments.text(0)
        start(call, .revert, []) { manager, _ in
            try manager.reverts.revert(reference, wanted).json
        }
    }

    private func prune(_ call: BusMessage) throws(BusError) {
        let arguments = try CallArguments(call, "asa{sv}")
        var options = arguments.options(1)
        let (isDryRun, explains) = (try options.flag("dry_run"), try options.flag("explain"))
        try options.requireNoMore()
        let volumes = arguments.texts(0)
        start(call, .delete, volumes) { manager, _ in
            try manager.pruning.prune(volumes, isDryRun: isDryRun, explains: explains).json
        }
    }

    private func delete(_ call: BusMessage) throws(BusError) {
        let arguments = try CallArguments(call, "asa{sv}")
        var options = arguments.options(1)
        let isDryRun = try options.flag("dry_run")
        try options.requireNoMore()
        let references = arguments.texts(0)
        start(call, .delete, []) { manager, _ in
            try manager.deletions.delete(references, isDryRun: isDryRun).json
        }
    }

    private func start(
        _ call: BusMessage, _ action: BusAction, _ volumes: [String], _ work: @escaping BusJobs.Work
    ) {
        session.authority.authorize(call, action) { [session] user in
            do throws(BusError) {
                let path = try session.service.jobs.start(action, volumes, for: user, work)
                session.connection.reply(to: call, [.path(path)])
            } catch {
                session.connection.reply(to: call, error)
            }
        }
    }
}

// MARK: - Participants

extension ManagerObject {
    private func register(_ call: BusMessage) throws(BusError) {
        let arguments = try CallArguments(call, "ssassoa{sv}")
        guard let mode = Participant.Mode(rawValue: arguments.text(3)) else {
            let words = Participant.Mode.allCases.map(\.rawValue).joined(separator: ", ")
            throw .arguments("mode is one of \(words)")
        }
        var options = arguments.options(5)
        let version = try options.number("version") ?? Int64(BusInterface.version)
        guard version == Int64(BusInterface.version) else {
            throw .arguments(
                "this service speaks version \(BusInterface.version) of \(BusInterface.participant), "
                    + "not \(version)")
        }
        let participant = Participant(
            id: 0, who: arguments.text(0), why: arguments.text(1), scope: arguments.texts(2),
            mode: mode,
            prepareMilliseconds: Int(
                clamping: try options.number("prepare_ms")
                    ?? Int64(ParticipantLimits.prepareMilliseconds)),
            freezeMilliseconds: Int(
                clamping: try options.number("freeze_ms")
                    ?? Int64(ParticipantLimits.freezeMilliseconds)))
        try options.requireNoMore()
        let path = arguments.text(4)
        guard path.utf8.count <= Self.pathBytes else {
            throw .arguments("an object's path has \(Self.pathBytes) bytes at most")
        }
        // Snapshots wait for it from then on.
        session.authority.authorize(call, .configure) { [self] _ in add(participant, path, call) }
    }

    private func add(_ participant: Participant, _ path: String, _ call: BusMessage) {
        guard let sender = call.sender else { return }
        do {
            let (ours, theirs) = try ParticipantLock.make()
            let id = try session.service.participants.add(
                participant,
                BusConnection.Target(
                    destination: sender, path: path, interface: BusInterface.participant))
            session.lock(id, ours)
            // The message has a duplicate of it when it is written.
            withExtendedLifetime(theirs) {
                session.connection.reply(
                    to: call,
                    [.uint64(UInt64(clamping: id)), .descriptor(theirs.descriptor.number)])
            }
        } catch {
            session.connection.reply(to: call, BusError(Problem(error)))
        }
    }
}

extension Participant {
    fileprivate var busFields: BusValue {
        .dictionary([
            ("id", .uint64(UInt64(clamping: id))), ("who", .string(who)), ("why", .string(why)),
            ("scope", .strings(scope)), ("mode", .string(mode.rawValue)),
            ("prepare_ms", .int64(Int64(prepareMilliseconds))),
            ("freeze_ms", .int64(Int64(freezeMilliseconds))),
        ])
    }
}
