import System
import Glibc

/// A program whose words are kept, to be looked at or to be shown when it fails.
enum Tool {
    /// A folder in memory for what a case needs besides its disks. It goes with the case: nobody takes
    /// what an earlier one has left, an answer that was waited for, say, for what he waits for.
    static let scratchFolder = "/dev/shm/snapmgr-tools-\(getpid())"

    /// Runs a program of the search path and returns what it printed; ends the case unless it exits
    /// with 0.
    @discardableResult
    static func run(
        _ words: String..., fileID: StaticString = #fileID, line: Int = #line
    ) throws -> String {
        let (status, text) = try attempt(words)
        try expect(
            status == 0, "\(words.joined(separator: " ")) exited with \(status): \(text)",
            fileID: fileID, line: line)
        return text
    }

    /// Runs a program; its exit status, and what it printed on both channels.
    static func attempt(_ words: [String]) throws -> (status: Int32, text: String) {
        let path = try scratch("output")
        // The shell only leads the output into the file; it becomes the program.
        let script = "exec \"$@\" >\(path) 2>&1"
        let status = try Program.status(["bash", "-c", script, "tool"] + words)
        return (status, try read(path))
    }

    /// The path of a scratch file.
    static func scratch(_ name: String) throws -> String {
        _ = mkdir(scratchFolder, 0o700)
        return scratchFolder + "/" + name
    }

    /// Removes all scratch files.
    static func removeScratch() throws {
        guard access(scratchFolder, F_OK) == 0 else { return }
        try Program.run("rm", "-rf", scratchFolder)
    }

    static func read(_ path: String) throws -> String {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let folder = FileFolder(path: String(path[..<slash]))
        let bytes = try folder.readFile(
            String(path[path.index(after: slash)...]), limitBytes: 64 << 20)
        return String(decoding: bytes, as: UTF8.self)
    }

    static func write(_ text: String, to path: String) throws {
        unlink(path)
        let file = try FileDevice(path: path, access: .create)
        let bytes = Array(text.utf8)
        try file.write(bytes.span.bytes, at: 0)
    }
}
