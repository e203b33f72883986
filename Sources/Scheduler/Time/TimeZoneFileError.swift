/// Why a time zone's file cannot be used.
package struct TimeZoneFileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The zone, as its user named it.
    package let zone: String
    /// What is wrong with the bytes: the end of a sentence that begins with the zone.
    package let reason: String

    package init(zone: String, reason: String) {
        self.zone = zone
        self.reason = reason
    }

    package var description: String { "time zone \(zone): \(reason)" }
}
