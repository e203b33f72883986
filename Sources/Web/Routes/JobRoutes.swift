internal import Manager
internal import SnapshotModel

extension RouteTable {
    /// The jobs of the API.
    static let jobRoutes: [WebRoute] = [
        WebRoute(
            method: .get, pattern: "/api/v1/jobs", role: .read,
            summary: "The jobs that go on or have ended lately.", query: [],
            shape: .own(["type": "object", "required": ["jobs"], "properties": ["jobs": list]]),
            action: .jobs { jobs, _ in
                .written("{\"jobs\":[" + jobs.all.map(\.listed).joined(separator: ",") + "]}\n")
            }),
        WebRoute(
            method: .get, pattern: "/api/v1/jobs/{job}", role: .read, summary: "A job.", query: [],
            shape: .own(one), action: .jobs { written(try $0.job(number($1))) }),
        WebRoute(
            method: .delete, pattern: "/api/v1/jobs/{job}", role: .operate,
            summary: "Ask a job to end; it may still succeed.", query: [], shape: .own(one),
            action: .jobs { written(try $0.cancel(number($1))) }),
    ]

    private static func number(_ call: WebCall) throws(WebFailure) -> Int64 {
        guard let number = Int64(call.variable("job")), number >= 0 else {
            throw .badRequest("a job is named by its number")
        }
        return number
    }

    private static func written(_ job: WebJob) -> WebAnswer { .written("{\"job\":\(job.text)}\n") }

    /// Of a job's document.
    static let one: JSONValue = [
        "type": "object", "required": ["job"], "properties": ["job": job],
    ]
    private static let list: JSONValue = ["type": "array", "items": job]

    private static let job: JSONValue = {
        let (integer, text): (JSONValue, JSONValue) = (["type": "integer"], ["type": "string"])
        let objectOrNull: JSONValue = ["type": ["object", "null"]]
        return [
            "type": "object",
            "required": [
                "id", "kind", "state", "volumes", "requested_by", "since", "progress",
                "cancellable", "status", "result", "error",
            ],
            "properties": [
                "id": integer, "kind": text, "state": ["enum": ["running", "done", "failed"]],
                "volumes": ["type": "array", "items": text], "requested_by": ["type": "object"],
                "since": text, "progress": objectOrNull, "cancellable": ["type": "boolean"],
                "status": ["type": ["integer", "null"]], "result": objectOrNull,
                "error": objectOrNull,
            ],
        ]
    }()
}
