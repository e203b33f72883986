internal import System
package import MergeKit
package import StoreFormat

extension VolumeState {
    /// The facts in which another one differs, with both; nil when there are none.
    package func mismatch(_ other: VolumeState) -> String? {
        guard self != other else { return nil }
        let pairs = zip(Mirror(reflecting: self).children, Mirror(reflecting: other).children)
        return pairs.filter { "\($0.value)" != "\($1.value)" }
            .map { "\($0.label ?? ""): \($0.value) and \($1.value)" }.joined(separator: "; ")
    }
}

extension LiveEngine {
    /// What the engine knows otherwise than its store tells to who reads it afresh; nil when nothing.
    package func stateMismatch() throws -> String? {
        volumeState.mismatch(try StoreReader(folder: storeFolder).state()).map {
            "the engine and its store differ in the volume's state: \($0)"
        }
    }
}
