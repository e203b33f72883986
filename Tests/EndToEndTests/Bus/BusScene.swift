import Foundation
import SnapshotModel
import Testing

/// A message bus of its own, the daemon on it, volumes, and participants. All of it goes with this object.
final class BusScene: Sendable {
    let harness: CommandLineHarness
    let bus: ChildProcess
    private let started: Started

    /// Processes in the order in which they were started.
    final class Started: @unchecked Sendable {
        var processes: [ChildProcess] = []
        func add(_ process: ChildProcess) -> ChildProcess {
            processes.append(process)
            return process
        }
    }

    /// Whether this machine has what it needs.
    static let isPossible: Bool = {
        let programs = ["/usr/bin/dbus-daemon", "/usr/bin/busctl", "/usr/bin/python3"]
        return CommandLineHarness.isBuilt
            && programs.allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }
    }()

    init(volumes: [String] = ["a"], settings: String = "") throws {
        harness = try CommandLineHarness()
        started = Started()
        let folder = harness.folder
        chmod(folder, 0o755)
        try Data(Self.configuration(folder).utf8).write(to: URL(filePath: folder + "/bus.conf"))
        try Data(settings.utf8).write(to: URL(filePath: folder + "/snapmgr.toml"))
        bus = started.add(
            try harness.start([
                "dbus-daemon", "--config-file=\(folder)/bus.conf", "--nofork", "--nopidfile",
            ]).process)
        for volume in volumes {
            try harness.json(
                "volume", "create", volume, "--origin", "\(volume).img", "--create-size", "1M")
        }
        try Self.await("the bus") { FileManager.default.fileExists(atPath: folder + "/bus") }
    }

    deinit { for process in started.processes.reversed() { process.end() } }

    /// As the system's bus: nobody owns a name or calls a method unless a policy lets him.
    private static func configuration(_ folder: String) -> String {
        """
        <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
         "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
        <busconfig>
          <type>system</type>
          <listen>unix:path=\(folder)/bus</listen>
          <auth>EXTERNAL</auth>
          <policy context="default">
            <allow user="*"/>
            <deny own="*"/>
            <deny send_type="method_call"/>
            <allow send_type="signal"/>
            <allow send_requested_reply="true" send_type="method_return"/>
            <allow send_requested_reply="true" send_type="error"/>
            <allow receive_type="method_call"/>
            <allow receive_type="method_return"/>
            <allow receive_type="error"/>
            <allow receive_type="signal"/>
            <allow send_destination="org.freedesktop.DBus"/>
            <allow own="org.freedesktop.PolicyKit1"/>
            <allow send_destination="org.freedesktop.PolicyKit1"/>
            <allow send_interface="org.freedesktop.PolicyKit1.Authority"/>
          </policy>
          <policy user="\(NSUserName())">
            <allow own="org.snapmgr1"/>
            <allow send_interface="org.snapmgr1.Participant"/>
          </policy>
          <include>\(package)/Config/dbus/org.snapmgr1.conf</include>
        </busconfig>
        """
    }

    static let package = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    var address: String { "unix:path=\(harness.folder)/bus" }

    var environment: [String: String] {
        [
            "DBUS_SYSTEM_BUS_ADDRESS": address,
            "SNAPMGR_CONFIG": harness.folder + "/snapmgr.toml",
        ]
    }

    func path(_ name: String) -> String { "\(harness.folder)/\(name)" }

    // MARK: Processes

    @discardableResult
    func startDaemon() throws -> ChildProcess {
        let (process, files) = try harness.start(
            [CommandLineHarness.binary, "daemon", "--bus", address], environment: environment)
        _ = started.add(process)
        try Self.await("the daemon") {
            try harness.run(call("ListJobs"), environment).status == 0
                || !process.isRunning
        }
        guard process.isRunning else {
            throw Problem(.failed, "the daemon: \(try harness.text(files.errors))")
        }
        return process
    }

    /// Participants that behave as actor.py says; what they are asked is in ``asked(_:)``.
    @discardableResult
    func startActor(
        _ behaviour: String, count: Int = 1, _ volumes: [String] = []
    ) throws
        -> ChildProcess
    {
        let log = path("\(behaviour).log")
        let process = started.add(
            try harness.start(
                [
                    "/usr/bin/python3", Self.package + "/Tests/Bus/actor.py", log, "\(count)",
                    behaviour,
                ] + volumes, environment: environment
            ).process)
        try Self.await("the actor \(behaviour)") {
            !process.isRunning || asked(behaviour).contains { $0.word == "registered" }
        }
        return process
    }

    func start(_ command: [String]) throws -> (process: ChildProcess, files: ChildProcess.Files) {
        let result = try harness.start(command, environment: environment)
        _ = started.add(result.process)
        return result
    }

    /// What a participant was asked.
    struct Asked: Hashable {
        /// Of the monotonic clock, in seconds.
        var at: Double
        var number: Int
        var word: String
    }

    func asked(_ behaviour: String) -> [Asked] {
        let text = (try? harness.text(path("\(behaviour).log"))) ?? ""
        return text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 3, let time = Double(words[0]), let number = Int(words[1]) else {
                return nil
            }
            return Asked(at: time / 1e6, number: number, word: String(words[2]))
        }
    }

    func words(_ behaviour: String) -> [String] {
        asked(behaviour).map(\.word).filter { $0 != "registered" }
    }

    static func await(
        _ what: String, seconds: Double = Instant.patience, _ isReached: () throws -> Bool
    ) throws {
        let deadline = Instant.now + seconds
        while try !isReached() {
            guard Instant.now < deadline else { throw Problem(.failed, "\(what) does not come") }
            Instant.sleep(0.02)
        }
    }

    // MARK: Calls

    /// A call of busctl's; arguments as it wants them.
    func call(
        _ member: String, _ arguments: String..., path: String = "/org/snapmgr1",
        interface: String = "org.snapmgr1.Manager"
    ) -> [String] {
        [
            "busctl", "--address=\(address)", "--json=short", "--timeout=60", "call",
            "org.snapmgr1", path, interface, member,
        ] + arguments
    }

    @discardableResult
    func run(_ command: [String]) throws -> CommandLineHarness.Result {
        try harness.tool(command, environment: environment)
    }

    func snapmgr(_ arguments: String...) throws -> CommandLineHarness.Result {
        try harness.run(arguments, environment: environment)
    }

    /// Takes a snapshot by the command, and returns its document.
    func snapshot(_ volumes: String..., status: Int32 = 0) throws -> [String: Any] {
        let result = try harness.run(["snapshot", "--json"] + volumes, environment: environment)
        #expect(result.status == status, "\(result.errors)")
        guard result.status == 0 else { return [:] }
        let value = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
        return value as? [String: Any] ?? [:]
    }

    /// The levels of the snapshots in a document.
    static func levels(_ document: [String: Any]) -> [String] {
        let rows = document["snapshots"] as? [[String: Any]] ?? []
        return rows.compactMap { $0["consistency"] as? String }
    }

    /// What the document says of participants.
    static func reasons(_ document: [String: Any]) -> [String?] {
        let record = document["vms"] as? [String: Any]
        let rows = record?["participants"] as? [[String: Any]] ?? []
        return rows.map { $0["reason"] as? String }
    }

    /// The steps of the document's timeline, with their microseconds.
    static func steps(_ document: [String: Any]) -> [(at: Int, text: String)] {
        let record = document["vms"] as? [String: Any]
        let rows = record?["timeline"] as? [[String: Any]] ?? []
        return rows.compactMap { row in
            guard let at = row["at_us"] as? Int, let text = row["step"] as? String else {
                return nil
            }
            return (at, text)
        }
    }
}

extension CommandLineHarness {
    fileprivate func run(_ command: [String], _ environment: [String: String]) throws -> Result {
        try tool(command, environment: environment)
    }
}
