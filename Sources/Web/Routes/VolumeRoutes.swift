internal import Manager
internal import SnapshotModel

extension RouteTable {
    /// The volumes, and what belongs to one of them or to several.
    static let volumeRoutes: [WebRoute] = [
        .get(
            "/api/v1/status", "Volumes, stores, space, merges, mounts and what burns.", ["status"],
            [volumes]
        ) { call in
            let names = call.query.texts("volume")
            let (status, mounts) = (call.manager.status, call.manager.mounts)
            return [
                "volumes": JSONValue(try status.status(names)),
                "mounts": JSONValue(try mounts.list(names)),
                "warnings": JSONValue(try status.warnings()),
            ]
        },
        .get("/api/v1/volumes", "All volumes.", ["volume-list"]) { call in
            ["volumes": JSONValue(try call.manager.volumes.list())]
        },
        .get("/api/v1/volumes/{volume}", "A volume.", ["volume-show"]) { call in
            ["volume": try call.manager.volumes.show(call.variable("volume")).json]
        },
        WebRoute(
            method: .get, pattern: "/api/v1/volumes/{volume}/timeline", role: .read,
            summary: "All snapshots of a volume, oldest first, a column for each field.", query: [],
            shape: .own(timelineSchema),
            action: .look { call in
                .document(try call.manager.lists.timeline(of: call.variable("volume")).json)
            }),
        .get(
            "/api/v1/merges", "The merges that go on or wait.", ["merge-status"], [volumes]
        ) { call in
            ["merges": JSONValue(try call.manager.merges.status(call.query.texts("volume")))]
        },
        .get("/api/v1/clones", "The clones.", ["clone-list"], [volumes]) { call in
            ["clones": JSONValue(try call.manager.clones.list(call.query.texts("volume")))]
        },
        .get("/api/v1/vms", "The VMs of the settings.", ["vm-list"]) { call in
            [
                "vms": JSONValue(try call.manager.machines.list()),
                "copies": JSONValue(try call.manager.machineCopies.list()),
            ]
        },
        .get("/api/v1/vms/{vm}", "A VM.", ["vm-show"]) { call in
            ["vm": try call.manager.machines.show(call.variable("vm")).json]
        },
        .get("/api/v1/mirrors", "The mirrors, and how far each is.", ["mirror-list"]) { call in
            ["mirrors": JSONValue(try call.manager.mirrors.list())]
        },
        .get("/api/v1/mirrors/{mirror}", "A mirror.", ["mirror-show"]) { call in
            ["mirror": try call.manager.mirrors.show(call.variable("mirror")).json]
        },
    ]

    static let volumes = WebParameter.texts("volume", "Of this volume; all without any.")

    private static let timelineSchema: JSONValue = {
        func column(_ items: JSONValue) -> JSONValue { ["type": "array", "items": items] }
        let (number, text): (JSONValue, JSONValue) = (["type": "integer"], ["type": "string"])
        let numberOrNull: JSONValue = ["type": ["integer", "null"]]
        let columns: JSONValue = [
            "id": column(number), "taken_at_ms": column(number),
            "changed_bytes": column(numberOrNull), "kind": column(text), "state": column(text),
            "name": column(["type": ["string", "null"]]), "set_id": column(numberOrNull),
            "holds": column(number),
        ]
        return [
            "type": "object", "required": ["volume", "count", "here", "columns", "reverts"],
            "properties": [
                "volume": text, "count": number, "here": numberOrNull,
                "columns": [
                    "type": "object",
                    "required": [
                        "id", "taken_at_ms", "changed_bytes", "kind", "state", "name", "set_id",
                        "holds",
                    ],
                    "properties": columns,
                ],
                "reverts": column([
                    "type": "object",
                    "required": ["id", "at_ms", "snapshot_id", "safety_snapshot_id", "state"],
                    "properties": [
                        "id": number, "at_ms": number, "snapshot_id": number,
                        "safety_snapshot_id": numberOrNull, "state": text,
                    ],
                ]),
            ],
        ]
    }()
}
