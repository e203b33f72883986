import Glibc
import Manager
import ShellWords
import SnapshotModel

/// Another machine, as `--host` names it: what ssh calls it, with a port where that is not ssh's own.
struct RemoteHost: Hashable, Sendable {
    /// As it was written.
    let name: String
    private let target: MirrorTarget

    /// - Throws: `usage` when ssh or a shell could take the text for something else than a host.
    init(_ text: String) throws(Problem) {
        name = text
        do { target = try MirrorTarget("ssh://\(text)/host") } catch {
            throw Problem(
                .usage, "`\(text)` is no host",
                hint: "write HOST or USER@HOST, with :PORT behind it where it is not ssh's own")
        }
    }

    /// Programs that are named by their words, as for a shell without quotes.
    private static func program(_ variable: String, else usual: String) -> [String] {
        let words = getenv(variable).map { String(cString: $0) } ?? usual
        return words.split(separator: " ").map(String.init)
    }

    /// The program that connects, and what it is called with.
    ///
    /// - Parameters:
    ///   - options: of ssh.
    ///   - command: what the shell there runs.
    func connector(_ options: [String], _ command: String) -> [String] {
        let port = target.port.map { ["-p", "\($0)"] } ?? []
        return Self.program("SNAPMGR_SSH", else: "ssh") + options + port
            + ["--", target.destination, command]
    }

    /// snapmgr there, with arguments that any shell reads as they are.
    ///
    /// - Parameter mark: by which its process is found there.
    static func command(_ arguments: [String], mark: String) -> String {
        let program = program("SNAPMGR_REMOTE_PROGRAM", else: "snapmgr")
        return (["env", "\(markVariable)=\(mark)"] + program + arguments)
            .map(ShellCommand.quoted).joined(separator: " ")
    }

    /// Interrupts what has a mark there: ssh passes no signals on.
    static func interruption(mark: String) -> String {
        let loop = """
            for d in /proc/[0-9]*; do if tr "\\0" "\\n" <$d/environ 2>/dev/null | \
            grep -qx \(markVariable)=\(mark); then kill -INT ${d#/proc/}; fi; done
            """
        return "sh -c \(ShellCommand.quoted(loop))"
    }

    private static let markVariable = "SNAPMGR_REQUEST_MARK"

    /// One that no other process has.
    static func newMark() -> String {
        String(UInt64.random(in: .min ... .max), radix: 16)
    }
}
