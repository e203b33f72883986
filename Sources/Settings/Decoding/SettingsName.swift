internal import SnapshotModel

/// What volumes, sets, schedules, policies and hooks may be called: the same for all, since
/// snapshots and messages carry the names.
enum SettingsName {
    static let rule = "a name has up to 64 of a-z A-Z 0-9 . _ - and begins with a letter or digit"

    static func isValid(_ name: String) -> Bool { VolumeRecord.isValidName(name) }
}
