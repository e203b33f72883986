package import Setup
package import SnapshotModel

/// What `setup` has done, found done, or would do.
package struct SetupReport: Hashable, Sendable {
    /// What became of a part.
    package enum Action: String, Hashable, Sendable {
        case made
        /// It was there.
        case kept
        /// Another one was there, which is somebody's own, and stays.
        case differs
        /// A dry run made nothing.
        case planned
        /// This machine's systemd does not know the unit, or failed to start it.
        case failed
    }

    /// A file of settings or of systemd.
    package struct File: Hashable, Sendable {
        package var path: String
        /// Nil for one that somebody else has written.
        package var text: String?
        package var action: Action
    }

    /// A unit that is to run.
    package struct Unit: Hashable, Sendable {
        package var name: String
        package var action: Action
    }

    package var volume: String
    package var driver: DriverName
    package var volumeAction: Action
    package var origin: OriginFacts
    /// Where snapshots are kept.
    package var storePath: String
    package var settings: File
    package var dropIns: [File] = []
    package var units: [Unit] = []
    /// Why no unit runs it; nil when units do.
    package var withoutUnits: String?
    /// Where NBD clients find the volume once it is served; nil for a device.
    package var uri: String?
    package var socket: String?
    /// What is mounted in the origin's place; nil for an image.
    package var device: String?
    package var recipes: [Recipe] = []
    package var isDryRun: Bool
    /// What the command without `--dry-run` would refuse.
    package var obstacle: Problem?
    /// What could not be done, though the rest was.
    package var failures: [Problem] = []
}

extension SetupReport: JSONConvertible {
    package var json: JSONValue {
        [
            "volume": [
                "name": JSONValue(volume), "driver": JSONValue(driver),
                "store": JSONValue(storePath),
                "action": JSONValue(volumeAction),
            ],
            "origin": [
                "path": JSONValue(origin.path), "kind": JSONValue(origin.kind.word),
                "size": JSONValue(origin.byteCount), "content": JSONValue(origin.content),
                "in_use_by": JSONValue(origin.users),
                "machines": .array(
                    origin.guestDisks.map { disk in
                        [
                            "name": JSONValue(disk.domain), "target": JSONValue(disk.target),
                            "running": JSONValue(disk.isRunning),
                        ]
                    }),
            ],
            "settings": json(settings), "drop_ins": .array(dropIns.map(json)),
            "units": .array(
                units.map { ["name": JSONValue($0.name), "action": JSONValue($0.action)] }),
            "without_units": JSONValue(withoutUnits), "uri": JSONValue(uri),
            "device": JSONValue(device),
            "recipes": .array(
                recipes.map { recipe in
                    [
                        "for": JSONValue(recipe.user), "title": JSONValue(recipe.title),
                        "text": JSONValue(recipe.text),
                    ]
                }),
            "dry_run": JSONValue(isDryRun), "obstacle": JSONValue(obstacle?.message),
        ]
    }

    private func json(_ file: File) -> JSONValue {
        [
            "path": JSONValue(file.path), "action": JSONValue(file.action),
            "text": JSONValue(file.text),
        ]
    }
}
