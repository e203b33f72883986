internal import Glibc
internal import System
internal import SnapshotModel

/// The clusters that have not answered this process of late: who asks one of them again is told at once, so that a
/// command waits once, however many volumes it looks at.
enum SilentClusters {
    private struct Silence: Sendable {
        /// How long it was waited for.
        var seconds: Int
        var until: Int64
    }

    /// So long, in nanoseconds.
    private static let nanoseconds: Int64 = 30_000_000_000
    private static let known = Monitored<[String: Silence]>([:])

    private static func key(_ name: ImageName) -> String {
        (name.configuration ?? "") + "\0" + (name.client ?? "")
    }

    static func note(_ name: ImageName, _ seconds: Int) {
        let until = SystemClock().monotonicNanoseconds().addingClamped(nanoseconds)
        known.withLock { $0[key(name)] = Silence(seconds: seconds, until: until) }
    }

    /// - Throws: `missing`, as when it was asked last.
    static func requireAnswers(_ name: ImageName) throws(Problem) {
        let now = SystemClock().monotonicNanoseconds()
        guard let silence = known.withLock({ $0[key(name)] }), now < silence.until else { return }
        throw ClusterFailure(
            name: name, seconds: silence.seconds, operation: "ask the cluster", code: ETIMEDOUT
        ).problem
    }
}
