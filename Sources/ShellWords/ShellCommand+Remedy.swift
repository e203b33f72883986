package import SnapshotModel

extension ShellCommand {
    /// The command that is a remedy.
    package init(_ remedy: Remedy) {
        self =
            switch remedy {
            case .setup(let path, let name):
                Self(
                    "setup", .operand(path, else: "ORIGIN"),
                    name.map { .option("--name", .known($0)) })
            case .volumeCreate(let name):
                Self(
                    "volume create", .operand(name, else: "NAME"),
                    .option("--origin", .open("PATH")))
            case .volumeList: Self("volume list")
            case .volumeRemove(let name, let keepsStore):
                Self("volume remove", .operand(name), keepsStore ? .option("--keep-store") : nil)
            case .volumeResize(let name, let bytes):
                Self("volume resize", .operand(name), .operand("\(bytes)"))
            case .volumeSet(let name, let origin):
                Self("volume set", .operand(name), .option("--origin", origin))
            case .volumeShow(let name): Self("volume show", .operand(name))
            case .activate(let name, let acceptance):
                Self(
                    "activate", .operand(name, orUnsaid: "VOLUME"),
                    acceptance.map { .option("--accept-\($0.rawValue)") })
            case .activateAll: Self("activate", .option("--all"))
            case .deactivate(let name, let withoutStore):
                Self("deactivate", .operand(name), withoutStore ? .option("--without-store") : nil)
            case .serve(let name): Self("serve", name.map { .operand($0) })
            case .snapshot(let name): Self("snapshot", .operand(name))
            case .cloneCreate(let id):
                Self("clone create", .operand("\(id)"), .operand(.open("NAME")))
            case .cloneDelete(let name): Self("clone delete", .operand(name))
            case .cloneList: Self("clone list")
            case .machineList: Self("vm list")
            case .machineStop(let name): Self("vm stop", .operand(name))
            case .cloneOfClone(let name):
                Self("clone create", .operand(name), .operand(.open("NAME")))
            case .cloneKeep(let name):
                Self(
                    "clone create", .operand(name), .operand(.open("NAME")),
                    .option("--read-only"))
            case .clonePromote(let name): Self("clone promote", .operand(name))
            case .delete: Self("delete", .operand(.unsaid("ID")))
            case .export(let id): Self("export", .operand("\(id)"), .operand(.open("FILE")))
            case .hold:
                Self("hold", .operand(.open("ID")), .option("--reason", .open("TEXT")))
            case .holdList: Self("hold list")
            case .list(let name): Self("list", name.map { .operand($0) })
            case .listSets: Self("list", .option("--set"))
            case .modify(let id):
                Self("modify", .operand("\(id)"), .option("--name", .open("NAME")))
            case .mount(let id):
                Self("mount", .operand("\(id)"), .operand(.open("DIR")))
            case .release(let id, let owner):
                Self("release", .operand("\(id)"), .option("--owner", owner))
            case .umount(let path): Self("umount", .operand(path))
            case .revert(let id): Self("revert", .operand("\(id)"))
            case .revertWithoutSafety:
                Self("revert", .operand(.unsaid("ID")), .option("--no-safety"))
            case .revertWithClone(let id, let name):
                Self("revert", .operand("\(id)"), .option("--with", .known(name)))
            case .mergeCancel(let name): Self("merge cancel", .operand(name))
            case .mergeResume(let name): Self("merge resume", name.map { .operand($0) })
            case .mergeStatus(let name): Self("merge status", name.map { .operand($0) })
            case .mergeThrottle(let name):
                Self(
                    "merge throttle", .operand(name == nil ? .unsaid("RATE") : .open("RATE")),
                    name.map { .operand($0) })
            case .mirrorAdd(let name):
                Self(
                    "mirror add", .operand(name, else: "NAME"), .operand(.open("VOLUME")),
                    .operand(.open("URL")))
            case .mirrorList: Self("mirror list")
            case .tokenCreate:
                Self("token create", .operand(.open("NAME")), .option("--role", .open("ROLE")))
            case .tokenList: Self("token list")
            case .webhookList: Self("webhook list")
            case .webhookRetry(let name): Self("webhook retry", .operand(name))
            case .mirrorRun(let name, let acceptsRevert):
                Self(
                    "mirror run", name.map { .operand($0) },
                    acceptsRevert ? .option("--accept-revert") : nil)
            case .mirrorRemove(let name): Self("mirror remove", .operand(name))
            case .mirrorPromote(let name): Self("mirror promote", .operand(name))
            case .mirrorDemote(let name): Self("mirror demote", .operand(name))
            case .catalogRebuild: Self("catalog rebuild")
            case .catalogRebuildStore(let path, let takesOver):
                Self(
                    "catalog rebuild", .option("--store", path.map { .known($0) } ?? .open("DIR")),
                    takesOver ? .option("--take-over") : nil)
            case .check(let name, let readsData):
                Self("check", name.map { .operand($0) }, readsData ? .option("--data") : nil)
            case .checkRepair: Self("check", .option("--repair"))
            case .configCheck: Self("config check")
            case .configShow: Self("config show")
            case .daemon: Self("daemon")
            case .events: Self("events")
            case .prune: Self("prune")
            case .pruneAcceptingClock: Self("prune", .option("--accept-clock"))
            case .pruneExplained(let name):
                Self("prune", .option("-n"), .option("--explain"), .operand(name))
            case .status: Self("status")
            case .statusForMonitoring: Self("status", .option("--nagios"))
            case .help(let words): Self(words.joined(separator: " "), .option("--help"))
            }
    }
}
