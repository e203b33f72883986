internal import CBus
internal import Glibc
internal import SnapshotModel

/// A connection to a message bus. One thread makes it and uses it. Nothing that it does waits for the bus, but
/// the opening and ``own(_:)``: what cannot be sent at once is kept until it can.
final class BusConnection {
    private let bus: OpaquePointer
    /// Gets the calls of methods below the paths that were asked for.
    private var onCall: ((BusMessage) -> Void)?
    private var onSignal: ((BusMessage) -> Void)?

    /// - Parameter address: as `DBUS_SYSTEM_BUS_ADDRESS` has it.
    /// - Throws: `missing` when nothing answers there.
    init(address: String) throws(Problem) {
        var made: OpaquePointer?
        let result = snapmgr_bus_open(address, &made)
        guard result >= 0, let made else {
            throw Self.problem("cannot reach the bus \(address)", result)
        }
        bus = made
        var name: UnsafePointer<CChar>?
        let greeting = sd_bus_get_unique_name(bus, &name)
        guard greeting >= 0 else {
            throw Self.problem("the bus \(address) does not answer", greeting)
        }
    }

    deinit {
        sd_bus_close(bus)
        sd_bus_unref(bus)
    }

    private static func problem(_ text: String, _ result: Int32) -> Problem {
        Problem(
            .missing, "\(text): \(String(cString: strerror(-result)))",
            hint: "see whether it runs; name another with --bus ADDRESS")
    }

    // MARK: The loop of the thread

    var descriptor: Int32 { sd_bus_get_fd(bus) }
    /// For poll(2).
    var events: Int16 { Int16(truncatingIfNeeded: max(0, sd_bus_get_events(bus))) }
    /// Until it wants to be processed whatever comes, in milliseconds; -1 when it does not.
    var patienceMilliseconds: Int { Int(snapmgr_bus_patience(bus)) }

    /// Does one thing that there is to do; false when there is nothing.
    ///
    /// - Throws: `missing` when the bus has gone.
    func process() throws(Problem) -> Bool {
        let result = sd_bus_process(bus, nil)
        guard result >= 0, sd_bus_is_open(bus) > 0 else {
            throw Self.problem("the bus has gone", result < 0 ? result : -ECONNRESET)
        }
        return result > 0
    }

    // MARK: Names, objects, signals

    /// - Throws: `locked` when another process has the name.
    func own(_ name: String) throws(Problem) {
        let result = sd_bus_request_name(bus, name, 0)
        guard result < 0 else { return }
        guard result != -EEXIST, result != -EALREADY else {
            throw Problem(
                .locked, "another process has the name \(name) on the bus",
                hint: "one is enough; end it, or leave out --bus")
        }
        throw Self.problem("cannot have the name \(name) on the bus", result)
    }

    /// Has the calls of methods of all objects below a path handed out.
    func serve(below path: String, _ onCall: @escaping (BusMessage) -> Void) {
        self.onCall = onCall
        sd_bus_add_fallback(
            bus, nil, path,
            { pointer, context, _ in
                guard let pointer, let context else { return 0 }
                let connection = Unmanaged<BusConnection>.fromOpaque(context).takeUnretainedValue()
                let message = BusMessage(sharing: pointer)
                guard message.isCall else { return 0 }
                connection.onCall?(message)
                return 1
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Has the signals handed out that fit a rule.
    func listen(_ rule: String, _ onSignal: @escaping (BusMessage) -> Void) {
        self.onSignal = onSignal
        sd_bus_add_match_async(
            bus, nil, rule,
            { pointer, context, _ in
                guard let pointer, let context else { return 0 }
                let connection = Unmanaged<BusConnection>.fromOpaque(context).takeUnretainedValue()
                connection.onSignal?(BusMessage(sharing: pointer))
                return 0
            }, { _, _, _ in 1 }, Unmanaged.passUnretained(self).toOpaque())
    }

    func emit(_ path: String, _ interface: String, _ member: String, _ values: [BusValue]) {
        var made: OpaquePointer?
        guard sd_bus_message_new_signal(bus, &made, path, interface, member) >= 0, let made else {
            return
        }
        let message = BusMessage(owning: made)
        guard message.append(values) else { return }
        sd_bus_send(bus, message.pointer, nil)
    }
}

// MARK: - Calls

extension BusConnection {
    /// What is called, and where.
    struct Target: Hashable, Sendable {
        var destination: String
        var path: String
        var interface: String
    }

    /// Calls a method. The answer, or that none came in time, comes once, unless the connection goes first.
    func call(
        _ target: Target, _ member: String, _ values: [BusValue], milliseconds: Int,
        _ answered: @escaping (Result<[BusValue], BusError>) -> Void
    ) {
        guard let message = message(to: target, member, values) else {
            return answered(.failure(BusError(BusError.failed, "the call cannot be written")))
        }
        let waiting = Unmanaged.passRetained(Answer(answered))
        let result = sd_bus_call_async(
            bus, nil, message.pointer,
            { pointer, context, _ in
                guard let context else { return 0 }
                let answer = Unmanaged<Answer>.fromOpaque(context).takeRetainedValue()
                answer.take(pointer.map { BusMessage(sharing: $0) })
                return 1
            }, waiting.toOpaque(), UInt64(max(1, milliseconds)) * 1000)
        guard result < 0 else { return }
        waiting.release()
        answered(.failure(BusError(BusError.failed, String(cString: strerror(-result)))))
    }

    /// Calls a method whose answer nobody waits for.
    func tell(_ target: Target, _ member: String, _ values: [BusValue]) {
        guard let message = message(to: target, member, values) else { return }
        sd_bus_message_set_expect_reply(message.pointer, 0)
        sd_bus_send(bus, message.pointer, nil)
    }

    private func message(
        to target: Target, _ member: String, _ values: [BusValue]
    ) -> BusMessage? {
        var made: OpaquePointer?
        guard
            sd_bus_message_new_method_call(
                bus, &made, target.destination, target.path, target.interface, member) >= 0,
            let made
        else { return nil }
        let message = BusMessage(owning: made)
        return message.append(values) ? message : nil
    }

    /// Answers a call.
    func reply(to call: BusMessage, _ values: [BusValue]) {
        guard call.expectsReply else { return }
        var made: OpaquePointer?
        guard sd_bus_message_new_method_return(call.pointer, &made) >= 0, let made else { return }
        let message = BusMessage(owning: made)
        guard message.append(values) else {
            return reply(to: call, BusError(BusError.failed, "the answer cannot be written"))
        }
        sd_bus_send(bus, message.pointer, nil)
    }

    func reply(to call: BusMessage, _ error: BusError) {
        guard call.expectsReply else { return }
        error.name.withCString { name in
            error.message.withCString { text in
                var failure = sd_bus_error(name: name, message: text, _need_free: 0)
                sd_bus_reply_method_error(call.pointer, &failure)
            }
        }
    }

    /// Waits until all is written, which is for a process that ends now.
    func flush() { sd_bus_flush(bus) }
}

/// Who waits for an answer.
private final class Answer {
    private let answered: (Result<[BusValue], BusError>) -> Void

    init(_ answered: @escaping (Result<[BusValue], BusError>) -> Void) { self.answered = answered }

    func take(_ message: BusMessage?) {
        if let failure = message?.failure { return answered(.failure(failure)) }
        guard let values = message?.values() else {
            return answered(.failure(BusError(BusError.failed, "the answer is damaged")))
        }
        answered(.success(values))
    }
}
