internal import Manager
internal import SnapshotModel

extension RouteTable {
    /// What tells of the service itself.
    static let serviceRoutes: [WebRoute] = [
        WebRoute(
            method: .get, pattern: "/healthz", role: nil, summary: "Whether the service answers.",
            query: [], shape: .text, action: .look { _ in .text("ok\n", type: WebAnswer.plainType) }
        ),
        WebRoute(
            method: .get, pattern: "/metrics", role: .read,
            summary: "Everything that can be counted, for Prometheus.", query: [], shape: .text,
            action: .look { call in
                .text(try call.manager.monitoring.exposition([]), type: metricsType)
            }),
        WebRoute(
            method: .get, pattern: "/api/v1/version", role: .read,
            summary: "The program's version, and the API's.", query: [], shape: .own(versionSchema),
            action: .look { call in
                .document(["version": JSONValue(call.version), "api": .integer(1)])
            }),
        WebRoute(
            method: .get, pattern: "/api/v1/openapi.json", role: nil,
            summary: "What can be asked for, as OpenAPI 3.1.", query: [],
            shape: .own(["type": "object"]),
            action: .look { _ in
                .text(
                    String(decoding: EmbeddedFiles.openAPI, as: UTF8.self), type: WebAnswer.jsonType
                )
            }),
    ]

    /// Prometheus' text format.
    private static let metricsType = "text/plain; version=0.0.4; charset=utf-8"

    private static let versionSchema: JSONValue = [
        "type": "object", "required": ["version", "api"],
        "properties": ["version": ["type": "string"], "api": ["const": .integer(1)]],
    ]
}
