import SnapshotModel

/// Each remedy, with what it may name and without it.
enum RemedyExamples {
    private static let id = SnapshotID(rawValue: 7)

    static let all: [Remedy] = [
        .setup(), .setup("/b"), .setup("/b", name: "a"), .volumeCreate(), .volumeCreate("a"),
        .volumeList, .volumeRemove("a"),
        .volumeRemove("a", keepsStore: true), .volumeResize("a", bytes: 4096),
        .volumeSet("a", origin: "/b"), .volumeShow("a"), .activate(), .activate("a"),
        .activate("a", accepting: .device), .activate("a", accepting: .origin), .activateAll,
        .deactivate("a"), .deactivate("a", withoutStore: true), .serve(), .serve("a"),
        .snapshot("a"), .cloneCreate(id), .cloneDelete("a"), .cloneList, .cloneOfClone("a"),
        .cloneKeep("a"), .clonePromote("a"), .delete,
        .export(id), .hold, .holdList, .list(), .list("a"), .listSets, .modify(id),
        .mount(id),
        .release(id, owner: "eve"),
        .umount("/mnt"), .revert(id), .revertWithoutSafety,
        .revertWithClone(id, "a"), .mergeCancel("a"), .mergeResume(),
        .mergeResume("a"), .mergeStatus(), .mergeStatus("a"), .mergeThrottle(),
        .mergeThrottle("a"), .machineList, .machineStop("a"), .mirrorAdd(), .mirrorAdd("a"),
        .mirrorList, .mirrorRun(),
        .mirrorRun("a"), .mirrorRun("a", acceptsRevert: true), .mirrorRemove("a"),
        .mirrorPromote("a"), .mirrorDemote("a"), .tokenCreate, .tokenList,
        .webhookList, .webhookRetry("a"), .catalogRebuild,
        .catalogRebuildStore(takesOver: true),
        .catalogRebuildStore("/b"), .catalogRebuildStore("/b", takesOver: true), .check(),
        .check("a"), .check("a", readsData: true), .checkRepair, .configCheck, .configShow,
        .daemon, .events, .prune, .pruneAcceptingClock, .pruneExplained("a"), .status,
        .statusForMonitoring, .help([]), .help(["merge", "status"]),
    ]

    enum Kind: CaseIterable {
        case setup, volumeCreate, volumeList, volumeRemove, volumeResize, volumeSet, volumeShow
        case activate, activateAll, deactivate, serve
        case snapshot, cloneCreate, cloneDelete, cloneList, cloneOfClone, cloneKeep, clonePromote,
            delete, export, hold, holdList, list
        case listSets, modify, mount, release, umount
        case revert, revertWithoutSafety, revertWithClone, mergeCancel, mergeResume, mergeStatus,
            mergeThrottle
        case machineList, machineStop
        case mirrorAdd, mirrorList, mirrorRun, mirrorRemove, mirrorPromote, mirrorDemote
        case tokenCreate, tokenList, webhookList, webhookRetry
        case catalogRebuild, catalogRebuildStore, check, checkRepair, configCheck, configShow
        case daemon, events, prune, pruneAcceptingClock, pruneExplained
        case status, statusForMonitoring, help
    }

    /// Without a default, so that nobody forgets a new one: it is also to be in ``all``.
    static func kind(of remedy: Remedy) -> Kind {
        switch remedy {
        case .setup: .setup
        case .volumeCreate: .volumeCreate
        case .volumeList: .volumeList
        case .volumeRemove: .volumeRemove
        case .volumeResize: .volumeResize
        case .volumeSet: .volumeSet
        case .volumeShow: .volumeShow
        case .activate: .activate
        case .activateAll: .activateAll
        case .deactivate: .deactivate
        case .serve: .serve
        case .snapshot: .snapshot
        case .cloneCreate: .cloneCreate
        case .cloneDelete: .cloneDelete
        case .cloneList: .cloneList
        case .machineList: .machineList
        case .machineStop: .machineStop
        case .cloneOfClone: .cloneOfClone
        case .cloneKeep: .cloneKeep
        case .clonePromote: .clonePromote
        case .delete: .delete
        case .export: .export
        case .hold: .hold
        case .holdList: .holdList
        case .list: .list
        case .listSets: .listSets
        case .modify: .modify
        case .mount: .mount
        case .release: .release
        case .umount: .umount
        case .revert: .revert
        case .revertWithoutSafety: .revertWithoutSafety
        case .revertWithClone: .revertWithClone
        case .mergeCancel: .mergeCancel
        case .mergeResume: .mergeResume
        case .mergeStatus: .mergeStatus
        case .mergeThrottle: .mergeThrottle
        case .mirrorAdd: .mirrorAdd
        case .mirrorList: .mirrorList
        case .tokenCreate: .tokenCreate
        case .tokenList: .tokenList
        case .webhookList: .webhookList
        case .webhookRetry: .webhookRetry
        case .mirrorRun: .mirrorRun
        case .mirrorRemove: .mirrorRemove
        case .mirrorPromote: .mirrorPromote
        case .mirrorDemote: .mirrorDemote
        case .catalogRebuild: .catalogRebuild
        case .catalogRebuildStore: .catalogRebuildStore
        case .check: .check
        case .checkRepair: .checkRepair
        case .configCheck: .configCheck
        case .configShow: .configShow
        case .daemon: .daemon
        case .events: .events
        case .prune: .prune
        case .pruneAcceptingClock: .pruneAcceptingClock
        case .pruneExplained: .pruneExplained
        case .status: .status
        case .statusForMonitoring: .statusForMonitoring
        case .help: .help
        }
    }
}
