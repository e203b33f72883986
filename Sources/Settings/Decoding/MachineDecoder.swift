internal import Scheduler
internal import SnapshotModel

extension SettingsBuilder {
    func decodeMachines() {
        var owners: [String: String] = [:]
        for (name, table) in tables.tables(.vm) {
            let reader = TableReader<MachineKey>(table, diagnostics: diagnostics)
            let volumes = machineVolumes(reader, of: name, &owners)
            let monitor = MachineTable(reader: reader).path(.qmp)
            if reader.node(.qmp) == nil {
                diagnostics.error(
                    "\(Quote.path(reader.path)) has no qmp", at: reader.position,
                    hint: "add qmp = \"/path/of/the/monitor's/socket\"")
            }
            settings.machines[name] = MachineTable(reader: reader).decode(
                name: name, volumes: volumes, monitorPath: monitor ?? "")
            show(
                table, reader,
                standards: [
                    .state: EffectiveStandard("false", .standard),
                    .require: EffectiveStandard(
                        TOMLText.quoted(MachineRequirement.crash.rawValue), .standard),
                    .freezeTimeout: Self.seconds(MachineSettings.standardFreeze),
                    .stateTimeout: Self.seconds(MachineSettings.standardState),
                    .startTimeout: Self.seconds(MachineSettings.standardStart),
                ])
        }
    }

    /// A set and a VM of one name are one object to people: it must be the same volumes.
    func requireOneMeaning() {
        for (name, table) in tables.tables(.vm) {
            guard let machine = settings.machines[name], let set = settings.sets[name],
                Set(set.volumes) != Set(machine.volumes)
            else { continue }
            diagnostics.error(
                "\(Quote.path(table.path)) has other volumes than "
                    + "\(Quote.path([SectionKind.sets.rawValue, name])): what the name means is ambiguous",
                at: table.position, hint: "give one of them another name")
        }
    }

    private static func seconds(_ count: Int) -> EffectiveStandard {
        EffectiveStandard(TOMLText.quoted("\(TimeSpan(seconds: Int64(count)))"), .standard)
    }

    /// - Parameter owners: the VMs of the volumes that were looked at.
    private func machineVolumes(
        _ reader: TableReader<MachineKey>, of name: String, _ owners: inout [String: String]
    ) -> [String] {
        guard let node = reader.node(.volumes) else {
            diagnostics.error(
                "\(Quote.path(reader.path)) has no volumes", at: reader.position,
                hint: "add volumes = [\"NAME\", \"NAME\"]")
            return []
        }
        if node.content == .array([]) {
            reader.refuse(node, "\(reader.name(.volumes)) is empty")
        }
        let texts = references(.volumes, to: .volumes, in: reader) ?? []
        for text in texts {
            guard let other = owners.updateValue(name, forKey: text.text) else { continue }
            reader.refuse(
                text.node,
                "\(reader.name(.volumes)): volume \(Quote.text(text.text)) is a disk of the VM "
                    + "\(Quote.text(other)) already", hint: "a volume is a disk of one VM")
        }
        return texts.map(\.text)
    }
}

/// The words of `require`.
enum MachineRequirement: String, CaseIterable {
    case crash, fs, vm

    var level: Consistency {
        switch self {
        case .crash: .crash
        case .fs: .fs
        case .vm: .vm
        }
    }
}

/// A VM's table.
struct MachineTable {
    let reader: TableReader<MachineKey>

    /// A guest of Windows stays frozen for 10 s, and thaws itself then.
    private static let longestFreeze = TimeSpan(seconds: 9)
    /// Longer is a mistake.
    private static let longest = TimeSpan(seconds: 3600)

    func decode(name: String, volumes: [String], monitorPath: String) -> MachineSettings {
        let (savesState, agent) = (reader.boolean(.state) ?? false, path(.agent))
        let required = reader.choice(.require, MachineRequirement.self) ?? .crash
        let isPossible =
            switch required {
            case .crash: true
            case .fs: savesState || reader.node(.agent) != nil
            case .vm: savesState
            }
        if !isPossible, let node = reader.node(.require) {
            reader.refuse(
                node, "\(reader.name(.require)) can never be had",
                hint: required == .vm ? "add state = true" : "add agent = \"/path/of/its/socket\"")
        }
        return MachineSettings(
            name: name, volumes: volumes, monitorPath: monitorPath, agentPath: agent,
            savesState: savesState, required: required.level,
            start: program(.start, savesState: savesState),
            copyStart: copyStart(of: volumes, savesState: savesState),
            freezeMilliseconds: milliseconds(
                .freezeTimeout, standard: MachineSettings.standardFreeze, Self.longestFreeze),
            stateMilliseconds: milliseconds(
                .stateTimeout, standard: MachineSettings.standardState, Self.longest),
            startMilliseconds: milliseconds(
                .startTimeout, standard: MachineSettings.standardStart, Self.longest))
    }

    /// An absolute path.
    func path(_ key: MachineKey) -> String? {
        guard let text = reader.text(key, expected: "the path of a socket") else { return nil }
        guard text.text.hasPrefix("/"), PathHalves(text.text).name != "" else {
            reader.refuse(
                text.node, "\(reader.name(key)): \(Quote.text(text.text)) is not an absolute path")
            return nil
        }
        return text.text
    }

    /// A copy that had the VM's own disks or monitor would destroy what is on them.
    private func copyStart(of volumes: [String], savesState: Bool) -> [String]? {
        guard let words = program(.cloneStart, savesState: savesState),
            let node = reader.node(.cloneStart)
        else { return nil }
        let used = Set(words.flatMap { MachineCopyWords.words(in: $0).map(String.init) })
        let needed = [MachineCopyWords.monitorWord] + volumes.map(MachineCopyWords.diskWord)
        for word in needed where !used.contains(word) {
            reader.refuse(
                node, "\(reader.name(.cloneStart)) has no \(word)",
                hint: "a copy has a monitor and disks of its own: see snapmgr.toml(5)")
            return nil
        }
        guard words.contains(MachineSettings.incomingWord) else {
            reader.refuse(
                node, "\(reader.name(.cloneStart)) has no \(MachineSettings.incomingWord)",
                hint: "it has QEMU wait until the copy's network is seen to")
            return nil
        }
        return words
    }

    private func program(_ key: MachineKey, savesState: Bool) -> [String]? {
        guard let node = reader.node(key) else { return nil }
        let expected = "an array of a program's path and its arguments"
        guard case .array(let nodes) = node.content, !nodes.isEmpty else {
            reader.wrongType(key, node, expected: expected)
            return nil
        }
        let words = nodes.compactMap { reader.text($0, of: key, expected: expected) }
        guard words.count == nodes.count, let program = words.first else { return nil }
        guard program.text.hasPrefix("/") else {
            reader.refuse(
                program.node,
                "\(reader.name(key)): \(Quote.text(program.text)) is not an absolute path",
                hint: "write the program's whole path")
            return nil
        }
        let count = words.count { $0.text == MachineSettings.incomingWord }
        guard count == 1 || count == 0 && !savesState else {
            reader.refuse(
                node,
                "\(reader.name(key)) has \(MachineSettings.incomingWord) \(count) times, and needs it once",
                hint: "it stands for -incoming defer, which has QEMU wait for the saved state")
            return nil
        }
        return words.map(\.text)
    }

    private func milliseconds(
        _ key: MachineKey, standard: Int, _ longest: TimeSpan
    ) -> Int {
        guard let text = reader.text(key, expected: "a duration in quotes, such as \"5s\""),
            let span = reader.parsed(text, of: key, TimeSpan.init(parsing:))
        else { return standard * 1000 }
        guard span.seconds > 0, span <= longest else {
            reader.refuse(
                text.node, "\(reader.name(key)) is \(span)", hint: "it is from 1s to \(longest)")
            return standard * 1000
        }
        return Int(span.seconds) * 1000
    }
}
