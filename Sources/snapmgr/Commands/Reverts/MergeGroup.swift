import ArgumentParser

struct MergeGroup: CommandGroup {
    static let configuration = CommandConfiguration.group(
        "merge", "Watch and steer the merges of reverts.",
        [
            MergeStatusCommand.self, MergePauseCommand.self, MergeResumeCommand.self,
            MergeThrottleCommand.self, MergeCancelCommand.self,
        ])
}
