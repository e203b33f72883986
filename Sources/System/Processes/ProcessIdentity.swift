internal import Glibc

/// A process, told from a later one of the same number by when it began, and in which start of the machine.
package struct ProcessIdentity: Hashable, Sendable, Codable {
    package var id: Int32
    /// In ticks of the kernel's since the machine was started.
    package var startTicks: UInt64
    /// The kernel's name of that start.
    package var boot: String

    private enum CodingKeys: String, CodingKey {
        case id
        case startTicks = "start_ticks"
        case boot
    }

    /// Nil when there is no such process, or it has ended and only waits to be noticed.
    package init?(id: Int32) {
        guard id > 0, let startTicks = Self.startTicks(of: id) else { return nil }
        self.id = id
        self.startTicks = startTicks
        boot = SystemBoot.identity
    }

    /// A process that may have ended already: it does not run then.
    init(startedJustNow id: Int32) {
        self.id = id
        startTicks = Self.startTicks(of: id) ?? 0
        boot = SystemBoot.identity
    }

    package var isRunning: Bool { ProcessIdentity(id: id) == self }

    /// Does nothing when it has ended.
    package func send(_ signal: Int32) {
        if isRunning { kill(id, signal) }
    }

    private static let argumentsBytesMaximum = 1 << 20

    /// Whether a text stands in the arguments that it was started with; false when they cannot be seen.
    package func mentions(_ text: String) -> Bool {
        guard let file = try? OwnedDescriptor(path: "/proc/\(id)/cmdline", flags: O_RDONLY) else {
            return false
        }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        let number = file.number
        while bytes.count < Self.argumentsBytesMaximum {
            let count = retryingInterrupts { read(number, &piece, piece.count) }
            guard count > 0 else { break }
            bytes += piece.prefix(count)
        }
        return isRunning && !text.isEmpty && bytes.firstRange(of: Array(text.utf8)) != nil
    }

    private static let lookMilliseconds = 3

    /// Whether it ended in time.
    package func awaitEnd(milliseconds: Int) -> Bool {
        let deadline = Deadline(milliseconds: milliseconds)
        while isRunning {
            guard !deadline.hasPassed else { return false }
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
        return true
    }

    /// Whether this process may mount and unmount (CAP_SYS_ADMIN); see proc(5).
    package static var mayMount: Bool {
        guard let bytes = contentOfStatus,
            let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
                .first(where: { $0.hasPrefix("CapEff:") }),
            let capabilities = UInt64(
                line.dropFirst("CapEff:".count).drop { $0.isWhitespace }, radix: 16)
        else { return false }
        return capabilities >> 21 & 1 == 1
    }

    private static var contentOfStatus: [UInt8]? {
        guard let file = try? OwnedDescriptor(path: "/proc/self/status", flags: O_RDONLY) else {
            return nil
        }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let number = file.number
        let count = retryingInterrupts { read(number, &bytes, bytes.count) }
        return count > 0 ? Array(bytes.prefix(count)) : nil
    }

    /// See proc(5): the program's name, which may hold anything, ends at the last bracket.
    private static func startTicks(of id: Int32) -> UInt64? {
        guard let file = try? OwnedDescriptor(path: "/proc/\(id)/stat", flags: O_RDONLY) else {
            return nil
        }
        var bytes = [UInt8](repeating: 0, count: 1024)
        let number = file.number
        let count = retryingInterrupts { read(number, &bytes, bytes.count) }
        guard count > 0, let end = bytes[..<count].lastIndex(of: UInt8(ascii: ")")) else {
            return nil
        }
        let words = String(decoding: bytes[..<count][(end + 1)...], as: UTF8.self)
            .split(separator: " ")
        guard words.count > 19, !["Z", "X", "x"].contains(words[0]) else { return nil }
        return UInt64(words[19])
    }
}
