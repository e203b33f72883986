import System
import Glibc

/// Runs the program that is tested.
struct Snapmgr {
    /// The state folder.
    let statePath: String
    /// A program and its arguments that runs each command in its turn.
    var launcher: [String] = []

    /// As the services have it: what is mounted there is seen nowhere else, and is gone with it.
    static let inMountsOfItsOwn = ["unshare", "--mount", "--propagation", "slave"]

    /// What a command has said, and how it ended.
    struct Outcome {
        var words: [String]
        var status: Int32
        var output: String
        var errors: String

        /// The number behind the first `"name":` of a document.
        func number(_ name: String) -> Int? {
            guard let tail = output.tail(after: "\"\(name)\":") else { return nil }
            return Int(tail.prefix { $0.isASCII && ($0.isNumber || $0 == "-") })
        }

        /// The numbers behind all of them.
        func numbers(_ name: String) -> [Int] {
            var (numbers, rest) = ([Int](), output[...])
            while let tail = rest.tail(after: "\"\(name)\":") {
                if let number = Int(tail.prefix { $0.isASCII && $0.isNumber }) {
                    numbers.append(number)
                }
                rest = tail
            }
            return numbers
        }

        /// The word behind the first `"name":`.
        func text(_ name: String) -> String? {
            output.tail(after: "\"\(name)\":\"").map { String($0.prefix { $0 != "\"" }) }
        }
    }

    /// `$SNAPMGR_COMMAND`, else beside this program.
    private static let program: String = {
        if let path = getenv("SNAPMGR_COMMAND") { return String(cString: path) }
        guard let pointer = realpath("/proc/self/exe", nil) else { return "snapmgr" }
        defer { free(pointer) }
        return String(cString: pointer).prefixUpToLastSlash + "/snapmgr"
    }()

    /// Runs a command that must succeed.
    @discardableResult
    func run(
        _ words: String..., fileID: StaticString = #fileID, line: Int = #line
    ) throws -> Outcome {
        let outcome = try start(words)
        try expect(
            outcome.status == 0,
            "snapmgr \(words.joined(separator: " ")) ended with \(outcome.status): "
                + outcome.errors + outcome.output,
            fileID: fileID, line: line)
        return outcome
    }

    /// Runs a command that must end with `status`, and say all of `texts`.
    @discardableResult
    func fails(
        _ status: Int32, _ words: String..., saying texts: [String] = [],
        fileID: StaticString = #fileID, line: Int = #line
    ) throws -> Outcome {
        let outcome = try start(words)
        let command = "snapmgr \(words.joined(separator: " "))"
        try expect(
            outcome.status == status,
            "\(command) ended with \(outcome.status), not \(status): \(outcome.errors)",
            fileID: fileID, line: line)
        for text in texts {
            try expect(
                outcome.errors.tail(after: text) != nil,
                "\(command) does not say `\(text)`: \(outcome.errors)", fileID: fileID, line: line)
        }
        return outcome
    }

    func start(_ words: [String]) throws -> Outcome {
        let files = ["/run/snapmgr-output", "/run/snapmgr-errors"]
        let id = try spawn(words, output: files)
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0, errno == EINTR {}
        return Outcome(
            words: words, status: status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + status & 0x7f,
            output: try TextFile.read(files[0]), errors: try TextFile.read(files[1]))
    }

    /// Starts a command that goes on, and returns its process.
    ///
    /// - Parameter files: for what it says, and for its errors.
    func spawn(_ words: [String], output files: [String]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        let flags = O_WRONLY | O_CREAT | O_TRUNC
        for (number, file) in files.enumerated() {
            posix_spawn_file_actions_addopen(&actions, Int32(number) + 1, file, flags, 0o600)
        }
        let all = launcher + [Self.program, "--state", statePath] + words
        var arguments = all.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var id = pid_t()
        let error = posix_spawnp(&id, all[0], &actions, nil, &arguments, environ)
        guard error == 0 else { throw IOFailure("start", path: Self.program, code: error) }
        return id
    }
}

extension StringProtocol {
    /// What follows the first occurrence of a text; nil when there is none.
    func tail(after text: String) -> Substring? {
        var rest = self[...]
        while !rest.isEmpty {
            if rest.hasPrefix(text) { return Substring(rest.dropFirst(text.count)) }
            rest = rest.dropFirst()
        }
        return nil
    }
}

extension String {
    /// How often a text occurs.
    func count(of text: String) -> Int {
        var (count, rest) = (0, self[...])
        while let tail = rest.tail(after: text) { (count, rest) = (count + 1, tail) }
        return count
    }

    fileprivate var prefixUpToLastSlash: String {
        lastIndex(of: "/").map { String(self[..<$0]) } ?? "."
    }
}

/// Small files as texts.
enum TextFile {
    static func read(_ path: String) throws -> String {
        let descriptor = try OwnedDescriptor(path: path, flags: O_RDONLY)
        var (bytes, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
        while true {
            let count = Glibc.read(descriptor.number, &buffer, buffer.count)
            guard count >= 0 else { throw IOFailure("read", path: path, code: errno) }
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }

    static func write(_ text: String, to path: String) throws {
        let descriptor = try OwnedDescriptor(path: path, flags: O_WRONLY | O_CREAT | O_TRUNC)
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.write(descriptor.number, $0.baseAddress, $0.count)
            }
            guard count > 0 else { throw IOFailure("write", path: path, code: errno) }
            rest = rest.dropFirst(count)
        }
    }
}
