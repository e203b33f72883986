/// The version that `--version` shows.
enum Version {
    static let text = "snapmgr 0.1.0"

    /// The same as receivers of HTTP see it.
    static var agent: String { text.replacing(" ", with: "/") }
}
