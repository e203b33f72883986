internal import System
package import DeviceMapper
internal import Glibc
package import SnapshotModel

/// Who else uses a device that is, or is to become, an origin: what is written to it past the volume
/// is preserved for nobody, and a merge would write under whoever has it.
package struct OriginUse {
    private let path: String
    private let number: DeviceNumber

    /// How long a program that only looks at a device, as udev does, is waited for.
    private static let lookMilliseconds = 1000
    private static let pauseMilliseconds = 50

    package init(path: String, number: DeviceNumber) {
        self.path = path
        self.number = number
    }

    /// Nobody may have the device open.
    package func requireUnused() throws(Problem) { try require { _ in true } }

    /// No filesystem, device or swap area may be on it. Programs that have it open are let be: they
    /// may do no more than look.
    package func requireUnclaimed() throws(Problem) { try require { !$0.isProcess } }

    /// The kernel must take writes to it.
    package func requireWritable() throws(Problem) {
        guard BlockDevices.isReadOnly(number) else { return }
        throw Problem(
            .refused, "the origin \(path) is read-only: the kernel takes no writes to it",
            hint: "make it writable: `blockdev --setrw \(path)`")
    }

    private func require(_ counts: (DeviceHolder) -> Bool) throws(Problem) {
        let deadline = Deadline(milliseconds: Self.lookMilliseconds)
        while true {
            let holders = try doing { () throws(IOFailure) in
                try DeviceHolder.list(of: number)
            }.filter(counts)
            let isClaimed = isClaimed()
            guard isClaimed || !holders.isEmpty else { return }
            let isPassing = !isClaimed && holders.allSatisfy(\.isProcess)
            guard isPassing, !deadline.hasPassed else { throw problem(holders) }
            BackgroundThread.sleep(milliseconds: Self.pauseMilliseconds)
        }
    }

    /// Whether the kernel itself uses the device, or a part of it. To open it for reading alone keeps
    /// udev from looking at it anew.
    private func isClaimed() -> Bool {
        do throws(IOFailure) {
            _ = try OwnedDescriptor(path: path, flags: O_RDONLY | O_EXCL)
            return false
        } catch { return error.code == EBUSY }
    }

    private func problem(_ holders: [DeviceHolder]) -> Problem {
        let who =
            holders.isEmpty
            ? "in use, or a part of it is" : holders.map(\.description).joined(separator: ", ")
        let point = holders.lazy.compactMap(\.mountPoint).first
        return Problem(
            .refused, "the origin \(path) is \(who)",
            hint: point.map { "run `umount \($0)`, then the command again" }
                ?? "close it, then run the command again; see `lsblk \(path)`, `fuser -v \(path)`")
    }
}

extension DeviceHolder {
    fileprivate var isProcess: Bool {
        if case .process = self { return true }
        return false
    }

    /// Where it is mounted; nil for any other holder.
    fileprivate var mountPoint: String? {
        if case .mount(let point, _) = self { return point }
        return nil
    }
}
