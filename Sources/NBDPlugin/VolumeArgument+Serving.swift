internal import System
internal import Drivers
internal import StoreFormat
internal import ShellWords
internal import SnapshotModel
internal import VolumeAccess

extension VolumeArgument {
    /// Checks what can be checked before the volume is opened. Of the kernel nothing is asked: that
    /// leaves open what a fork does not bear.
    func check() throws(Problem) {
        let record = try StoreReader(folder: FileFolder(path: storePath)).record
        guard record.name == name else {
            throw Problem(
                .notFound,
                "the store \(storePath) is of volume \(record.name), not of \(name)",
                hint: "see which store belongs to which volume: \(.volumeList)")
        }
        try Self.drivers(name).driver(of: record).requirePresent(
            VolumePlace(record, storePath: storePath))
    }

    /// The volumes that a listing names, each in a line `volume=NAME:STOREPATH`; other lines are
    /// remarks. `.usage` when one cannot be read: half of a list would end the service of the rest.
    static func listed(_ lines: [String]) throws(Problem) -> [VolumeArgument] {
        var volumes: [VolumeArgument] = []
        for line in lines where line.hasPrefix("volume=") {
            volumes.append(try VolumeArgument(String(line.dropFirst("volume=".count))))
        }
        return volumes
    }

    /// Opens the volume as its driver wants it.
    ///
    /// - Parameters:
    ///   - writeBackBytes: how long the log of first writes is to be, in bytes; nil for none.
    ///   - letGo: ends the serving of this volume in the background.
    func start(
        writeBackBytes: Int?, letGo: @escaping @Sendable () -> Void
    ) throws(Problem) -> any ServedVolume {
        var place = VolumePlace(
            try StoreReader(folder: FileFolder(path: storePath)).record, storePath: storePath)
        place.writeBackBytes = writeBackBytes
        return try Self.drivers(name).driver(of: place.record).serve(
            place, report: NBDKitLog.report, letGo: letGo)
    }

    private static func drivers(_ volume: String) -> DriverRegistry {
        Drivers.all(purpose: "nbdkit serving \(volume)", wording: .shell)
    }
}
