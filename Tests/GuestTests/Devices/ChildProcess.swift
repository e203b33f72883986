import Glibc

/// Other processes, for cases that need one to die or to hold something.
enum ChildProcess {
    /// Runs a program and waits for it; throws unless it ends with the status 0.
    static func run(
        _ program: String, _ arguments: String..., fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        let id = try start([program] + arguments)
        let status = wait(for: id)
        try expect(
            status == 0, "\(program) \(arguments.joined(separator: " ")): status \(status)",
            fileID: fileID, line: line)
    }

    /// Starts a program with nothing on its standard input and output.
    static func start(_ words: [String]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, 0, 1)
        var arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var id = pid_t()
        let result = posix_spawnp(&id, words[0], &actions, nil, &arguments, environ)
        try expect(result == 0, "cannot start \(words[0]): \(String(cString: strerror(result)))")
        return id
    }

    /// The raw status of a child that has ended.
    @discardableResult
    static func wait(for id: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0, errno == EINTR {}
        return status
    }

    /// Runs `body` in a copy of this process, which has no other thread then, and waits for it.
    /// Returns the raw status: 0 when `body` came to its end without throwing.
    static func fork(_ body: () throws -> Void) throws -> Int32 { wait(for: try begin(body)) }

    /// Begins to run `body` in a copy of this process, which has no other thread then.
    static func begin(_ body: () throws -> Void) throws -> pid_t {
        // Glibc's own is marked unavailable, for processes with threads.
        typealias Fork = @convention(c) () -> pid_t
        let symbol = try require(dlsym(nil, "fork"), "function fork")
        let id = unsafeBitCast(symbol, to: Fork.self)()
        if id == 0 {
            do {
                try body()
                _exit(0)
            } catch {
                Console.say("    in the child: \(error)")
                _exit(1)
            }
        }
        try expect(id > 0, "cannot fork: \(String(cString: strerror(errno)))")
        return id
    }
}
