internal import Catalog
internal import Settings
internal import SnapshotModel

/// What people may name: volumes, and the sets and VMs of the settings, which are objects like them.
extension ManagerContext {
    /// The set of the settings that has a name; nil when none has.
    ///
    /// - Throws: what is wrong with the settings; `ambiguous` when a volume has the name, too.
    func group(_ name: String) throws -> VolumeGroup? {
        guard try catalog.volume(named: name) != nil else {
            return try settings.get().groups[name]
        }
        try requireUnambiguous(volume: name)
        return nil
    }

    /// Refuses a volume's name that a set of the settings has, too. What is wrong with the settings is no
    /// reason to refuse it.
    ///
    /// - Throws: `ambiguous`.
    func requireUnambiguous(volume name: String) throws {
        guard let group = (try? settings.get())?.groups[name] else { return }
        throw Problem(
            .ambiguous,
            "`\(name)` may be the volume \(name) or the \(group.noun) \(name) of the settings",
            hint:
                "give one of them another name (\(.configCheck) tells where it stands); until then, "
                + "name snapshots by their ids, and the set's as set:\(name)@latest")
    }

    /// Whether a name is that of a set: one of the settings, or one that was taken.
    ///
    /// - Throws: what is wrong with the settings, when only these could have it.
    func isSet(_ name: String) throws -> Bool {
        try catalog.hasSet(named: name) || settings.get().groups[name] != nil
    }

    /// The volumes that names stand for, of which some may be sets of the settings; none for none.
    ///
    /// - Throws: `notFound`, `ambiguous`.
    func members(of names: [String]) throws -> [String] {
        try names.flatMap { try group($0)?.volumes ?? [$0] }
    }

    /// - Throws: `exists` when a set of the settings has the name.
    func requireNoGroup(named name: String) throws {
        guard let group = (try? settings.get())?.groups[name] else { return }
        throw Problem(
            .exists, "the settings have a \(group.noun) \(name), which is named as volumes are",
            hint: "choose another name; see \(.configShow)")
    }
}

// MARK: - What somebody may have meant

extension ManagerContext {
    /// Best effort: it is for a message.
    private var volumeNames: [String] {
        ((try? catalog.volumes()) ?? []).map(\.record.name)
    }

    private var setNames: [String] {
        ((try? catalog.setNames()) ?? []) + ((try? settings.get())?.groups ?? [:]).keys
    }

    /// Why there is no volume of that name, and which may be meant.
    func noVolume(_ name: String) -> Problem {
        if let group = (try? settings.get())?.groups[name] {
            return Problem(
                .notFound, "`\(name)` is a \(group.noun) of the settings, and not a volume",
                hint: "name one of its volumes: \(group.volumes.joined(separator: ", "))")
        }
        return Problem(
            .notFound, "there is no volume \(name)",
            hint: Suggestion.hint(
                for: name, among: volumeNames, else: "run \(.volumeList) to see the volumes"))
    }

    /// The same where a set could be named, too.
    ///
    /// - Parameter rest: what stood behind the name, with its `@`.
    func noObject(_ name: String, rest: String = "") -> Problem {
        Problem(
            .notFound, "there is no volume or set \(name)",
            hint: Suggestion.hint(
                for: name, among: volumeNames + setNames, before: rest,
                else: "run \(.volumeList) to see the volumes, \(.listSets) the sets"))
    }

    /// Why there is no snapshot of that name in a volume, and which may be meant.
    ///
    /// - Parameter known: the names that there are.
    func noSnapshot(_ owner: String, named name: String, known: [String]) -> Problem {
        Problem(
            .notFound, "there is no snapshot \(owner)@\(name)",
            hint: Suggestion.hint(
                for: name, among: known + ["latest", "live"], after: "\(owner)@",
                else: "run \(.list(owner)) to see its snapshots"))
    }
}
