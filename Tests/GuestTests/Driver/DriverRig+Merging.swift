import System
import DeviceMapper
import Glibc
import TestKit

// What the kernel does of a merge, asked of it alone: no command comes by that would note its end.
extension DriverRig {
    private var base: DeviceName { DeviceName(volume: Self.name, .content) }

    /// Whether the kernel has a merge in place, ended or not.
    var isKernelMerging: Bool {
        get throws {
            guard try mapper.info(base) != nil else { return false }
            guard case .snapshotMerge = try mapper.table(base).segments.first?.target else {
                return false
            }
            return true
        }
    }

    /// Waits until the kernel has merged everything, and nobody has noted it.
    func waitForKernelsMerge(milliseconds: Int) throws {
        let deadline = Deadline(milliseconds: milliseconds)
        while true {
            if case .usage(let allocated, _, let metadata) = try mapper.status(base).first?
                .snapshot, allocated == metadata
            {
                return
            }
            try expect(!deadline.hasPassed, "the merge does not end")
            usleep(2000)
        }
    }
}
