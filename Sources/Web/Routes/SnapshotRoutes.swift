internal import Manager
internal import SnapshotModel

extension RouteTable {
    /// Snapshots, sets, and what differs between two of them.
    static let snapshotRoutes: [WebRoute] = [
        list("/api/v1/snapshots", "Snapshots.", [volumes]) { $0.query.texts("volume") },
        list("/api/v1/volumes/{volume}/snapshots", "A volume's snapshots.", []) {
            [$0.variable("volume")]
        },
        .get(
            "/api/v1/snapshots/{snapshot}", "Everything known of a snapshot, or of a set.",
            ["show", "show-set"]
        ) { call in
            let details = call.manager.details
            let reference = call.variable("snapshot")
            return try details.set(reference)?.json ?? details.show(reference).json
        },
        .get("/api/v1/sets", "The sets that have snapshots.", ["list-sets"], filters + pages) {
            call in
            ["sets": JSONValue(try call.manager.lists.sets(request(call, [])))]
        },
        .get("/api/v1/holds", "Who holds which snapshot.", ["hold-list"]) { call in
            ["holds": JSONValue(try call.manager.holds.list())]
        },
        .get(
            "/api/v1/diff", "The ranges in which two snapshots differ, or two sets.",
            ["diff", "diff-sets"], ends
        ) { call in
            let (from, to) = (call.query.text("from") ?? "", call.query.text("to"))
            let diffs = call.manager.diffs
            return try diffs.setDiff(from, to)?.json ?? diffs.diff(from, to).json
        },
    ]

    static let ends: [WebParameter] = [
        .text("from", "One snapshot, or a clone.", isRequired: true),
        .text("to", "The other; the volume as it is without one."),
    ]

    private static let filters: [WebParameter] = [
        .texts("tag", "Those with this tag."), .text("name", "Those whose names fit: before-*."),
        .text("kind", "manual, scheduled, safety or mirror."),
        .text("since", "Those taken since: 7d ago, or 2026-11-22T12:45."),
        .text("until", "Those taken until then."),
    ]

    private static let pages: [WebParameter] = [
        .number(
            "limit", 1...10_000,
            "So many at most: the newest, or the first of the order; 1000 without it."),
        .number("offset", 0...1_000_000_000, "Skip so many of the order."),
    ]

    private static let sort = WebParameter.text(
        "sort", "Order by a column; a leading - reverses it.")

    private static func list(
        _ pattern: WebPattern, _ summary: String, _ query: [WebParameter],
        _ names: @escaping @Sendable (WebCall) -> [String]
    ) -> WebRoute {
        WebRoute(
            method: .get, pattern: pattern, role: .read, summary: summary,
            query: query + filters + pages + [sort], shape: .document(["list"]),
            action: .look { call in
                var text = "{\"snapshots\":["
                var prefix = ""
                try call.manager.lists.forEachPage(request(call, names(call))) { page in
                    for snapshot in page {
                        text += prefix
                        snapshot.json.write(to: &text)
                        prefix = ","
                    }
                }
                return .written(text + "]}\n")
            })
    }

    private static func request(_ call: WebCall, _ volumes: [String]) -> ListRequest {
        let query = call.query
        return ListRequest(
            volumes: volumes, sort: query.text("sort"), limit: query.number("limit") ?? 1000,
            offset: query.number("offset"),
            filter: ListFilter(
                tags: query.texts("tag"), namePattern: query.text("name"),
                kind: query.text("kind"), since: query.text("since"), until: query.text("until")),
            tellsRetention: true)
    }
}
