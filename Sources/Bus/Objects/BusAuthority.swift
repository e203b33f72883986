internal import Glibc
internal import SnapshotModel

/// What somebody may be allowed to do, as polkit names it.
enum BusAction: String, CaseIterable, Sendable {
    case list, snapshot, hold, revert, delete, configure

    /// `org.snapmgr1.revert`
    var name: String { "\(BusSession.name).\(rawValue)" }
}

/// Finds out who calls, and whether he may: the bus knows the user, polkit the rules. Where there is no polkit, root
/// may do everything, and whoever runs the service; nobody else anything. It never waits: who is allowed hears of it
/// later. Used by the thread of the bus.
final class BusAuthority {
    private unowned let session: BusSession
    /// Whose calls polkit is asked about, by the numbers of the questions.
    private var pending: [Int64: String] = [:]
    private var lastQuestion: Int64 = 0

    private static let bus = BusConnection.Target(
        destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus")
    private static let polkit = BusConnection.Target(
        destination: "org.freedesktop.PolicyKit1", path: "/org/freedesktop/PolicyKit1/Authority",
        interface: "org.freedesktop.PolicyKit1.Authority")
    private static let milliseconds = 5_000
    /// For somebody who is asked for a password.
    private static let interactiveMilliseconds = 120_000
    private static let allowInteraction: UInt32 = 1
    /// A bus keeps few calls of one connection that are not answered yet, and participants need them.
    private static let pendingMaximum = 16
    private static let pendingOfOneMaximum = 4
    private static let absent = [
        BusError.serviceUnknown, BusError.nameHasNoOwner,
        "org.freedesktop.DBus.Error.Spawn.ServiceNotFound",
    ]

    init(_ session: BusSession) { self.session = session }

    /// Goes on with the user's number, when he may; else the call is answered with the reason.
    func authorize(
        _ call: BusMessage, _ action: BusAction, _ goOn: @escaping (UInt32) -> Void
    ) {
        guard let sender = call.sender else {
            return session.connection.reply(to: call, Self.denied(action))
        }
        let isInteractive = call.allowsInteraction
        session.connection.call(
            Self.bus, "GetConnectionUnixUser", [.string(sender)], milliseconds: Self.milliseconds
        ) { [session] result in
            guard case .success(let values) = result, let number = values.first?.number,
                let user = UInt32(exactly: number)
            else { return session.connection.reply(to: call, Self.denied(action)) }
            guard user != 0, user != geteuid() else { return goOn(user) }
            session.authority.ask(call, sender, action, isInteractive) { goOn(user) }
        }
    }

    private func ask(
        _ call: BusMessage, _ sender: String, _ action: BusAction, _ isInteractive: Bool,
        _ goOn: @escaping () -> Void
    ) {
        // Nobody would hear what comes of it.
        guard call.expectsReply else { return }
        guard pending.count < Self.pendingMaximum,
            pending.values.count(where: { $0 == sender }) < Self.pendingOfOneMaximum
        else {
            return session.connection.reply(
                to: call, BusError(BusError.limitsExceeded, "too many authorizations are pending"))
        }
        lastQuestion = lastQuestion.addingClamped(1)
        let question = lastQuestion
        pending[question] = sender
        let subject = BusValue.structure([
            .string("system-bus-name"), .dictionary([("name", .string(sender))]),
        ])
        session.connection.call(
            Self.polkit, "CheckAuthorization",
            [
                subject, .string(action.name), .array(of: "{ss}", []),
                .uint32(isInteractive ? Self.allowInteraction : 0), .string(String(question)),
            ], milliseconds: isInteractive ? Self.interactiveMilliseconds : Self.milliseconds
        ) { [session] result in
            session.authority.settle(question, result)
            switch result {
            case .success(let values) where values.first?.elements?.first?.flag == true: goOn()
            case .failure(let error) where !Self.absent.contains(error.name):
                session.connection.reply(
                    to: call,
                    BusError(
                        BusError.accessDenied,
                        "\(action.name): polkit cannot be asked: \(error.message)"))
            case .success, .failure: session.connection.reply(to: call, Self.denied(action))
            }
        }
    }

    /// A question whose answer is not waited for any more is taken back, so that no dialog is left.
    private func settle(_ question: Int64, _ result: Result<[BusValue], BusError>) {
        pending[question] = nil
        guard case .failure(let error) = result, error.isSilence else { return }
        session.connection.tell(
            Self.polkit, "CancelCheckAuthorization", [.string(String(question))])
    }

    private static func denied(_ action: BusAction) -> BusError {
        BusError(BusError.accessDenied, "you may not do that: it needs \(action.name)")
    }
}
