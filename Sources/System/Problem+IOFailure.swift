package import SnapshotModel

/// Runs I/O and turns its failure into a problem for people.
package func doing<Value>(_ body: () throws(IOFailure) -> Value) throws(Problem) -> Value {
    do { return try body() } catch { throw Problem(error) }
}

extension Problem {
    /// The problem that a failed I/O is.
    package init(_ failure: IOFailure) {
        if failure.isTooLarge {
            self.init(
                .noSpace, failure.description,
                hint: "a file may not be so large there: look at `ulimit -f`, LimitFSIZE of the "
                    + "unit, and the limits of the filesystem")
        } else if failure.isNoSpace {
            self.init(
                .noSpace, failure.description,
                hint: "free space there, or delete snapshots with \(.delete)")
        } else if failure.isNotFound {
            self.init(
                .notFound, failure.description,
                hint: "check the path, and that its filesystem is mounted")
        } else {
            self.init(
                .inputOutput, failure.description,
                hint: "check the permissions, and the disk with `dmesg`; then run \(.check())")
        }
    }
}
