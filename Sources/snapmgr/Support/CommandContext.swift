import ArgumentParser
import Drivers
import Glibc
import Manager
import Settings
import ShellWords
import SnapshotModel
import System

/// A command that works with the manager.
protocol ManagerCommand: ParsableCommand {
    var global: GlobalOptions { get }

    func run(_ context: CommandContext) throws
}

extension ManagerCommand {
    mutating func run() throws {
        let context = try CommandContext(global)
        // An error begins on a clean line, too.
        defer { context.meter.finish() }
        try run(context)
    }
}

/// A word that only gathers commands.
protocol CommandGroup: ParsableCommand {}

extension CommandGroup {
    mutating func run() throws {
        let name = Self.configuration.commandName ?? ""
        let isProgram = name == "snapmgr"
        let path = isProgram ? name : "snapmgr \(name)"
        let names = Self.configuration.subcommands.compactMap { $0.configuration.commandName }
        throw Problem(
            .usage, "\(path) needs one of: \(names.joined(separator: ", "))",
            hint: "run \(.help(isProgram ? [] : [name]))")
    }
}

/// What a command needs of the world: where the state lies, what the terminal can, who the user is.
struct CommandContext {
    let global: GlobalOptions
    let environment: [String: String]
    let terminal: Terminal
    let meter: ProgressMeter
    /// Who runs the command.
    let requester: Requester
    private let settingsSource: SettingsSource

    init(_ global: GlobalOptions) throws {
        // What was meant for another machine must not be done on this one.
        guard global.host == nil else {
            throw Problem(
                .usage, "--host is not understood as it is written",
                hint: "write --host HOST or --host=HOST, before any --")
        }
        self.global = global
        environment = Self.readEnvironment()
        terminal = Terminal(global, environment: environment)
        meter = ProgressMeter(terminal)
        requester = .ofThisProcess(environment: environment)
        settingsSource = Self.source(global.config, environment)
        try requireConfig()
    }

    /// Makes a source that reads the files anew, for each of many requests.
    var settingsLoader: @Sendable () -> SettingsSource {
        let (option, environment) = (global.config, environment)
        return { Self.source(option, environment) }
    }

    /// - Throws: every error of every file.
    func settings() throws -> Settings { try settingsSource.get() }

    /// Says why a command that lives by the settings does nothing, when there are none.
    func tellWithoutConfiguration(_ consequence: String) throws {
        guard try settings().files.isEmpty else { return }
        let path = SettingsLocation(option: global.config, environment: environment).path
        terminal.note(
            "there is no configuration \(path), so that \(consequence): see snapmgr.toml(5)")
    }

    private static func source(
        _ option: String?, _ environment: [String: String]
    ) -> SettingsSource {
        SettingsSource {
            let location = SettingsLocation(option: option, environment: environment)
            try SettingsTrust.ofThisProcess?.require(location)
            do throws(SettingsFailure) {
                return try SettingsLoader(environment: environment).load(location)
            } catch {
                throw error.problem(.shell)
            }
        }
    }

    func manager() throws -> Manager { try Manager(options()) }

    /// For commands that only look: they make nothing.
    func reader() throws -> Manager {
        let options = try options()
        if let state = global.state, access(options.state.path, F_OK) != 0, errno == ENOENT {
            throw Problem(
                .notFound, "there is no folder \(state)",
                hint:
                    "check --state; \(.volumeCreate()) makes it with a first volume"
            )
        }
        return try Manager(reading: options)
    }

    func options() throws -> ManagerOptions {
        let isRoot = geteuid() == 0
        guard
            let path = global.state
                ?? StateFolder.defaultPath(environment: environment, isRoot: isRoot)
        else {
            throw Problem(
                .usage, "nothing tells where the state lies",
                hint: "set HOME, or use --state DIR")
        }
        let (terminal, meter) = (terminal, meter)
        return ManagerOptions(
            state: try StateFolder(absolute: path),
            drivers: Drivers.all(purpose: "snapmgr for \(requester)", wording: .shell),
            wording: .shell, environment: environment,
            operation: Operation(
                requester: requester, cancellation: Interruption.cancellation,
                settings: settingsSource,
                onNote: { note in
                    meter.finish()
                    terminal.note(note)
                },
                onProgress: { meter.update($0) }))
    }

    /// The name under which this user holds snapshots.
    var owner: String { requester.name }

    /// Prints a result: as JSON when that was asked for, else as text.
    func show(_ value: some JSONConvertible, text: () throws -> String) throws {
        try show(value.json, text: text)
    }

    func show(_ value: JSONValue, text: () throws -> String) throws {
        meter.finish()
        if global.json { Output.write("\(value)\n") } else { Output.show(try text()) }
    }

    /// Has programs that this process starts read the settings that `--config` names, too.
    func exportConfig() throws {
        guard let path = global.config else { return }
        setenv(SettingsLocation.variable, try FileFolder.realPath(path), 1)
    }

    /// A file that is named must be there; without one, the defaults of the built-in kind apply.
    private func requireConfig() throws {
        guard let path = global.config ?? environment["SNAPMGR_CONFIG"], !path.isEmpty else {
            return
        }
        guard access(path, R_OK) == 0 else {
            throw Problem(
                .usage,
                "the configuration \(path) cannot be read: \(String(cString: strerror(errno)))",
                hint: "name another with --config FILE, or leave it out")
        }
    }

    static func readEnvironment() -> [String: String] {
        var (values, index) = ([String: String](), 0)
        while let entry = environ[index] {
            let parts = String(cString: entry).split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
            index += 1
        }
        return values
    }
}
