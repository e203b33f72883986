import ArgumentParser

struct MirrorGroup: CommandGroup {
    static let configuration = CommandConfiguration.group(
        "mirror", "Keep copies of snapshots at another site.",
        [
            MirrorAddCommand.self, MirrorSetCommand.self, MirrorListCommand.self,
            MirrorShowCommand.self, MirrorRunCommand.self, MirrorVerifyCommand.self,
            MirrorRemoveCommand.self,
            MirrorPromoteCommand.self, MirrorDemoteCommand.self, MirrorAcceptCommand.self,
        ])
}
