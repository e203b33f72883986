internal import Glibc
internal import SnapshotModel

/// The present start of the machine, as the kernel tells it in files: what fakes a process's clocks
/// does not reach them.
enum SystemBoot {
    /// The kernel's name of it; empty where it cannot be read.
    static let identity =
        firstWord(of: "/proc/sys/kernel/random/boot_id") ?? ""

    /// For how long the machine has run, suspended or not, in nanoseconds; nil where it cannot be
    /// read.
    static var nanoseconds: Int64? {
        guard let text = firstWord(of: path), let seconds = Double(text),
            (0...1e10).contains(seconds)
        else { return nil }
        return Int64(seconds * 1000).multipliedClamped(by: 1_000_000)
    }

    /// Tests that set the clock bring a file of their own; root takes none that others can write.
    private static let path: String = {
        let usual = "/proc/uptime"
        guard let variable = getenv("SNAPMGR_UPTIME") else { return usual }
        let named = String(cString: variable)
        guard geteuid() == 0 else { return named }
        let flaw = try? PathTrust.ofThisProcess.flaw(of: named)
        return flaw == .some(nil) ? named : usual
    }()

    private static func firstWord(of path: String) -> String? {
        // A FIFO would wait for somebody to write.
        guard let file = try? OwnedDescriptor(path: path, flags: O_RDONLY | O_NONBLOCK) else {
            return nil
        }
        var bytes = [UInt8](repeating: 0, count: 128)
        let number = file.number
        let count = retryingInterrupts { read(number, &bytes, bytes.count) }
        guard count > 0 else { return nil }
        return String(decoding: bytes[..<count].prefix { $0 > 0x20 }, as: UTF8.self)
    }
}
