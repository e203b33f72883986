internal import System
internal import Glibc

/// The processes of a session, besides the one that leads it.
struct ProcessSession {
    /// The leader's id. As long as nobody has waited for the leader, no other session has it.
    var leader: Int32

    /// Ends them as a timeout does, and returns when they have ended.
    func endMembers() {
        for (signal, milliseconds) in [
            (SIGTERM, ProgramRunner.graceMilliseconds), (SIGKILL, ProgramRunner.killMilliseconds),
        ] {
            let deadline = Deadline(milliseconds)
            for member in members() {
                kill(member, signal)
                kill(member, SIGCONT)
            }
            while !members().isEmpty {
                guard !deadline.hasPassed else { break }
                BackgroundThread.sleep(milliseconds: 10)
            }
        }
    }

    private func members() -> [Int32] {
        let names = (try? FileFolder(path: "/proc").list("")) ?? []
        return names.compactMap { Int32($0) }.filter { $0 != leader && isMember($0) }
    }

    /// From /proc/PID/stat (proc(5)): after the name, which may hold anything, come the state, the
    /// parent, the group and the session. One in state Z has ended.
    private func isMember(_ id: Int32) -> Bool {
        guard
            let file = try? OwnedDescriptor(path: "/proc/\(id)/stat", flags: O_RDONLY)
        else { return false }
        var space = [UInt8](repeating: 0, count: 1024)
        let count = read(file.number, &space, space.count)
        let text = String(decoding: space.prefix(max(0, count)), as: UTF8.self)
        guard let nameEnd = text.lastIndex(of: ")") else { return false }
        let fields = text[nameEnd...].split(separator: " ")
        return fields.count > 4 && fields[1] != "Z" && fields[4] == String(leader)
    }
}
