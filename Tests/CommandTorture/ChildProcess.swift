import System
import Glibc

/// A process that is waited for.
enum ChildProcess {
    /// - Parameter environment: all of it.
    /// - Returns: the status as `wait` gives it.
    static func run(
        _ path: String, _ arguments: [String], environment: [String]
    ) throws -> Int32 {
        var process = pid_t()
        let words = ([path] + arguments).map { strdup($0) } + [nil]
        let variables = environment.map { strdup($0) } + [nil]
        defer { for text in words + variables { free(text) } }
        let error = posix_spawn(&process, path, nil, nil, words, variables)
        guard error == 0 else { throw IOFailure("start", path: path, code: error) }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status
    }
}

extension FileFolder {
    /// Empties the folder.
    func removeAll(_ name: String = "") throws {
        for entry in try list(name) {
            let path = name.isEmpty ? entry : name + "/" + entry
            if (try? removeFile(path)) == nil {
                try removeAll(path)
                try removeFolder(path)
            }
        }
    }
}
