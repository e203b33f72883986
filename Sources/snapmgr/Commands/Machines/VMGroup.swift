import ArgumentParser

struct VMGroup: CommandGroup {
    static let configuration = CommandConfiguration.group(
        "vm", "See the VMs whose disks are volumes, and start copies of them.",
        [VMListCommand.self, VMShowCommand.self, VMCloneCommand.self, VMStopCommand.self])
}
