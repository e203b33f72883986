internal import SnapshotModel

/// The objects that are on the bus: finds the method that a call means. Used by the thread of the bus.
final class BusObjects {
    private unowned let session: BusSession
    private lazy var manager = ManagerObject(session)
    private lazy var jobs = JobObject(session)

    init(_ session: BusSession) { self.session = session }

    func take(_ call: BusMessage) {
        do throws(BusError) {
            switch call.interface {
            case BusInterface.introspectable: try introspect(call)
            case BusInterface.properties: try readProperties(call)
            case BusInterface.manager where call.path == BusSession.path: try manager.take(call)
            case BusInterface.job: try jobs.take(call, try job(at: call.path))
            // A call need not name the interface.
            case nil where call.path == BusSession.path: try manager.take(call)
            case nil: try jobs.take(call, try job(at: call.path))
            default: throw Self.unknown(call)
            }
        } catch {
            session.connection.reply(to: call, error)
        }
    }

    static func unknown(_ call: BusMessage) -> BusError {
        BusError(
            BusError.unknownMethod,
            "\(call.path) has no method \(call.member) of \(call.interface ?? "any interface")")
    }

    private func job(at path: String) throws(BusError) -> BusJob {
        guard let job = session.service.jobs.job(at: path) else {
            throw BusError(BusError.unknownObject, "there is no object \(path)")
        }
        return job
    }

    // MARK: What all objects have

    private func introspect(_ call: BusMessage) throws(BusError) {
        guard call.member == "Introspect" else { throw Self.unknown(call) }
        let text: String
        switch call.path {
        case BusSession.path:
            text = BusInterface.document([BusInterface.managerText], children: ["job"])
        case BusJob.folder:
            text = BusInterface.document(
                [], children: session.service.jobs.all.map { String($0.number) })
        default:
            _ = try job(at: call.path)
            text = BusInterface.document([BusInterface.jobText])
        }
        session.connection.reply(to: call, [.string(text)])
    }

    private func readProperties(_ call: BusMessage) throws(BusError) {
        switch call.member {
        case "GetAll":
            let arguments = try CallArguments(call, "s")
            try withProperties(of: arguments.text(0), call) { [session] properties in
                session.connection.reply(to: call, [.dictionary(properties)])
            }
        case "Get":
            let arguments = try CallArguments(call, "ss")
            let name = arguments.text(1)
            try withProperties(of: arguments.text(0), call) { [session] properties in
                guard let value = properties.first(where: { $0.0 == name })?.1 else {
                    return session.connection.reply(
                        to: call, .arguments("there is no property \(name)"))
                }
                session.connection.reply(to: call, [.variant(value)])
            }
        default: throw Self.unknown(call)
        }
    }

    /// What the service itself is, anybody may know; what goes on, those who may list.
    private func withProperties(
        of interface: String, _ call: BusMessage, _ body: @escaping ([(String, BusValue)]) -> Void
    ) throws(BusError) {
        if call.path == BusSession.path, [BusInterface.manager, ""].contains(interface) {
            return body([
                ("InterfaceVersion", .uint32(BusInterface.version)),
                ("Version", .string(session.service.options.version)),
            ])
        }
        guard [BusInterface.job, ""].contains(interface) else {
            throw .arguments("\(call.path) has no interface \(interface)")
        }
        let job = try job(at: call.path)
        session.authority.authorize(call, .list) { _ in body(job.properties) }
    }
}
