import Foundation
import Glibc
import SnapshotModel

/// A loop device over an image, as only root can make it, detached when this goes.
final class LoopImage {
    let device: String
    private let harness: CommandLineHarness
    private var mounted: String?

    /// Whether one can be made and a filesystem be mounted from it.
    static let isPossible: Bool = {
        guard getuid() == 0, let harness = try? CommandLineHarness(),
            let image = try? LoopImage(over: "probe.img", in: harness, megabytes: 8)
        else { return false }
        return (try? image.mount("probe")) != nil
    }()

    /// - Parameter megabytes: makes the image first, with a filesystem in it.
    ///   Its blocks have 4 KiB, as those of larger ones have.
    init(over image: String, in harness: CommandLineHarness, megabytes: Int? = nil) throws {
        self.harness = harness
        if let megabytes {
            try Self.succeed(harness, "truncate", "--size", "\(megabytes)M", image)
            try Self.succeed(harness, "mkfs.ext4", "-q", "-F", "-b", "4096", image)
        }
        device = try Self.succeed(harness, "losetup", "--find", "--show", image)
            .filter { !$0.isWhitespace }
    }

    /// Mounts it in a new folder, and returns that.
    @discardableResult
    func mount(_ name: String) throws -> String {
        let path = harness.folder + "/" + name
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard Glibc.mount(device, path, "ext4", 0, nil) == 0 else {
            throw Problem(.failed, "cannot mount \(device): error \(errno)")
        }
        mounted = path
        return path
    }

    func unmount() {
        if let mounted { Glibc.umount(mounted) }
        mounted = nil
    }

    deinit {
        unmount()
        _ = try? harness.tool(["losetup", "--detach", device])
    }

    @discardableResult
    private static func succeed(
        _ harness: CommandLineHarness, _ command: String...
    ) throws -> String {
        let result = try harness.tool(command)
        guard result.status == 0 else { throw Problem(.failed, "\(command): \(result.errors)") }
        return result.output
    }
}
