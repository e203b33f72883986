internal import SnapshotModel

/// The variables that a program of a hook gets.
struct HookEnvironment {
    private let operation: HookOperation
    private let bound: BoundHook

    /// Messages are cut to this many characters: the kernel limits what a program can be given.
    private static let errorLimit = 2000

    /// What every program gets that its hook says nothing about.
    private static let base = [
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
    ]

    init(_ operation: HookOperation, _ bound: BoundHook) {
        self.operation = operation
        self.bound = bound
    }

    /// The whole environment, as far as it is known before the operation.
    func variables(for event: HookEvent) -> [String: String] {
        var variables = Self.base
        variables.merge(bound.hook.environment) { $1 }
        variables["SNAPMGR_EVENT"] = event.rawValue
        variables["SNAPMGR_HOOK"] = bound.hook.name
        variables["SNAPMGR_VOLUME"] = bound.volume ?? onlyVolume
        variables["SNAPMGR_VOLUMES"] = operation.volumes.joined(separator: " ")
        variables["SNAPMGR_SET"] = operation.set
        variables["SNAPMGR_SCHEDULE"] = operation.schedule
        variables["SNAPMGR_REQUESTED_BY"] = operation.requester
        return variables.merging(self.variables(of: operation.facts)) { $1 }
    }

    /// What the outcome adds to it.
    func variables(of outcome: HookOutcome) -> [String: String] {
        switch outcome {
        case .succeeded(let facts):
            return variables(of: facts).merging(["SNAPMGR_RESULT": "ok"]) { $1 }
        case .failed(let problem):
            let message = String(problem.message.prefix(Self.errorLimit))
            return ["SNAPMGR_RESULT": "failed", "SNAPMGR_ERROR": message]
        }
    }

    private var onlyVolume: String? {
        operation.volumes.count == 1 ? operation.volumes.first : nil
    }

    private func variables(of facts: HookFacts) -> [String: String] {
        var variables: [String: String] = [:]
        if let volume = bound.volume ?? onlyVolume {
            variables["SNAPMGR_SNAPSHOT_ID"] = facts.snapshots[volume]?.description
            variables["SNAPMGR_REVERT_ID"] = facts.reverts[volume]?.description
        }
        if !facts.snapshots.isEmpty {
            // In the order of SNAPMGR_VOLUMES; a dash for one that has none.
            variables["SNAPMGR_SNAPSHOT_IDS"] = operation.volumes.map {
                facts.snapshots[$0]?.description ?? "-"
            }.joined(separator: " ")
        }
        return variables
    }
}
