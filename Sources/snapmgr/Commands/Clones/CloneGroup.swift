import ArgumentParser

struct CloneGroup: CommandGroup {
    static let configuration = CommandConfiguration.group(
        "clone", "Make writable layers over snapshots.",
        [
            CloneCreateCommand.self, CloneListCommand.self, CloneDeleteCommand.self,
            ClonePromoteCommand.self,
        ])
}
