internal import Catalog
internal import SnapshotModel

/// Reads a set of the settings, where a snapshot is asked for, as its volumes.
struct SetExpansion {
    private let context: ManagerContext

    init(_ context: ManagerContext) { self.context = context }

    /// The request with volumes alone.
    ///
    /// - Throws: `usage` when a set is named beside something else, or its name is given to other volumes.
    func expanded(_ request: TakeRequest) throws -> TakeRequest {
        let groups = try request.volumes.compactMap { try group($0) }
        guard let group = groups.first else {
            try requireOwnName(request)
            tellOfHooks(request)
            return request
        }
        guard request.volumes.count == 1 else {
            throw Problem(
                .usage, "the \(group.noun) \(group.name) is named beside something else",
                hint: "take its snapshot alone: \(.snapshot(group.name))")
        }
        guard request.setName == nil || request.setName == group.name else {
            throw Problem(
                .usage, "the \(group.noun) \(group.name) gives its snapshots its own name",
                hint: "leave out --set; --name names them within it")
        }
        var expanded = request
        (expanded.volumes, expanded.setName) = (group.volumes, group.name)
        return expanded
    }

    private func group(_ name: String) throws -> VolumeGroup? {
        // A clone's name is told as one later.
        guard try context.catalog.clones(named: name).isEmpty else { return nil }
        if let group = try context.group(name) { return group }
        guard try context.catalog.volume(named: name) == nil,
            try context.catalog.hasSet(named: name)
        else { return nil }
        throw Problem(
            .notFound,
            "there is no volume \(name), and no set of the settings: sets that were taken have "
                + "the name",
            hint:
                "name the volumes with --set \(name), or write a table [sets.\(name)] or [vm.\(name)]"
        )
    }

    /// By its name, a set of the settings must be found with its own volumes.
    private func requireOwnName(_ request: TakeRequest) throws {
        guard let name = request.setName, let group = (try? context.settings.get())?.groups[name],
            Set(group.volumes) != Set(request.volumes)
        else { return }
        throw Problem(
            .usage,
            "`--set \(name)` is the \(group.noun) \(name) of the settings, which is of "
                + "\(group.volumes.joined(separator: ", "))",
            hint: "choose another name for these volumes, or take its snapshot: "
                + "\(.snapshot(name))")
    }

    /// The volumes alone do not make it the set's snapshot.
    private func tellOfHooks(_ request: TakeRequest) {
        guard let settings = try? context.settings.get(),
            let group = settings.groups.values.sorted(by: { $0.name < $1.name }).first(where: {
                $0.hasHooks && Set($0.volumes) == Set(request.volumes)
                    && request.setName != $0.name
            })
        else { return }
        context.advise(
            "these are the volumes of the \(group.noun) \(group.name), whose hooks do not run for them: "
                + "\(.snapshot(group.name)) runs them")
    }
}
