import ArgumentParser

/// The root of the command line.
struct SnapmgrCommand: CommandGroup {
    static let configuration = CommandConfiguration(
        commandName: "snapmgr",
        abstract: "Snapshots of Linux block volumes: many, cheap, and reverted to at once.",
        discussion: """
            EXAMPLES:
              $ snapmgr setup /srv/data.img
              $ snapmgr snapshot data --name before-upgrade
              $ snapmgr list data
              $ snapmgr revert data@before-upgrade
              $ snapmgr help words

            EXIT STATUS:
            \(ExitStatus.allCases.map { "  \($0.rawValue)  \($0.meaning)" }.joined(separator: "\n"))
            """,
        version: Version.text,
        subcommands: [
            SetupCommand.self, VolumeGroup.self, SnapshotCommand.self, ListCommand.self,
            ShowCommand.self,
            DiffCommand.self, ChangedCommand.self, RevertCommand.self, MergeGroup.self,
            StatusCommand.self,
            ModifyCommand.self, CloneGroup.self, VMGroup.self, HoldGroup.self, ReleaseCommand.self,
            DeleteCommand.self,
            PruneCommand.self,
            PolicyGroup.self, TickCommand.self, ActivateCommand.self, DeactivateCommand.self,
            MountCommand.self, UmountCommand.self, ExportCommand.self, SendCommand.self,
            ReceiveCommand.self, MirrorGroup.self, FilesCommand.self,
            FindCommand.self,
            GetCommand.self, RestoreCommand.self,
            ServeCommandLine.self,
            CheckCommand.self, CatalogGroup.self, ConfigGroup.self, EventsCommand.self,
            DaemonCommand.self, TokenGroup.self, WebhookGroup.self, CompletionCommand.self,
        ])

    @OptionGroup var global: GlobalOptions
}
