internal import SnapshotModel

extension Manager {
    /// As ``init(_:)`` for who only looks: nothing is made where there is nothing. A check that runs
    /// as the wrong user would otherwise find a catalog of its own, empty and well.
    ///
    /// - Throws: `notFound` when there is no catalog.
    package convenience init(existing options: ManagerOptions) throws {
        try self.init(reading: options, isQuiet: true)
        guard hasCatalog else {
            throw Problem(
                .notFound, "there is no catalog \(options.state.catalogPath)",
                hint: "check --state and the user that runs this; "
                    + "\(.volumeCreate()) makes one"
            )
        }
    }
}
