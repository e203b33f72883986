internal import System
package import SnapshotModel
internal import VolumeAccess

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
