import ArgumentParser

struct HoldGroup: CommandGroup {
    static let configuration = CommandConfiguration.group(
        "hold", "Keep snapshots from being deleted.", [HoldAddCommand.self, HoldListCommand.self],
        default: HoldAddCommand.self)
}
