import ArgumentParser

struct VMGroup: CommandGroup {
    static let configuration = CommandConfiguration.group(
        "vm", "See the VMs whose disks are volumes.", [VMListCommand.self, VMShowCommand.self])
}
