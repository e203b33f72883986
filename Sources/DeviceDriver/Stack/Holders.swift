internal import System
internal import DeviceMapper
internal import SnapshotModel
internal import VolumeAccess

/// Who has a device open, in words.
struct Holders {
    private let list: [DeviceHolder]

    /// The program that `snapmgr serve` becomes.
    private static let server = "nbdkit"

    init(of number: DeviceNumber) { self.init(DeviceHolder.known(of: number)) }

    init(_ list: [DeviceHolder]) { self.list = list }

    var text: String {
        list.isEmpty
            ? "open somewhere" : list.map(\.description).joined(separator: ", ")
    }

    /// Where it is mounted; nil when it is not.
    var mountPoint: String? {
        for case .mount(let point, _) in list { return point }
        return nil
    }

    /// Whether an NBD server has it open, which it has only for its clients.
    var isServed: Bool {
        list.contains { holder in
            if case .process(let process) = holder { return process.program == Self.server }
            return false
        }
    }

    /// What to do when it is open for a client of a server; nil when it is not.
    func clientHint(_ export: ExportName) -> Advice? {
        guard isServed else { return nil }
        return "disconnect the NBD client of export \(export), then run the command again"
    }
}

extension VolumeStack {
    private static let pollMilliseconds = 1000
    private static let lookMilliseconds = 50

    /// Who has a device open; nil when nobody has. One who looks in for a moment, as udev does, is
    /// waited for.
    func holders(of part: Part) throws(Problem) -> Holders? {
        let deadline = Deadline(milliseconds: Self.pollMilliseconds)
        while let info = try info(part), info.openCount > 0 {
            let holders = Holders(of: info.number)
            if holders.mountPoint != nil || deadline.hasPassed { return holders }
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
        return nil
    }
}
