internal import Manager
internal import SnapshotModel

extension RouteTable {
    /// What is in snapshots.
    static let fileRoutes: [WebRoute] = [
        WebRoute(
            method: .get, pattern: "/api/v1/snapshots/{snapshot}/files", role: .read,
            summary: "A folder's files in a snapshot, a clone or the live volume.",
            query: [path, partition], shape: .document(["files"]), action: .look(files)),
        WebRoute(
            method: .get, pattern: "/api/v1/snapshots/{snapshot}/file", role: .read,
            summary: "The bytes of a file in a snapshot.",
            query: [requiredPath, partition], shape: .bytes, action: .file),
        .get(
            "/api/v1/snapshots/{snapshot}/partitions", "The partitions of a disk.", ["partitions"]
        ) { call in
            try call.manager.partitions.list(call.variable("snapshot")).json
        },
        .get(
            "/api/v1/volumes/{volume}/find", "The snapshots in which a file differs.", ["find"],
            [requiredPath, partition]
        ) { call in
            let report = try call.manager.finds.find(
                call.variable("volume"), call.query.text("path") ?? "", isWhole: false,
                partition: call.query.number("partition"))
            return ["find": report.json]
        },
        .get(
            "/api/v1/diff/files", "The files in which two snapshots differ.", ["diff-files"],
            ends + [partition]
        ) { call in
            let query = call.query
            let report = try call.manager.fileDiffs.diff(
                query.text("from") ?? "", query.text("to"), partition: query.number("partition"))
            return ["diff": report.json]
        },
    ]

    private static let path = WebParameter.text("path", "A path in it; / without one.")
    private static let requiredPath = WebParameter.text(
        "path", "A path in it.", isRequired: true)
    private static let partition = WebParameter.number(
        "partition", 1...128, "The number of a partition.")

    /// So many files of a folder are listed at most.
    private static let filesMaximum = 10_000

    @Sendable private static func files(_ call: WebCall) throws -> WebAnswer {
        var (text, prefix, count) = ("{\"files\":[", "", 0)
        let flaws = try call.manager.fileLists.list(
            call.variable("snapshot"), path: call.query.text("path") ?? "/", isWhole: false,
            partition: call.query.number("partition")
        ) { page in
            count = count.addingClamped(page.count)
            guard count <= filesMaximum else {
                throw WebFailure.refusal(
                    413, "too_large", "the folder has more than \(filesMaximum) files",
                    hint: "list it on the command line")
            }
            for file in page {
                text += prefix
                file.json.write(to: &text)
                prefix = ","
            }
        }
        return .written(text + "],\"unread\":\(JSONValue(flaws))}\n")
    }
}
