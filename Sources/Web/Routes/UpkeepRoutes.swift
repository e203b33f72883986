internal import Manager
internal import Scheduler
internal import Settings
internal import SnapshotModel

extension RouteTable {
    /// Settings, policies and events.
    static let upkeepRoutes: [WebRoute] = [
        .get(
            "/api/v1/config", "The settings that apply, and where each comes from.", ["config-show"]
        ) { call in
            ["settings": JSONValue(try call.operation.settings.get().effectiveValues)]
        },
        .get(
            "/api/v1/simulation", "What will be kept, when, from now on.", ["policy-simulate"],
            [
                .text("target", "A volume or a set of the settings; all without one."),
                .text("for", "How far to look: 7d, 3mo, 1y; a year without it."),
            ]
        ) { call in
            try .simulations(call, call.query.text("target"), call.query.text("for"))
        },
        WebRoute(
            method: .post, pattern: "/api/v1/simulation", role: .read,
            summary: "What another policy would keep, and prune now; nothing is changed.",
            query: [],
            shape: .document(["policy-simulate"]),
            action: .ask([
                .text("target", "A volume, a set or a VM; all that have schedules without one."),
                .text("for", "How far to look: 7d, 3mo, 1y; a year without it."),
                .table(
                    "keep",
                    "The policy, as a table [policies.NAME] has it: {\"last\": 5}; the settings' own without it."
                ),
            ]) { call, body in
                let keep = body.table("keep").map { TrialPolicy($0) }
                return .document(
                    try .simulations(
                        call, body.text("target"), body.text("for"), trying: keep))
            }),
        .get(
            "/api/v1/events", "What happened, oldest first.", ["events"],
            [
                .number(
                    "after", 0...Int(Int32.max), "Those after this one; the newest without it."),
                .number("limit", 1...1000, "So many at most; 100 without it."),
                .text("volume", "Only what happened to this volume."),
            ]
        ) { call in
            let (events, query) = (call.manager.events, call.query)
            let limit = query.number("limit") ?? 100
            let volume = query.text("volume")
            if let volume { try events.requireKnown(volume) }
            guard let after = query.number("after") else {
                return ["events": JSONValue(try events.latest(limit, volume: volume))]
            }
            return [
                "events": JSONValue(
                    try events.after(Int64(after), volume: volume, limit: limit))
            ]
        },
        WebRoute(
            method: .get, pattern: "/api/v1/events/stream", role: .read,
            summary: "What happens, as server-sent events; Last-Event-ID goes on where it was.",
            query: [
                .number(
                    "after", 0...Int(Int32.max), "Those after this one; what is new without it.")
            ], shape: .events, action: .events),
    ]
}

extension JSONValue {
    /// So many moments are told between now and the end, as `policy simulate` does.
    private static let simulationSamples = 24

    fileprivate static func simulations(
        _ call: WebCall, _ target: String?, _ span: String?, trying keep: TrialPolicy? = nil
    ) throws -> JSONValue {
        let text = span ?? "1y"
        guard let span = try? CalendarSpan(parsing: text) else {
            throw WebFailure.badRequest(
                "`\(text.prefix(64))` is no length of time: write 7d, 3mo or 1y")
        }
        let reports = try call.manager.policies.simulate(
            target, span: span, sampleCount: simulationSamples, trying: keep)
        return ["simulations": JSONValue(reports)]
    }
}
