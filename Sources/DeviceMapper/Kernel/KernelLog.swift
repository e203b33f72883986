internal import System
internal import Glibc

/// What the kernel logs from now on.
struct KernelLog: ~Copyable {
    private let descriptor: OwnedDescriptor
    /// More than one failed request logs.
    private static let recordsMaximum = 1000

    /// Nil where the log may not be read.
    init?() {
        do throws(IOFailure) {
            let opened = try OwnedDescriptor(path: "/dev/kmsg", flags: O_RDONLY | O_NONBLOCK)
            guard lseek(opened.number, 0, SEEK_END) >= 0 else { return nil }
            descriptor = opened
        } catch { return nil }
    }

    /// The lines of device-mapper, without what they all begin with.
    func deviceMapperLines() -> [String] {
        var lines: [String] = []
        for _ in 0..<Self.recordsMaximum {
            guard let record = record() else { break }
            guard let line = record.firstRange(of: "device-mapper: ") else { continue }
            let words = record[line.upperBound...].prefix { $0 != "\n" }
            if !lines.contains(String(words)) { lines.append(String(words)) }
        }
        return lines
    }

    private func record() -> String? {
        let number = descriptor.number
        return withUnsafeTemporaryAllocation(byteCount: 8192, alignment: 1) { buffer in
            // EPIPE: records were overwritten before they could be read.
            var count = -1
            repeat {
                count = read(number, buffer.baseAddress, buffer.count)
            } while count < 0
                && (errno == EPIPE || errno == EINTR)
            return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
        }
    }
}
