internal import Scheduler
internal import SnapshotModel

/// The words of a volume's `require`.
enum VolumeRequirement: String, CaseIterable {
    case crash, app

    var level: Consistency {
        switch self {
        case .crash: .crash
        case .app: .app
        }
    }
}

extension SettingsBuilder {
    func decodeVolumes() {
        for (name, table) in tables.tables(.volumes) {
            let reader = TableReader<VolumeKey>(table, diagnostics: diagnostics)
            settings.volumes[name] = VolumeSettings(
                name: name,
                schedules: schedules(references(.schedules, to: .schedules, in: reader)),
                policy: policy(.policy, in: reader) ?? settings.defaults.policy,
                safetyPolicy: policy(.safetyPolicy, in: reader) ?? settings.defaults.safetyPolicy,
                hooks: hooks(references(.hooks, to: .hooks, in: reader)),
                freeSpaceFloor: freeSpaceFloor(.freeSpaceFloor, in: reader)
                    ?? settings.defaults.freeSpaceFloor,
                belowFloor: belowFloor(.belowFloor, in: reader) ?? settings.defaults.belowFloor,
                writeBack: writeBack(.writeBack, in: reader) ?? settings.defaults.writeBack,
                scrub: scrub(.scrub, in: reader) ?? settings.defaults.scrub,
                required: (reader.choice(.require, VolumeRequirement.self) ?? .crash).level)
            show(
                table, reader,
                standards: [
                    .schedules: EffectiveStandard("[]", .standard),
                    .policy: standard(.policy),
                    .safetyPolicy: standard(.safetyPolicy),
                    .hooks: EffectiveStandard("[]", .standard),
                    .freeSpaceFloor: standard(.freeSpaceFloor),
                    .belowFloor: standard(.belowFloor),
                    .scrub: standard(.scrub),
                    .writeBack: standard(.writeBack),
                    .require: EffectiveStandard(
                        TOMLText.quoted(VolumeRequirement.crash.rawValue), .standard),
                ])
        }
    }

    func decodeSets() {
        for (name, table) in tables.tables(.sets) {
            let reader = TableReader<SetKey>(table, diagnostics: diagnostics)
            settings.sets[name] = SetSettings(
                name: name, volumes: volumes(reader),
                schedules: schedules(references(.schedules, to: .schedules, in: reader)),
                policy: policy(.policy, in: reader) ?? settings.defaults.policy,
                hooks: hooks(references(.hooks, to: .hooks, in: reader)))
            show(
                table, reader,
                standards: [
                    .schedules: EffectiveStandard("[]", .standard),
                    .policy: standard(.policy),
                    .hooks: EffectiveStandard("[]", .standard),
                ])
        }
    }

    private func volumes(_ reader: TableReader<SetKey>) -> [String] {
        let names = references(.volumes, to: .volumes, in: reader)
        if reader.node(.volumes) == nil {
            diagnostics.error(
                "\(Quote.path(reader.path)) has no volumes", at: reader.position,
                hint: "add volumes = [\"NAME\", \"NAME\"]")
        } else if let node = reader.node(.volumes), node.content == .array([]) {
            reader.refuse(node, "\(reader.name(.volumes)) is empty")
        }
        return (names ?? []).map(\.text)
    }

    private func schedules(_ names: [SettingsText]?) -> [Schedule] {
        (names ?? []).compactMap { settings.schedules[$0.text] }
    }

    private func hooks(_ names: [SettingsText]?) -> [Hook] {
        (names ?? []).compactMap { settings.hooks[$0.text] }
    }
}
