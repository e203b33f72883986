internal import BlockIO
package import SnapshotModel

/// The clients that have a volume open for writing through this process. What they have read may lie
/// in their memory for as long as they stay, and what they write builds on it.
package final class ClientRegister: Sendable {
    private let state = Monitored(State())

    /// How long a client that is just going is waited for, in milliseconds.
    private static let farewellMilliseconds = 1000

    private struct State {
        var arrivals: [Int: Timestamp] = [:]
        var count = 0
    }

    package init() {}

    /// Notes a client, and returns the number to sign off with.
    package func arrive(at time: Timestamp) -> Int {
        state.withLock { state in
            state.count += 1
            state.arrivals[state.count] = time
            return state.count
        }
    }

    package func leave(_ number: Int) { state.change { $0.arrivals[number] = nil } }

    /// Those that are there and stay; nil when there are none.
    package func presence() -> ClientPresence? {
        let areGone: Bool? = state.wait(milliseconds: Self.farewellMilliseconds) {
            $0.arrivals.isEmpty ? true : nil
        }
        return areGone == nil ? presenceNow() : nil
    }

    /// As ``presence()``, and nobody is waited for.
    package func presenceNow() -> ClientPresence? {
        state.withLock { state in
            state.arrivals.values.min().map {
                ClientPresence(count: state.arrivals.count, since: $0)
            }
        }
    }
}

extension ClientPresence {
    /// Why a volume's content is not changed under its clients.
    package func problem(_ volume: String) -> Problem {
        Problem(
            .refused,
            "volume \(volume) is open: \(holders) it open for writing over NBD, since \(since)",
            hint: "unmount it in the client or stop the VM; with --force, that must be done "
                + "afterwards, before anything more is written")
    }

    /// What those have to do whose volume was changed under them.
    package func advice(_ volume: String) -> String {
        "\(holders) volume \(volume) open, since \(since): what was read before is not valid any more; "
            + "unmount it in the client or stop the VM, and begin anew"
    }

    private var holders: String { count == 1 ? "a client has" : "\(count) clients have" }
}
