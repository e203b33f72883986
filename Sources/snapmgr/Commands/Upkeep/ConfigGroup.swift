import ArgumentParser

struct ConfigGroup: CommandGroup {
    static let configuration = CommandConfiguration.group(
        "config", "Check and show the configuration.",
        [ConfigCheckCommand.self, ConfigShowCommand.self])
}
