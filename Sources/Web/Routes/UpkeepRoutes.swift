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
            let text = call.query.text("for") ?? "1y"
            guard let span = try? CalendarSpan(parsing: text) else {
                throw WebFailure.badRequest("`\(text)` is no length of time: write 7d, 3mo or 1y")
            }
            let reports = try call.manager.policies.simulate(
                call.query.text("target"), span: span, sampleCount: simulationSamples)
            return ["simulations": JSONValue(reports)]
        },
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

    /// So many moments are told between now and the end, as `policy simulate` does.
    private static let simulationSamples = 24
}
