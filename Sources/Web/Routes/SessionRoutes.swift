internal import Manager
internal import SnapshotModel

extension RouteTable {
    /// Who one is, and the sessions of browsers.
    static let sessionRoutes: [WebRoute] = [
        WebRoute(
            method: .get, pattern: "/api/v1/session", role: nil,
            summary: "Who one is, and what one may do.", query: [], shape: .own(schema),
            action: .look { call in
                guard call.client.access != .nobody else { throw WebFailure.unauthorized }
                return .document(call.client.json)
            }),
        WebRoute(
            method: .post, pattern: "/api/v1/session", role: nil,
            summary: "Begin a browser's session with a token.", query: [], shape: .own(schema),
            action: .session(.begin)),
        WebRoute(
            method: .delete, pattern: "/api/v1/session", role: nil,
            summary: "End one's own session.", query: [], shape: .own(["type": "object"]),
            action: .session(.end)),
    ]

    private static let schema: JSONValue = [
        "type": "object", "required": ["name", "role", "expires_at", "how"],
        "properties": [
            "name": ["type": "string"], "role": ["type": ["string", "null"]],
            "expires_at": ["type": ["string", "null"]],
            "how": ["enum": ["socket", "token", "cookie"]],
        ],
    ]
}
