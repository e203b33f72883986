import ArgumentParser
import SnapshotModel

/// What a volume does when its store is full, as `--when-full` names it.
enum WhenFull: String, ExpressibleByArgument, CaseIterable {
    case breakWrites = "break-writes"
    case breakSnapshots = "break-snapshots"

    var policy: StoreFullPolicy {
        switch self {
        case .breakWrites: .breakWrites
        case .breakSnapshots: .breakSnapshots
        }
    }
}
