/// When a hook's program runs, or something is posted in its place.
package enum HookEvent: String, Sendable, Codable, CaseIterable {
    /// Before anything comes to rest for a snapshot: what takes long. Nothing undoes it.
    case prepare
    /// Before the volumes are held at their barriers; puts the application or filesystem at rest.
    case beforeFreeze = "before-freeze"
    /// After the volumes were released, or could not be held; undoes what before-freeze did.
    case afterThaw = "after-thaw"
    /// After a snapshot was taken.
    case afterSnapshot = "after-snapshot"
    case beforeRevert = "before-revert"
    /// After a revert, and after a failed one: undoes what before-revert did.
    case afterRevert = "after-revert"
    /// After the snapshot or revert failed.
    case onFailure = "on-failure"
}

/// What is to run around snapshots and reverts, as `[hooks.NAME]` says.
package struct Hook: Hashable, Sendable, Codable {
    package var name: String
    /// Argument vectors, started without a shell; a shell line is `["/bin/sh", "-c", LINE]`. The
    /// first argument is an absolute path.
    package var programs: [HookEvent: [String]]
    /// To whom is posted in the place of a program.
    package var posts: [HookEvent: PostPeer] = [:]
    /// Of what signs posts; nil when they are not signed.
    package var secretPath: String?
    /// How long each program may run, in seconds.
    package var timeoutSeconds: Double
    /// Whether the failure of a before-program ends the operation.
    package var isFatal: Bool
    /// What the snapshots are consistent with between its before-freeze and its after-thaw, if both succeed.
    package var consistency = Consistency.crash
    /// Variables that every program of the hook gets, besides those that snapmgr sets.
    package var environment: [String: String]

    package init(
        name: String, programs: [HookEvent: [String]], timeoutSeconds: Double = 30,
        isFatal: Bool = true, environment: [String: String] = [:]
    ) {
        self.name = name
        self.programs = programs
        self.timeoutSeconds = timeoutSeconds
        self.isFatal = isFatal
        self.environment = environment
    }

    /// Whether there is something to do.
    package func acts(on event: HookEvent) -> Bool {
        programs[event] != nil || posts[event] != nil
    }

    /// Whether there is nothing to do, whatever happens.
    package var isEmpty: Bool { programs.isEmpty && posts.isEmpty }
}
