import ArgumentParser

struct VolumeGroup: CommandGroup {
    static let configuration = CommandConfiguration.group(
        "volume", "Put origins under management, and take them out again.",
        [
            VolumeCreateCommand.self, VolumeListCommand.self, VolumeShowCommand.self,
            VolumeResizeCommand.self, VolumeSetCommand.self, VolumeRemoveCommand.self,
        ])
}
