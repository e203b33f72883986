internal import SnapshotModel

/// Why text is not TOML.
struct TOMLSyntaxError: Error, Hashable {
    var message: String
    /// The byte where it stops to be.
    var offset: Int
    var hint: Advice?

    init(_ message: String, at offset: Int, hint: Advice? = nil) {
        self.message = message
        self.offset = offset
        self.hint = hint
    }
}
