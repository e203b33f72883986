internal import BlockIO
internal import Glibc

/// A process that is not our child, so that its id may be another's by the time it is used.
struct ProcessIdentity: Hashable, Codable {
    var id: Int32
    /// When it began, in ticks since the system's start; tells it from a later one of the same id.
    var beginTicks: String?

    init(of id: Int32) {
        self.id = id
        beginTicks = Self.beginTicks(of: id)
    }

    /// Field 22 of /proc/PID/stat (proc(5)), counted from the end of the name, which may hold
    /// anything; nil once the process has ended, waited for (state Z) or not.
    private static func beginTicks(of id: Int32) -> String? {
        guard
            let file = try? OwnedDescriptor(path: "/proc/\(id)/stat", flags: O_RDONLY)
        else { return nil }
        var space = [UInt8](repeating: 0, count: 1024)
        let count = read(file.number, &space, space.count)
        guard count > 0 else { return nil }
        let text = String(decoding: space[..<count], as: UTF8.self)
        guard let nameEnd = text.lastIndex(of: ")") else { return nil }
        let fields = text[nameEnd...].split(separator: " ")
        return fields.count > 20 && fields[1] != "Z" ? String(fields[20]) : nil
    }

    private var isThere: Bool { beginTicks != nil && Self.beginTicks(of: id) == beginTicks }

    /// Ends its process group, as a timeout does, and returns when it has ended.
    func endGroup() {
        guard isThere else { return }
        kill(-id, SIGTERM)
        kill(-id, SIGCONT)
        _ = waitForEnd(Deadline(ProgramRunner.graceMilliseconds))
        // Also after the leader's end: the others of its group may go on.
        kill(-id, SIGKILL)
        _ = waitForEnd(Deadline(ProgramRunner.killMilliseconds))
    }

    private func waitForEnd(_ deadline: Deadline) -> Bool {
        while isThere {
            guard !deadline.hasPassed else { return false }
            BackgroundThread.sleep(milliseconds: 10)
        }
        return true
    }
}
