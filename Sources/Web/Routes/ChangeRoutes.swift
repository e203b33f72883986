internal import Manager
internal import SnapshotModel

extension RouteTable {
    /// What changes something. Each is a job; what takes no time has ended by the time of its answer.
    static let changeRoutes: [WebRoute] = [
        .post(
            "/api/v1/snapshots", "Take a snapshot of volumes, sets or VMs.", .snapshot,
            ["snapshot"],
            [
                .texts("volumes", "What to take.", isRequired: true),
                .text("name", "A name, for VOL@NAME."), .text("set", "A name for the set."),
                .texts("tags", "Words to find it by."), .text("note", "What it is for."),
                .text("if_older_than", "Do nothing when there is a younger one: 10m."),
            ], take),
        .post(
            "/api/v1/snapshots/{snapshot}/hold", "Keep a snapshot, or a set, from being deleted.",
            .snapshot, ["hold-list"],
            [
                .text("reason", "Why.", isRequired: true),
                .text("until", "The end: 30d, or 2026-11-22T12:45; for good without it."),
            ]
        ) { call, body in
            let (reference, reason) = (call.variable("snapshot"), body.text("reason") ?? "")
            let until = body.text("until")
            return WebChange(kind: "hold", volumes: []) { manager, requester in
                let holds = try manager.holds.hold(
                    reference, owner: requester.name, reason: reason, until: until)
                return ["holds": JSONValue(holds)]
            }
        },
        .post(
            "/api/v1/snapshots/{snapshot}/release", "End one's own holds.", .snapshot, ["release"],
            [.text("reason", "Why it was held; all of them without it.")]
        ) { call, body in
            let (reference, reason) = (call.variable("snapshot"), body.text("reason"))
            return WebChange(kind: "release", volumes: []) { manager, requester in
                let released = try manager.holds.release(
                    reference, owner: requester.name, reason: reason)
                return ["released": .array(released.map { JSONValue($0) })]
            }
        },
        .post(
            "/api/v1/snapshots/delete", "Delete snapshots or sets.", .operate, ["delete"],
            [.texts("snapshots", "What to delete.", isRequired: true), dryRun]
        ) { _, body in
            let (references, isDryRun) = (body.texts("snapshots"), body.flag("dry_run"))
            return WebChange(kind: "delete", volumes: []) { manager, _ in
                try manager.deletions.delete(references, isDryRun: isDryRun).json
            }
        },
        .post(
            "/api/v1/reverts", "Make a volume, or all of a set, read as a snapshot.", .revert,
            ["revert", "revert-sets"],
            [
                .text("snapshot", "The snapshot or set.", isRequired: true),
                .text("with", "Merge what was written to this clone of it, too."),
                .flag("end_clone", "The clone ends with the merge."),
                .flag("no_safety", "Take no safety snapshot; needs yes."),
                .flag("yes", "What no_safety loses may be lost."),
                .flag("force", "Also under NBD clients that have it open."),
                .flag("lazy_on_close", "Of an open volume under device-mapper: when it is closed."),
                dryRun,
            ], revert),
        .post(
            "/api/v1/prune", "Delete what the policies let go.", .operate, ["prune"],
            [
                .texts("volumes", "Of these; all without any."), dryRun,
                .flag("explain", "Tell what keeps each, and until when."),
            ]
        ) { _, body in
            let volumes = body.texts("volumes")
            let (isDryRun, explains) = (body.flag("dry_run"), body.flag("explain"))
            return WebChange(kind: "prune", volumes: volumes) { manager, _ in
                try manager.pruning.prune(volumes, isDryRun: isDryRun, explains: explains).json
            }
        },
        merge("pause", "Have merges rest.") { try $0.merges.pause($1) },
        merge("resume", "Have merges go on.") { try $0.merges.resume($1) },
        .post(
            "/api/v1/merges/throttle", "Limit how fast merges copy.", .operate, ["merge-status"],
            [merged, .text("rate", "Bytes per second: 50M; no limit without it.")], throttle),
    ]

    private static let dryRun = WebField.flag("dry_run", "Change nothing; tell what would be.")
    private static let merged = WebField.texts("volumes", "Of these; all without any.")

    private static func merge(
        _ verb: String, _ summary: String,
        _ work: @escaping @Sendable (Manager, [String]) throws -> [MergeSummary]
    ) -> WebRoute {
        .post(
            WebPattern(stringLiteral: "/api/v1/merges/\(verb)"), summary, .operate,
            ["merge-status"], [merged]
        ) { _, body in
            let volumes = body.texts("volumes")
            return WebChange(kind: "merge_\(verb)", volumes: volumes) { manager, _ in
                ["merges": JSONValue(try work(manager, volumes))]
            }
        }
    }

    private static func rate(_ text: String?) throws(WebFailure) -> Int? {
        guard let text else { return nil }
        guard let count = ByteCount(text), count.bytes > 0 else {
            throw .badRequest("`\(text)` is no rate: write 50M, or leave it out for no limit")
        }
        return count.bytes
    }

    @Sendable private static func throttle(
        _ call: WebCall, _ body: WebBody
    ) throws(WebFailure) -> WebChange {
        let volumes = body.texts("volumes")
        let rate = try rate(body.text("rate"))
        return WebChange(kind: "merge_throttle", volumes: volumes) { manager, _ in
            let merges = try manager.merges.throttle(volumes, bytesPerSecond: rate)
            return ["merges": JSONValue(merges)]
        }
    }

    @Sendable private static func take(
        _ call: WebCall, _ body: WebBody
    ) throws(WebFailure) -> WebChange {
        var age: Int64?
        if let text = body.text("if_older_than") {
            age = TimeText.durationSeconds(text)
            guard age != nil else {
                throw .badRequest("`\(text)` is not a duration; write 10m, 2h or 1d")
            }
        }
        let request = TakeRequest(
            volumes: body.texts("volumes"), name: body.text("name"), setName: body.text("set"),
            tags: body.texts("tags"), note: body.text("note"), minimumAgeSeconds: age)
        return WebChange(kind: "snapshot", volumes: request.volumes) { manager, _ in
            try manager.snapshots.take(request).json
        }
    }

    @Sendable private static func revert(
        _ call: WebCall, _ body: WebBody
    ) throws(WebFailure) -> WebChange {
        let clone = body.text("with").map { CloneUse(name: $0, ends: body.flag("end_clone")) }
        guard clone != nil || !body.flag("end_clone") else {
            throw .badRequest("end_clone needs with, which says the clone")
        }
        // As on the command line where nobody can be asked.
        guard !body.flag("no_safety") || body.flag("yes") || body.flag("dry_run") else {
            throw .refusal(
                409, "refused",
                "no_safety loses what was written since the newest snapshot: it needs yes")
        }
        // The merge is whoever's serves the volume, or else the next open's: the job does not wait for it.
        let options = RevertOptions(
            skipsSafety: body.flag("no_safety"), waits: false, isDryRun: body.flag("dry_run"),
            isQueuedWhileOpen: body.flag("lazy_on_close"), overrulesClients: body.flag("force"),
            clone: clone)
        let reference = body.text("snapshot") ?? ""
        return WebChange(kind: "revert", volumes: []) { manager, _ in
            try manager.reverts.revert(reference, options).json
        }
    }
}
