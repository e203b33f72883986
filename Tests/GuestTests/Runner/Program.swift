import System
import Glibc

/// A program that is run and waited for.
enum Program {
    private static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// Runs a program of the search path; ends the case unless it exits with 0. What it says stays
    /// on this process's output.
    static func run(
        _ words: String..., fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        let status = try status(words)
        try expect(
            status == 0, "\(words.joined(separator: " ")) exited with \(status)", fileID: fileID,
            line: line)
    }

    /// A program's exit status; 128 and its number for a signal.
    static func status(_ words: [String]) throws -> Int32 { try wait(for: start(words)) }

    /// Starts a program that goes on, and returns its process.
    static func start(_ words: [String]) throws -> pid_t {
        guard let name = words.first else { throw IOFailure("start", path: "", code: ENOENT) }
        var id = pid_t()
        let arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        let error = posix_spawnp(&id, name, nil, nil, arguments, environ)
        guard error == 0 else { throw IOFailure("start", path: name, code: error) }
        return id
    }

    /// A started program's exit status; 128 and its number for a signal.
    static func wait(for id: pid_t) throws -> Int32 {
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0, errno == EINTR {}
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + status & 0x7f
    }
}
