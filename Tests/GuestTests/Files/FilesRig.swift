import Glibc
import SnapshotModel
import System

/// A volume on the first disk, with a filesystem of some kind that is mounted from it.
struct FilesRig {
    let rig: CommandRig
    let type: String
    /// Where the volume is mounted.
    let point: String

    init(_ context: GuestContext, _ type: String) throws {
        rig = try CommandRig(context)
        self.type = type
        try Self.make(type, on: rig.origins[0])
        try rig.create("data", on: rig.origins[0])
        point = "\(CommandRig.volumeRoot)/data"
        try mount()
    }

    static func make(_ type: String, on device: String) throws {
        let words =
            switch type {
            case "ext4": ["mkfs.ext4", "-q", "-F"]
            case "xfs": ["mkfs.xfs", "-q", "-f"]
            default: ["mkfs.btrfs", "-q", "-f"]
            }
        let (status, text) = try Tool.attempt(words + [device])
        try expect(status == 0, "no \(type) on \(device): \(text)")
    }

    var snapmgr: Snapmgr { rig.snapmgr }

    func mount() throws { try rig.mount(CommandRig.device("data"), on: point, type: type) }

    /// Whether the volume's own filesystem must not be mounted beside a snapshot's.
    var isAlone: Bool { type == "btrfs" }

    /// Takes the volume's own filesystem out of the way where it has to be.
    func makeRoom() throws { if isAlone { try rig.unmount(point) } }

    /// What is told of a mount by the kernel: its options, and those of its filesystem.
    static func options(_ point: String) throws -> [String] {
        let lines = try TextFile.read("/proc/self/mountinfo").split(separator: "\n")
        let line = try require(
            lines.last { $0.split(separator: " ").dropFirst(4).first == Substring(point) },
            "mount on \(point)")
        let words = line.split(separator: " ")
        return words[5].split(separator: ",").map(String.init)
    }

    /// Runs a script in a shell, and returns what it prints.
    @discardableResult
    static func shell(
        _ script: String, fileID: StaticString = #fileID, line: Int = #line
    ) throws -> String {
        let (status, text) = try Tool.attempt(["bash", "-c", "set -euo pipefail; " + script])
        try expect(
            status == 0, "`\(script)` exited with \(status): \(text)", fileID: fileID, line: line)
        return text
    }

    /// What differs between two folders, as rsync tells it by reading all.
    static func differences(_ left: String, _ right: String) throws -> String {
        try shell(
            "rsync -anc --delete --itemize-changes -HAX --exclude lost+found '\(left)/' '\(right)/'"
        )
    }
}
