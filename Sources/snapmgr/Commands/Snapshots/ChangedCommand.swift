import ArgumentParser
import Manager
import SnapshotModel

struct ChangedCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "changed", "Tell other programs what has changed between two snapshots.",
        discussion: """
            The first must be older; the second may also be the volume as it is, VOL@live. With --format \
            json, the extents of the newer one that may differ from the older one go to standard output, \
            ascending, each as data or as zero.

            With --format qcow2-bitmap, FILE becomes a small QCOW2 image for QEMU's programs. Its \
            content is the newer snapshot's, which it names as its backing file: where a server serves \
            it, or what --content says, a raw copy or an NBD URI. Its persistent dirty bitmap has what \
            has changed: `qemu-nbd -r -B BITMAP FILE` serves it to backup programs as \
            qemu:dirty-bitmap:BITMAP. A server has the same as the export VOL@A..B.
            """,
        examples: [
            "changed 41 42", "changed data@yesterday data@live",
            "changed 41 42 --format qcow2-bitmap 42.qcow2",
            "changed 41 42 --format qcow2-bitmap 42.qcow2 --content /backup/42.raw",
        ],
        exits: [
            .done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted,
        ])

    @Argument(
        help: ArgumentHelp("The older snapshot.", valueName: "a"),
        completion: Candidates.references)
    var from: String

    @Argument(
        help: ArgumentHelp("The newer one, or VOL@live.", valueName: "b"),
        completion: Candidates.references)
    var to: String

    @Argument(
        help: ArgumentHelp("The file of a qcow2-bitmap.", valueName: "file"),
        completion: .file())
    var file: String?

    @Option(help: ArgumentHelp("What is written.", valueName: "json|qcow2-bitmap"))
    var format = ChangesFormat.json

    @Option(
        help: ArgumentHelp(
            "Where the content of b is: a raw file, or an NBD URI.", valueName: "file|uri"),
        completion: .file())
    var content: String?

    @Flag(help: "Replace a file of that name.")
    var force = false

    @Flag(name: [.customShort("n"), .long], help: "Only tell what would be written.")
    var dryRun = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard (format == .bitmap) == (file != nil) else {
            throw ValidationError("a file goes with --format qcow2-bitmap, and that needs one")
        }
        guard format == .bitmap || (content == nil && !force && !dryRun) else {
            throw ValidationError(
                "--content, --force and --dry-run go with --format qcow2-bitmap")
        }
    }

    func run(_ context: CommandContext) throws {
        guard let file else { return try showExtents(context) }
        let request = BitmapRequest(
            from: from, to: to, file: file, content: content, replaces: force, isDryRun: dryRun)
        let report = try context.manager().changes.writeBitmap(request)
        try context.show(report) { text(report) }
    }

    private func showExtents(_ context: CommandContext) throws {
        var document: ChangesDocument?
        try context.manager().changes.read(from, to) { heading in
            document = ChangesDocument(heading) { text in
                try Output.write(bytes: Array(text.utf8).span.bytes)
            }
        } onExtent: {
            try document?.append($0)
        }
        try document?.finish()
    }

    private func text(_ report: BitmapReport) -> String {
        let heading = report.heading
        let remark = heading.isExact ? "" : " at most: there was a revert in between"
        return
            "\(report.file) \(report.isDryRun ? "would have" : "has") the bitmap \(report.bitmap): "
            + "\(display.size(heading.changedBytes)) changed\(remark)\n"
            + "the content is read from \(report.content)\n"
    }
}

/// What `changed` writes.
enum ChangesFormat: String, ExpressibleByArgument, CaseIterable {
    case json
    case bitmap = "qcow2-bitmap"
}
