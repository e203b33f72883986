import ArgumentParser

struct PolicyGroup: CommandGroup {
    static let configuration = CommandConfiguration.group(
        "policy", "Try out retention policies.", [PolicySimulateCommand.self])
}
