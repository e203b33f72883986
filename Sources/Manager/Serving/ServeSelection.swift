internal import SnapshotModel

/// Which volumes a server takes. Pure.
struct ServeSelection {
    /// Those that were named, or all.
    var volumes: [String]
    /// Those whose devices do not exist, and why that keeps them from being served.
    var inactive: [String: Problem]
    /// Whether somebody asked for these very volumes.
    var areNamed: Bool

    init(volumes: [String], inactive: [String: Problem], areNamed: Bool) {
        self.volumes = volumes
        self.inactive = inactive
        self.areNamed = areNamed
    }

    /// Where none is named, all that can be served is what is meant.
    ///
    /// - Throws: `refused` when one that was named is not active, or none is; `notFound` when there
    ///   is not a volume.
    func served() throws(Problem) -> [String] {
        guard let first = volumes.first else {
            throw Problem(
                .notFound, "there is no volume to serve",
                hint: "make one: \(.volumeCreate())")
        }
        if areNamed, let problem = volumes.lazy.compactMap({ inactive[$0] }).first {
            throw problem
        }
        let served = volumes.filter { inactive[$0] == nil }
        guard served.isEmpty else { return served }
        if volumes.count == 1, let problem = inactive[first] { throw problem }
        throw Problem(
            .refused, "no volume is active: their devices do not exist",
            hint: "run \(.activateAll)")
    }
}
