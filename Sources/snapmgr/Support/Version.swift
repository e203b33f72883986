/// The version that `--version` shows.
enum Version {
    static let text = "snapmgr 0.1.0"
}
