internal import Manager

/// `org.snapmgr1.Job`, in its version 1. Used by the thread of the bus.
final class JobObject {
    private unowned let session: BusSession

    init(_ session: BusSession) { self.session = session }

    /// - Throws: what the call is answered with.
    func take(_ call: BusMessage, _ job: BusJob) throws(BusError) {
        _ = try CallArguments(call, "")
        switch call.member {
        case "Wait":
            session.authority.authorize(call, .list) { [self] _ in wait(call, job) }
        case "Cancel":
            // Who may begin it may end it.
            session.authority.authorize(call, job.kind) { [session] _ in
                job.cancellation.request()
                session.connection.reply(to: call, [])
            }
        default: throw BusObjects.unknown(call)
        }
    }

    private func wait(_ call: BusMessage, _ job: BusJob) {
        guard let number = session.keep(call),
            let result = session.service.jobs.wait(job.number, number)
        else { return }
        session.answer(number, result.map { [$0] })
    }
}
