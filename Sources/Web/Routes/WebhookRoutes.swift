internal import Manager
internal import SnapshotModel

extension RouteTable {
    /// The receivers of events.
    static let webhookRoutes: [WebRoute] = [
        .get(
            "/api/v1/webhooks", "The webhooks: what waits, fails and was given up.",
            ["webhook-list"]
        ) { call in
            ["webhooks": JSONValue(try call.manager.webhooks.list())]
        },
        .post(
            "/api/v1/webhooks/{webhook}/retry", "Send again what a receiver did not take.",
            .operate, ["webhook-retry"],
            [
                .texts("events", "The numbers of events, as texts; all without any."),
                .flag("dry_run", "Change nothing; tell what would be."),
            ]
        ) { (call, body) throws(WebFailure) in
            let (name, isDryRun) = (call.variable("webhook"), body.flag("dry_run"))
            let events = try body.texts("events").map { text throws(WebFailure) in
                guard let number = Int64(text) else {
                    throw WebFailure.badRequest("`\(text.prefix(64))` is no number of an event")
                }
                return number
            }
            return WebChange(kind: "webhook_retry", volumes: []) { manager, _ in
                let retried = try manager.webhooks.retry(name, events, isDryRun: isDryRun)
                return [
                    "webhook": JSONValue(name), "events": .array(retried.map { .integer($0) }),
                    "dry_run": JSONValue(isDryRun),
                ]
            }
        },
        .post(
            "/api/v1/webhooks/{webhook}/test", "Send a receiver an event that tells of nothing.",
            .operate, ["webhook-test"], []
        ) { call, _ in
            let (name, agent) = (
                call.variable("webhook"), call.version.replacing(" ", with: "/")
            )
            return WebChange(kind: "webhook_test", volumes: []) { manager, _ in
                ["test": try manager.webhooks.test(name, agent: agent).json]
            }
        },
    ]
}
