internal import DeviceDriver
internal import SnapshotModel

/// Which volumes a server takes. Pure.
struct ServeSelection {
    /// Those that were named, or all.
    var volumes: [String]
    /// Those under device-mapper whose devices do not exist.
    var inactive: Set<String>
    /// Whether somebody asked for these very volumes.
    var areNamed: Bool

    init(volumes: [String], inactive: [String], areNamed: Bool) {
        self.volumes = volumes
        self.inactive = Set(inactive)
        self.areNamed = areNamed
    }

    /// Where none is named, all that can be served is what is meant.
    ///
    /// - Throws: `refused` when one that was named is not active, or none is; `notFound` when there
    ///   is no volume.
    func served() throws(Problem) -> [String] {
        guard let first = volumes.first else {
            throw Problem(
                .notFound, "there is no volume to serve",
                hint: "make one: `snapmgr volume create NAME --origin PATH`")
        }
        if areNamed, let name = volumes.first(where: inactive.contains) {
            throw DeviceGlance.inactiveProblem(name)
        }
        let served = volumes.filter { !inactive.contains($0) }
        guard served.isEmpty else { return served }
        guard volumes.count > 1 else { throw DeviceGlance.inactiveProblem(first) }
        throw Problem(
            .refused, "no volume is active: their devices do not exist",
            hint: "run `snapmgr activate --all`")
    }
}
