internal import SnapshotModel

extension Manager {
    /// As ``init(_:)`` for who only looks: nothing is made where there is nothing. A check that runs
    /// as the wrong user would otherwise find a catalog of its own, empty and well.
    ///
    /// - Throws: `notFound` when there is no catalog.
    package convenience init(existing options: ManagerOptions) throws {
        guard try Paths.exists(options.state.catalogPath) else {
            throw Problem(
                .notFound, "there is no catalog \(options.state.catalogPath)",
                hint:
                    "check --state and the user that runs this; `snapmgr volume create NAME --origin PATH` makes one"
            )
        }
        try self.init(options)
    }
}
